/**
 * Makes databases what a deployment says: schema and logins, then every node and its tables. What can be known to fail is
 * found out before the schema moves on, so that a mistake in the configuration leaves everything to the version before.
 * When it fails later, nodes that it made are gone again: nobody would look after them.
 */
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { formatTableName, parseTableName } from '../../core/pg/identifiers.ts';
import { init } from '../../core/setup/init.ts';
import { ensureLogin } from '../../core/setup/logins.ts';
import { whyNotTrackable } from '../../core/setup/trackable.ts';
import { refuseOtherSettings } from '../../core/setup/tracked-otherwise.ts';
import { readTableFacts } from '../../core/slot/table-facts.ts';
import { migrate } from '../../core/store/migrate.ts';
import { track } from '../../core/track.ts';
import { readConfiguration } from '../shared/configuration.ts';
import { errorFields } from '../shared/observability.ts';
import { logger } from './logger.ts';
import { credentials, trackedTables, type Urls, urlsOf, withSource, withStore } from './node-access.ts';
import type { WantedNode, WantedTable } from './properties.ts';
import { takeDown } from './take-down.ts';

const VERSION = process.env.PGTIMEWARP_VERSION ?? 'unknown';

export interface BringUpOptions {
  readonly signal: AbortSignal;
  /** When it was asked for, by `performance.now()`: a removal that is asked for later ends it. */
  readonly begunMs: number;
  /** Names of nodes that were not there before and may be now: kept while it works, and empty again when they are gone. */
  readonly made: Set<string>;
}

export async function bringUp(
  wanted: readonly WantedNode[],
  { signal, begunMs, made }: BringUpOptions,
): Promise<void> {
  const reachable: WantedNode[] = [];
  for (const node of wanted) if (await canBeMade(node)) reachable.push(node);
  await prepareStore();
  try {
    for (const node of reachable) {
      const urls = await urlsOf(node);
      const { plugin, slotName } = node;
      if ((await trackedTables(node.node)) === null) made.add(node.node);
      const result = await init({ ...urls, plugin, slotName, version: VERSION, signal, begunMs });
      if (!result.created) made.delete(node.node);
      logger.info('node is set up', { node: node.node, created: result.created });
      for (const table of node.tables) await startTracking(urls, table, signal);
    }
  } catch (error) {
    const begun = reachable.filter(({ node }) => made.has(node));
    await takeDown(begun, [], { forgotten: [], signal }).then(
      () => made.clear(),
      (also) => logger.error('undoing failed', errorFields(also)),
    );
    throw error;
  }
}

/** Whether the store has the node with all its tables already, so that nothing is left to do on its source. */
export async function isAsWanted(node: WantedNode): Promise<boolean> {
  const tracked = await trackedTables(node.node);
  if (
    tracked === null ||
    !node.tables.every(({ name }) => tracked.has(formatTableName(parseTableName(name))))
  )
    return false;
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
  const facts = await withSource(node, (source) => readTableFacts(source, names));
  for (const [index, name] of names.entries()) {
    const obstacle = whyNotTrackable(facts[index] ?? null, name);
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
