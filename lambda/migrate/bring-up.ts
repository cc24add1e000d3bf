/**
 * Brings the databases to the state of a deployment: schema and logins, then every node and its tables. It checks for foreseeable
 * failures before it changes the schema, so that after a mistake in the configuration the previous version still works. If it fails
 * later, it removes the nodes that it made, because no deployment would manage them.
 */
import { DEFAULT_MIN_ROWS, hasArchive, setArchiveIn } from '../../core/archive/change-archive.ts';
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

/** Time limit for undoing after the time of the request is over. It is shorter than the time that the handler keeps for that. */
const UNDOING_MS = 12_000;

export interface BringUpOptions {
  readonly signal: AbortSignal;
  /** Aborts when a newer request decides the state. */
  readonly superseded: AbortSignal;
  /** When the request came, by `performance.now()`. A later request for removal ends the set-up. */
  readonly begunMs: number;
  /** The names of nodes that bringUp() made. It takes out those that it removed again. */
  readonly made: Set<string>;
}

/** A table whose tracking bringUp() began. */
type Begun = readonly [node: WantedNode, table: WantedTable];

/** @param before the state that the deployment wanted until now */
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
        const shared = table.shared || comesFromAnother(node, table, { wanted, before });
        await startTracking(urls, { ...table, shared }, signal);
      }
    }
    for (const node of wanted) await settleWindows(node, before);
    for (const node of wanted) await settleArchives(node, before);
    throwIfAborted(superseded);
  } catch (error) {
    if (!isTurnLost(superseded)) {
      await undo(wanted, made, begun).catch((also) => logger.error('undoing failed', errorFields(also)));
    }
    throw error;
  }
}

/**
 * Whether the deployment takes the table from another node. That node still tracks it: if it stopped before this one has begun, changes
 * between would be stored by none, and a failed update could not bring them back.
 */
function comesFromAnother(
  { node }: WantedNode,
  table: WantedTable,
  { wanted, before }: Readonly<Record<'wanted' | 'before', readonly WantedNode[]>>,
): boolean {
  const hadIt = before.filter((each) => each.node !== node && has(each, table));
  return hadIt.some((former) => !wanted.some((each) => each.node === former.node && has(each, table)));
}

function has({ tables }: WantedNode, table: WantedTable): boolean {
  return tables.some((each) => trueName(each) === trueName(table));
}

/** Removes what a failed bring-up made, because no later request may come to remove it. */
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

/** Sets retention windows. They concern only the store, so they follow the configuration even if a source does not answer. */
async function settleWindows(node: WantedNode, before: readonly WantedNode[]): Promise<void> {
  const former = before.find((each) => each.node === node.node)?.tables ?? [];
  for (const table of node.tables) {
    const name = parseTableName(table.name);
    const earlier = former.find((each) => trueName(each) === trueName(table))?.retention ?? null;
    if (table.retention === null && earlier === null) continue; // a window set by hand stays
    await withStore(node.node, async (store) => {
      await requireWindow(store, table.retention);
      await inTransaction(store, async (tx) => {
        if (table.retention === null) await setNodesRetention(tx, node.node, name);
        else await setTableRetention(tx, node.node, { table: name, retention: table.retention });
      });
    });
  }
}

/** Sets what is archived. An archive that the deployment does not name any more begins no new unit; one that was set by hand stays. */
async function settleArchives(node: WantedNode, before: readonly WantedNode[]): Promise<void> {
  const former = before.find((each) => each.node === node.node)?.tables ?? [];
  for (const table of node.tables) {
    const wasSet = former.some((each) => trueName(each) === trueName(table) && each.archive !== null);
    if (table.archive === null && !wasSet) continue;
    const { hot = null, drop = false, minRows = null } = table.archive ?? {};
    const setting = { hot, drops: drop, minRows: minRows ?? DEFAULT_MIN_ROWS };
    await withStore(node.node, async (store) => {
      if (hot === null && !(await hasArchive(store, node.node, parseTableName(table.name)))) return;
      await setArchiveIn(store, node.node, { table: parseTableName(table.name), ...setting });
    });
  }
}

/** Whether the store already has the node with all its tables, so that its source needs no work. */
export async function isAsWanted(node: WantedNode): Promise<boolean> {
  const tracked = await trackedTables(node.node);
  if (tracked === null || !node.tables.every((table) => tracked.has(trueName(table)))) return false;
  await refuseOther(node, tracked);
  return true;
}

/** Throws, before any work, if a table is tracked with other settings that cannot change. */
async function refuseOther({ node, tables }: WantedNode, tracked: ReadonlySet<string> | null): Promise<void> {
  for (const { name, exclude, baseline, noNan } of tables) {
    const table = parseTableName(name);
    if (tracked?.has(formatTableName(table)) !== true) continue;
    await withStore(node, (store) => refuseOtherSettings(store, node, table, { exclude, baseline, noNan }));
  }
}

/**
 * Throws if the node cannot be set up: its source does not answer, or a table cannot be tracked.
 * @returns false if the node exists already and its source does not answer. One source that is down must stop neither deployments
 * of other nodes nor the way back to the previous version.
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
      credentials.forget(arn); // forget the cached credentials: a rotation may have changed them
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
      shared: table.shared,
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
