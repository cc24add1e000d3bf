/**
 * Sets up a node: schema, a note in the store, publication (pgoutput), slot, node row, in this order, because each step needs the one
 * before. If a set-up stops anywhere, it can be repeated, and the store knows of every slot that it left. Repeating a finished set-up
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
  writeSlotFailover,
} from '../store/node/nodes.ts';
import { isRemovalAsked } from '../store/node/removals.ts';
import { migrate, requireWritable } from '../store/schema/migrate.ts';
import { DEFAULT_PLUGIN, type Plugin, requireContextPrefix } from '../types/plugin.ts';
import { maybeSameSystem } from '../types/server-identity.ts';
import { readBeginning } from './beginning.ts';
import { cancelOnAbort, stopOf, throwIfAborted } from './cancel-on-abort.ts';
import { type Databases, type DatabaseUrls, refuseSameDatabase, withDatabases } from './databases.ts';
import { lockSetup, lockSetupPatiently } from './setup-lock.ts';
import { refuseUnsuitable } from './unsuitable.ts';

export interface InitOptions extends DatabaseUrls {
  /** null: wal2json for a new node; an existing node keeps its own. */
  readonly plugin: Plugin | null;
  /** null: `pgtimewarp_<node>` for a new node; an existing node keeps its own. */
  readonly slotName: string | null;
  /** Version of this program. The store keeps it with the node. */
  readonly version: string;
  /** Messages with these prefixes are contexts too. Default: an existing node keeps its own, a new node has none. */
  readonly contextPrefixes?: readonly string[];
  /**
   * Whether the slot of a new node is made with failover, from PostgreSQL 17 on: standbys that synchronise slots get it. Default: true,
   * because a node whose slot is gone after a failover has a gap.
   */
  readonly slotFailover?: boolean;
  readonly signal?: AbortSignal;
  /** When the set-up was requested, by `performance.now()`; default: now. A removal that is requested later ends the set-up. */
  readonly begunMs?: number;
  readonly onProgress?: (message: string) => void;
}

type Wanted = InitOptions & { readonly begunMs: number };

export interface InitResult {
  /** false: the node existed already. */
  readonly created: boolean;
  readonly node: StoredNode;
  /** null for wal2json. */
  readonly publication: string | null;
}

/** How many of the transactions that the slot waits for a message names. */
const TRANSACTIONS_SHOWN = 3;

/** What a set-up has made, or is about to make, and must remove itself if it fails. */
interface Begun {
  identity: NodeIdentity | null;
  madePublication: boolean;
}

/**
 * Sets up a node, or checks an existing one. A failed set-up removes what it made. If a database no longer answers, a note in the store
 * remains, by which a repeated `init` or `deinit` removes the rest.
 * Throws SAME_DATABASE, WAL_LEVEL, SOURCE_IN_RECOVERY, PLUGIN_MISSING, PLUGIN_REFUSED, PUBLICATION_RIGHTS, SLOT_CONFLICT,
 * SLOT_LIMIT, SLOT_MISSING, SLOT_LOST, NODE_CONFLICT, BAD_FLAGS (a prefix of contexts), INTERRUPTED (also if the removal of the node was
 * requested meanwhile).
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
      // with new sessions: the old ones may be the cause of the failure
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
      await checkExisting(source, { known, facts }, options);
      await lookAtPluginAgain(databases, known, facts);
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
      create(databases, facts, { identity, known, options, begun }),
    );
    return describe(await requireNode(store, options.node), true);
  });
}

interface Creation {
  readonly identity: NodeIdentity;
  /** A removed node of this name, or one whose set-up was interrupted. */
  readonly known: StoredNode | null;
  readonly options: Wanted;
  readonly begun: Begun;
}

async function create(
  { source, store }: Databases,
  facts: SourceFacts,
  { identity, known, options, begun }: Creation,
): Promise<void> {
  refuseUnsuitable(facts);
  await refuseEncoding(source, 'source');
  if (facts.slot !== null) {
    const isForgotten = isForgottenSlot(known, identity, facts.slot);
    if (!isOwnLeftover(known, identity) && !isForgotten)
      throw slotConflict(identity.slotName, facts.slot.plugin);
    await dropSlotWhenFree(source, identity.slotName);
    if (isForgotten) await dropPublication(source, publicationName(identity.node)); // it still has the earlier tables
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
  try {
    const slot = { name: identity.slotName, plugin: identity.plugin };
    const { slotFailover: failover = true } = options;
    const slotStart = await createSlot(source, { ...slot, failover }).catch(async (error) => {
      throw (await whyStoppedWaiting(source, options, error)) ?? error;
    });
    throwIfAborted(options.signal);
    const asText = await knowsNumbersAsText(source, slot, slotStart);
    const start = await readBeginning({ source, store }, slotStart);
    await inTransaction(store, async (tx) => {
      const obstacle = await whyNotWanted(tx, options);
      if (obstacle !== null) throw obstacle;
      await activateNode(tx, identity, start);
      await writeNumbersAsText(tx, identity.node, asText === true);
      await writeSlotFailover(tx, identity.node, failover);
      await writeContextPrefixes(tx, identity.node, options.contextPrefixes ?? []);
    });
  } catch (error) {
    throw (await whyNotWanted(store, options, error).catch(() => null)) ?? error; // a removal of the node also cancels the creation of its slot
  }
}

/** The transactions that the creation of the slot waited for when it was stopped. null: it was not stopped, or waited for none */
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

/** An error if the removal of the node was requested after its set-up; null: it was not */
async function whyNotWanted(
  store: Queryable,
  { node, begunMs }: Wanted,
  cause?: unknown,
): Promise<TimewarpError | null> {
  if (!(await isRemovalAsked(store, node, performance.now() - begunMs))) return null;
  return new TimewarpError('INTERRUPTED', `The removal of node "${node}" was requested during its set-up.`, {
    remedy: 'If you still want the node, repeat the set-up.',
    cause,
  });
}

/** Removes what was made of a node that did not become active. If the node became active although the answer was lost, it stays. */
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

/** Whether an `init` of this node made the slot before it was killed. */
function isOwnLeftover(known: StoredNode | null, identity: NodeIdentity): boolean {
  return (
    known?.statusReason === SETUP_UNFINISHED &&
    known.slotName === identity.slotName &&
    maybeSameSystem(known, identity) &&
    known.database === identity.database
  );
}

/**
 * Whether the slot is the one of this node from before: the node was removed without an answer of its source, and the source came back. A
 * slot that was created under the name since then is ahead of everything that the store has read.
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
  { known, facts }: { readonly known: StoredNode; readonly facts: SourceFacts },
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

/** Stores the prefixes, so that the next run reads messages with them. */
async function setContextPrefixes(store: Queryable, { node, contextPrefixes }: InitOptions): Promise<void> {
  if (contextPrefixes !== undefined) await writeContextPrefixes(store, node, contextPrefixes);
}

/** The plugin may be another version by now. */
async function lookAtPluginAgain(
  { source, store }: Databases,
  known: StoredNode,
  { slot }: SourceFacts,
): Promise<void> {
  if (slot?.confirmedFlushLsn == null) return;
  const asText = await knowsNumbersAsText(
    source,
    { name: known.slotName, plugin: known.plugin },
    slot.confirmedFlushLsn,
  );
  if (asText !== null) await writeNumbersAsText(store, known.node, asText);
}

function slotConflict(slotName: string, plugin: string): TimewarpError {
  return new TimewarpError(
    'SLOT_CONFLICT',
    `The source has a slot "${slotName}" (${plugin}) that does not belong to this node.`,
    {
      remedy:
        'Choose another name: pgtimewarp init --slot NAME. A slot that is no longer needed keeps WAL: ' +
        `SELECT pg_drop_replication_slot('${slotName}');`,
      facts: { slot: slotName, plugin },
    },
  );
}

/** The slot name that a repeated set-up must keep. A node that was removed does not count, unless its set-up was only interrupted. */
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
