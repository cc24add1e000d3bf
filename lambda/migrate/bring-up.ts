/**
 * Makes databases what a deployment says: schema and logins, then every node and its tables. What can be known to fail is
 * found out before the schema moves on, so that a mistake in the configuration leaves everything to the version before.
 * When it fails later, nodes that it made are gone again: nobody would look after them.
 */
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { formatTableName, parseTableName } from '../../core/pg/identifiers.ts';
import { inTransaction } from '../../core/pg/transaction.ts';
import { requireWindow, setNodesRetention, setTableRetention } from '../../core/retention/periods.ts';
import { throwIfAborted } from '../../core/setup/cancel-on-abort.ts';
import { init } from '../../core/setup/init.ts';
import { ensureLogin, letSeeRuns } from '../../core/setup/logins.ts';
import { refuseOtherSettings } from '../../core/setup/tracked-otherwise.ts';
import { readTableFacts } from '../../core/source/catalog/table-facts.ts';
import { whyNotTrackable } from '../../core/source/catalog/trackable.ts';
import { SEE_EACH_OTHER } from '../../core/store/node/claim.ts';
import { migrate } from '../../core/store/schema/migrate.ts';
import { track } from '../../core/track.ts';
import { DEFAULT_PLUGIN } from '../../core/types/plugin.ts';
import { readConfiguration } from '../shared/configuration.ts';
import { errorFields } from '../shared/observability.ts';
import { isTurnLost } from './in-turn.ts';
import { logger } from './logger.ts';

import {
  credentials,
  storedPlugin,
  trackedTables,
  type Urls,
  urlsOf,
  withSource,
  withStore,
} from './node-access.ts';
import { trueName, type WantedNode, type WantedTable } from './properties.ts';
import { takeDown, untrackTable } from './take-down.ts';

const VERSION = process.env.PGTIMEWARP_VERSION ?? 'unknown';

/** For undoing, when the time of the request is over: shorter than what is kept for its end. */
const UNDOING_MS = 12_000;

export interface BringUpOptions {
  readonly signal: AbortSignal;
  /** Given when somebody else decides what holds. */
  readonly superseded: AbortSignal;
  /** When it was asked for, by `performance.now()`: a removal that is asked for later ends it. */
  readonly begunMs: number;
  /** Gets the names of nodes that were not there, and loses those that are gone again. */
  readonly made: Set<string>;
}

/** A table whose tracking was begun. */
type Begun = readonly [node: WantedNode, table: WantedTable];

/** @param before what the deployment wanted until now */
export async function bringUp(
  wanted: readonly WantedNode[],
  before: readonly WantedNode[],
  { signal, superseded, begunMs, made }: BringUpOptions,
): Promise<void> {
  const reachable: WantedNode[] = [];
  for (const node of wanted) {
    throwIfAborted(signal);
    if (await canBeMade(node)) reachable.push(node);
  }
  await prepareStore();
  const begun: Begun[] = [];
  try {
    for (const node of reachable) {
      throwIfAborted(signal);
      const urls = await urlsOf(node);
      const known = await trackedTables(node.node);
      if (known === null) made.add(node.node);
      const { plugin, slotName } = node;
      const result = await init({ ...urls, plugin, slotName, version: VERSION, signal, begunMs });
      logger.info('node is set up', { node: node.node, created: result.created });
      for (const table of node.tables) {
        throwIfAborted(signal);
        if (known !== null && !known.has(trueName(table))) begun.push([node, table]);
        await startTracking(urls, table, signal);
      }
    }
    for (const node of wanted) await settleWindows(node, before);
    throwIfAborted(superseded);
  } catch (error) {
    if (!isTurnLost(superseded)) {
      await undo(wanted, made, begun).catch((also) => logger.error('undoing failed', errorFields(also)));
    }
    throw error;
  }
}

/** Leaves of a bring-up that failed what was there before it: nobody may come to look after the rest. */
async function undo(
  wanted: readonly WantedNode[],
  made: Set<string>,
  begun: readonly Begun[],
): Promise<void> {
  const inTime = AbortSignal.timeout(UNDOING_MS);
  for (const [node, table] of begun) {
    if (!inTime.aborted) await untrackTable(node, table.name);
  }
  const nodes = wanted.filter(({ node }) => made.has(node));
  await takeDown(nodes, [], { forgotten: [], signal: inTime, deadline: inTime });
  made.clear();
}

/** Windows are the store's alone: they follow the configuration also where a source does not answer. */
async function settleWindows(node: WantedNode, before: readonly WantedNode[]): Promise<void> {
  const former = before.find((each) => each.node === node.node)?.tables ?? [];
  for (const table of node.tables) {
    const name = parseTableName(table.name);
    const earlier = former.find((each) => trueName(each) === trueName(table))?.retention ?? null;
    if (table.retention === null && earlier === null) continue; // whatever it was given by hand stays
    await withStore(node.node, async (store) => {
      await requireWindow(store, table.retention);
      await inTransaction(store, async (tx) => {
        if (table.retention === null) await setNodesRetention(tx, node.node, name);
        else await setTableRetention(tx, node.node, name, table.retention);
      });
    });
  }
}

/** Whether the store has the node with all its tables already, so that nothing is left to do on its source. */
export async function isAsWanted(node: WantedNode): Promise<boolean> {
  const tracked = await trackedTables(node.node);
  if (tracked === null || !node.tables.every((table) => tracked.has(trueName(table)))) return false;
  await refuseOther(node, tracked);
  return true;
}

/** Throws where a table is tracked with other settings that cannot change: before anything is done. */
async function refuseOther({ node, tables }: WantedNode, tracked: ReadonlySet<string> | null): Promise<void> {
  for (const { name, exclude, baseline, noNan } of tables) {
    const table = parseTableName(name);
    if (tracked?.has(formatTableName(table)) !== true) continue;
    await withStore(node, (store) => refuseOtherSettings(store, node, table, { exclude, baseline, noNan }));
  }
}

/**
 * Throws what would stop the node from being set up: a source that does not answer, a table that cannot be tracked.
 * @returns false for a node that is there already and whose source does not answer: one source that is down must stop
 * neither deployments of the others nor the way back to the version before
 */
async function canBeMade(node: WantedNode): Promise<boolean> {
  try {
    await withSource(node, async () => {});
  } catch (error) {
    const silent = error instanceof TimewarpError && error.code === 'SOURCE_UNREACHABLE';
    if (!silent || !(await isAsWanted(node))) throw error;
    logger.warn('source does not answer; its node is left as it is', { node: node.node });
    return false;
  }
  const known = await trackedTables(node.node);
  await refuseOther(node, known);
  const names = node.tables
    .map(({ name }) => parseTableName(name))
    .filter((name) => known?.has(formatTableName(name)) !== true);
  if (names.length === 0) return true;
  const plugin = node.plugin ?? (await storedPlugin(node.node)) ?? DEFAULT_PLUGIN;
  const facts = await withSource(node, (source) => readTableFacts(source, names));
  for (const [index, name] of names.entries()) {
    const obstacle = whyNotTrackable(facts[index] ?? null, name, plugin);
    if (obstacle !== null) throw obstacle;
  }
  return true;
}

async function prepareStore(): Promise<void> {
  const { storeSecretArn, writerSecretArn, readerSecretArn } = readConfiguration([
    'storeSecretArn',
    'writerSecretArn',
    'readerSecretArn',
  ]);
  await withStore('migrate', async (owner) => {
    const result = await migrate(owner);
    logger.info('schema is up to date', { from: result.from, to: result.to });
    for (const [arn, role] of [
      [writerSecretArn, 'pgtimewarp_writer'],
      [readerSecretArn, 'pgtimewarp_reader'],
    ] as const) {
      credentials.forget(arn); // the present one: it may just have been rotated
      if (arn !== storeSecretArn) await ensureLogin(owner, await credentials.url(arn), role);
    }
    if (
      writerSecretArn !== storeSecretArn &&
      !(await letSeeRuns(owner, await credentials.url(writerSecretArn)))
    )
      logger.warn('logins that take turns do not see each other at work', { remedy: SEE_EACH_OTHER });
  });
}

async function startTracking(urls: Urls, table: WantedTable, signal: AbortSignal): Promise<void> {
  const started = new AbortController();
  try {
    await track({
      ...urls,
      table: parseTableName(table.name),
      exclude: table.exclude,
      baseline: table.baseline,
      retention: table.retention,
      noNan: table.noNan,
      signal: AbortSignal.any([signal, started.signal]),
      onProgress: ({ phase }) => {
        if (phase === 'baseline' || phase === 'resolving') started.abort();
      },
    });
    logger.info('table is tracked', { node: urls.node, table: table.name });
  } catch (error) {
    if (!(error instanceof TimewarpError) || error.code !== 'INTERRUPTED') throw error;
    logger.info('table is asked for; later runs go on with it', { node: urls.node, table: table.name });
  }
}
