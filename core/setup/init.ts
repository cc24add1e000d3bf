/**
 * Makes a node: schema, a note, publication (pgoutput), slot, node row, in this order, because each needs the one before. A
 * set-up that is stopped anywhere can be repeated, and leaves no slot behind that nobody knows of; repeating a finished one
 * changes nothing.
 */
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { Queryable } from '../pg/connection.ts';
import { refuseEncoding } from '../pg/encoding.ts';
import { inTransaction } from '../pg/transaction.ts';
import {
  dropPublication,
  ensurePublication,
  publicationExists,
  publicationName,
} from '../source/publication/publication.ts';
import { openTransactions } from '../source/slot/open-transactions.ts';
import { createSlot, dropSlotWhenFree, knowsNumbersAsText } from '../source/slot/slot-lifecycle.ts';
import { readSourceFacts, type SlotFacts, type SourceFacts } from '../source/slot/source-facts.ts';
import {
  activateNode,
  isDatabaseOf,
  type NodeIdentity,
  readNode,
  recordSetupIntent,
  requireNode,
  SETUP_UNFINISHED,
  type StoredNode,
  withdrawSetupIntent,
  writeContextPrefixes,
  writeNumbersAsText,
} from '../store/node/nodes.ts';
import { isRemovalAsked } from '../store/node/removals.ts';
import { boundTime } from '../store/node/trusted-clock.ts';
import { migrate, requireWritable } from '../store/schema/migrate.ts';
import { DEFAULT_PLUGIN, type Plugin, requireContextPrefix } from '../types/plugin.ts';
import { maybeSameSystem } from '../types/server-identity.ts';
import { cancelOnAbort, stopOf, throwIfAborted } from './cancel-on-abort.ts';
import { type Databases, type DatabaseUrls, refuseSameDatabase, withDatabases } from './databases.ts';
import { lockSetup, lockSetupPatiently } from './setup-lock.ts';
import { refuseUnsuitable } from './unsuitable.ts';

export interface InitOptions extends DatabaseUrls {
  /** null: wal2json for a new node, whatever it has for one that exists. */
  readonly plugin: Plugin | null;
  /** null: `pgtimewarp_<node>` for a new node, whatever it has for one that exists. */
  readonly slotName: string | null;
  /** Version of this program, kept with the node. */
  readonly version: string;
  /** Messages under these prefixes are contexts too, beside the usual ones. Left out: as it was, none for a new node. */
  readonly contextPrefixes?: readonly string[];
  readonly signal?: AbortSignal;
  /** When it was asked for, by `performance.now()`; now, when left out. A removal that is asked for later ends it. */
  readonly begunMs?: number;
  readonly onProgress?: (message: string) => void;
}

type Wanted = InitOptions & { readonly begunMs: number };

export interface InitResult {
  /** false when the node was there already. */
  readonly created: boolean;
  readonly node: StoredNode;
  /** null for wal2json. */
  readonly publication: string | null;
}

/** Of those that a slot waits for. */
const TRANSACTIONS_SHOWN = 3;

/** What a set-up has made, or is about to make, and nobody else knows how to remove. */
interface Begun {
  identity: NodeIdentity | null;
  madePublication: boolean;
}

/**
 * Sets a node up, or checks that it is. One that fails leaves nothing, or, where a database does not answer any more, a note in
 * the store by which repeating it, or `deinit`, removes the rest.
 * Throws SAME_DATABASE, WAL_LEVEL, SOURCE_IN_RECOVERY, PLUGIN_MISSING, PLUGIN_REFUSED, PUBLICATION_RIGHTS, SLOT_CONFLICT,
 * SLOT_LIMIT, SLOT_MISSING, SLOT_LOST, NODE_CONFLICT, BAD_FLAGS (a prefix of contexts), INTERRUPTED (also when the removal of the node was asked for meanwhile).
 */
export async function init(options: InitOptions): Promise<InitResult> {
  for (const prefix of options.contextPrefixes ?? []) requireContextPrefix(prefix);
  const begun: Begun = { identity: null, madePublication: false };
  const wanted = { ...options, begunMs: options.begunMs ?? performance.now() };
  try {
    return await withDatabases(options, (databases) => setUp(databases, wanted, begun));
  } catch (error) {
    const { identity, madePublication } = begun;
    if (identity !== null) {
      // with sessions of its own: those of before may be what has failed
      await withDatabases(options, (databases) => undo(databases, identity, madePublication)).catch(() => {});
    }
    throw error;
  }
}

async function setUp(databases: Databases, options: Wanted, begun: Begun): Promise<InitResult> {
  const { source, store } = databases;
  await refuseSameDatabase(source, store);
  options.onProgress?.('bringing the schema of the store up to date');
  await migrate(store);
  await requireWritable(store);
  return await cancelOnAbort(store, { ...storeSession(options), signal: options.signal }, async () => {
    await lockSetup(store, options.node);
    const obstacle = await whyNotWanted(store, options);
    if (obstacle !== null) throw obstacle;
    const known = await readNode(store, options.node);
    const slotName = options.slotName ?? activeSlotName(known) ?? `pgtimewarp_${options.node}`;
    const facts = await readSourceFacts(source, slotName);
    if (known !== null && known.status !== 'removed') {
      await checkExisting(source, known, facts, options);
      await lookAtPluginAgain(source, store, known, facts);
      await setContextPrefixes(store, options);
      return describe(await requireNode(store, options.node), false);
    }
    const identity: NodeIdentity = {
      node: options.node,
      systemIdentifier: facts.systemIdentifier,
      timeline: facts.timeline,
      database: facts.database,
      slotName,
      plugin: options.plugin ?? DEFAULT_PLUGIN,
      version: options.version,
    };
    await cancelOnAbort(source, { ...sourceSession(options), signal: options.signal }, () =>
      create(databases, facts, identity, { known, options, begun }),
    );
    return describe(await requireNode(store, options.node), true);
  });
}

async function create(
  { source, store }: Databases,
  facts: SourceFacts,
  identity: NodeIdentity,
  { known, options, begun }: { known: StoredNode | null; options: Wanted; begun: Begun },
): Promise<void> {
  refuseUnsuitable(facts);
  await refuseEncoding(source, 'source');
  if (facts.slot !== null) {
    const isForgotten = isForgottenSlot(known, identity, facts.slot);
    if (!isOwnLeftover(known, identity) && !isForgotten)
      throw slotConflict(identity.slotName, facts.slot.plugin);
    await dropSlotWhenFree(source, identity.slotName);
    if (isForgotten) await dropPublication(source, publicationName(identity.node)); // with the tables of then
  }
  throwIfAborted(options.signal);
  begun.identity = identity;
  await recordSetupIntent(store, identity);
  if (identity.plugin === 'pgoutput') {
    options.onProgress?.(`creating publication ${publicationName(identity.node)}`);
    begun.madePublication =
      isOwnLeftover(known, identity) || !(await publicationExists(source, publicationName(identity.node)));
    await ensurePublication(source, publicationName(identity.node));
  }
  options.onProgress?.(`creating slot ${identity.slotName} (waits for open transactions to end)`);
  // Read before the slot is made: every transaction that it delivers began later, and committed later still.
  const { time: ts } = await boundTime(store, facts.clock);
  try {
    const lsn = await createSlot(source, identity.slotName, identity.plugin).catch(async (error) => {
      throw (await whyStoppedWaiting(source, options, error)) ?? error;
    });
    throwIfAborted(options.signal);
    const asText = await knowsNumbersAsText(source, identity.slotName, identity.plugin, lsn);
    await inTransaction(store, async (tx) => {
      const obstacle = await whyNotWanted(tx, options);
      if (obstacle !== null) throw obstacle;
      await activateNode(tx, identity, { lsn, ts });
      await writeNumbersAsText(tx, identity.node, asText === true);
      await writeContextPrefixes(tx, identity.node, options.contextPrefixes ?? []);
    });
  } catch (error) {
    throw (await whyNotWanted(store, options, error).catch(() => null)) ?? error; // whoever removes a node ends the making of its slot
  }
}

/** What the making of the slot waited for when it was stopped. null: it was not stopped, or waited for nobody */
async function whyStoppedWaiting(
  source: Queryable,
  { node, signal }: Wanted,
  error: unknown,
): Promise<TimewarpError | null> {
  if (signal?.aborted !== true) return null;
  const open = await openTransactions(source, TRANSACTIONS_SHOWN).catch(() => []);
  if (open.length === 0) return null;
  const { code, message } = stopOf(signal, error);
  return new TimewarpError(
    code,
    `${message} The slot of node "${node}" waits for transactions that are open on the source: ${open.join(', ')}.`,
    {
      remedy: 'Repeat it when they have ended: SELECT pg_terminate_backend(PID), or ROLLBACK PREPARED.',
      cause: error,
    },
  );
}

/** The removal of the node was asked for after its set-up. null: it was not */
async function whyNotWanted(
  store: Queryable,
  { node, begunMs }: Wanted,
  cause?: unknown,
): Promise<TimewarpError | null> {
  if (!(await isRemovalAsked(store, node, performance.now() - begunMs))) return null;
  return new TimewarpError(
    'INTERRUPTED',
    `The removal of node "${node}" was asked for while it was set up.`,
    {
      remedy: 'If it is wanted after all, repeat the set-up.',
      cause,
    },
  );
}

/** Removes what was made of a node that has not become active. What was made active, without our hearing it, stays. */
async function undo(
  { source, store }: Databases,
  identity: NodeIdentity,
  madePublication: boolean,
): Promise<void> {
  await lockSetupPatiently(store, identity.node);
  const known = await readNode(store, identity.node);
  if (known === null || !isOwnLeftover(known, identity)) return;
  await dropSlotWhenFree(source, identity.slotName);
  if (madePublication) await dropPublication(source, publicationName(identity.node));
  await withdrawSetupIntent(store, identity.node);
}

/** A slot that an `init` of this node made before it was killed. */
function isOwnLeftover(known: StoredNode | null, identity: NodeIdentity): boolean {
  return (
    known?.statusReason === SETUP_UNFINISHED &&
    known.slotName === identity.slotName &&
    maybeSameSystem(known, identity) &&
    known.database === identity.database
  );
}

/**
 * The slot of this node, removed without an answer from its source, which came back. One that somebody has made under its name
 * since stands further on than the store has ever read.
 */
function isForgottenSlot(known: StoredNode | null, identity: NodeIdentity, slot: SlotFacts): boolean {
  if (known?.status !== 'removed' || known.horizon === null || slot.confirmedFlushLsn === null) return false;
  return (
    known.slotName === identity.slotName &&
    known.plugin === slot.plugin &&
    known.systemIdentifier === identity.systemIdentifier &&
    known.database === identity.database &&
    slot.database === identity.database &&
    slot.confirmedFlushLsn <= known.horizon.lsn
  );
}

async function checkExisting(
  source: Queryable,
  known: StoredNode,
  facts: SourceFacts,
  options: InitOptions,
): Promise<void> {
  const node = known.node;
  const conflict = (message: string): TimewarpError =>
    new TimewarpError('NODE_CONFLICT', message, { facts: { node } });
  if (!isDatabaseOf(facts, known)) {
    throw conflict(
      `Node "${node}" observes database ${known.database} of server ${known.systemIdentifier}; --source is ` +
        `${facts.database} of ${facts.systemIdentifier}.`,
    );
  }
  if (options.plugin !== null && options.plugin !== known.plugin) {
    throw conflict(`Node "${node}" reads with ${known.plugin}, not with ${options.plugin}.`);
  }
  if (options.slotName !== null && options.slotName !== known.slotName) {
    throw conflict(`Node "${node}" has the slot ${known.slotName}, not ${options.slotName}.`);
  }
  if (facts.slot === null) {
    throw new TimewarpError('SLOT_MISSING', `The slot ${known.slotName} of node "${node}" is gone.`);
  }
  if (facts.slot.walStatus === 'lost') {
    throw new TimewarpError('SLOT_LOST', `The slot ${known.slotName} of node "${node}" has lost its WAL.`);
  }
  if (facts.slot.plugin !== known.plugin || facts.slot.database !== facts.database || facts.slot.twoPhase) {
    throw slotConflict(known.slotName, facts.slot.plugin);
  }
  if (known.plugin === 'pgoutput' && !(await publicationExists(source, publicationName(node)))) {
    throw new TimewarpError(
      'PUBLICATION_MISSING',
      `The publication ${publicationName(node)} of node "${node}" is gone.`,
    );
  }
}

/** The next run reads messages under these prefixes. */
async function setContextPrefixes(store: Queryable, { node, contextPrefixes }: InitOptions): Promise<void> {
  if (contextPrefixes !== undefined) await writeContextPrefixes(store, node, contextPrefixes);
}

/** The plugin may be another version by now. */
async function lookAtPluginAgain(
  source: Queryable,
  store: Queryable,
  known: StoredNode,
  { slot }: SourceFacts,
): Promise<void> {
  if (slot?.confirmedFlushLsn == null) return;
  const asText = await knowsNumbersAsText(source, known.slotName, known.plugin, slot.confirmedFlushLsn);
  if (asText !== null) await writeNumbersAsText(store, known.node, asText);
}

function slotConflict(slotName: string, plugin: string): TimewarpError {
  return new TimewarpError(
    'SLOT_CONFLICT',
    `The source has a slot "${slotName}" (${plugin}) that is not this node's.`,
    {
      remedy:
        'Choose another name: pgtimewarp init --slot NAME. A slot that nobody needs any more pins WAL: ' +
        `SELECT pg_drop_replication_slot('${slotName}');`,
      facts: { slot: slotName, plugin },
    },
  );
}

/** A removed node does not bind its successor to the old name, unless its set-up was only interrupted. */
function activeSlotName(known: StoredNode | null): string | null {
  return known === null || known.status === 'removed' ? null : known.slotName;
}

function describe(node: StoredNode, created: boolean): InitResult {
  return { created, node, publication: node.plugin === 'pgoutput' ? publicationName(node.node) : null };
}

function storeSession(options: InitOptions): { url: string; side: 'store'; node: string } {
  return { url: options.storeUrl, side: 'store', node: options.node };
}

function sourceSession(options: InitOptions): { url: string; side: 'source'; node: string } {
  return { url: options.sourceUrl, side: 'source', node: options.node };
}
