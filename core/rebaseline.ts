/**
 * Requests the repair of a table and waits for its end. Runs read the table and add only differences to the history. When the
 * command is interrupted, later runs continue; when it is repeated, the repair continues where it was.
 */
import type pg from 'pg';
import { TimewarpError } from './errors/timewarp-error.ts';
import { connect } from './pg/connection.ts';
import { fromDatabaseError, fromTableQuery } from './pg/database-error.ts';
import { formatTableName, type TableName } from './pg/identifiers.ts';
import { inTransaction, type StoreTransaction } from './pg/transaction.ts';
import { poll } from './poll.ts';
import { isPublishedWhole } from './run/catalog/catalog-facts.ts';
import { followKey, isKeyOfHistory } from './run/catalog/key-of-history.ts';
import { readTableFacts, type TableFacts } from './source/catalog/table-facts.ts';
import { whyNotTrackable } from './source/catalog/trackable.ts';
import { publicationOf } from './source/publication/publication.ts';
import { ensurePublished } from './source/publication/publication-tables.ts';
import { lockHorizon } from './store/node/claim.ts';
import { requireNode, type StoredNode } from './store/node/nodes.ts';
import { requireWritable } from './store/schema/migrate.ts';
import { openRelationGap } from './store/tables/gap.ts';
import { readTrackedRelations, type TrackedRelation } from './store/tables/read.ts';
import { askRepair } from './store/tables/repair.ts';
import { isInGap, isUnderRepair } from './store/tables/state.ts';
import { reactTo, refuseMissing, type TrackProgress } from './track.ts';

export interface RebaselineOptions {
  readonly sourceUrl: string;
  readonly storeUrl: string;
  readonly node: string;
  readonly table: TableName;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: TrackProgress) => void;
}

export interface RebaselineResult {
  readonly table: string;
  readonly relationId: number;
  readonly rows: number;
  /** Findings of the repair, including those that were dropped because the log had the change. */
  readonly differences: number;
}

/**
 * Repairs a table and waits until it is done. It opens a gap at the horizon if the table has none: the user may know of a
 * change that the catalog does not show. Throws TimewarpError: TABLE_NOT_TRACKED, TABLE_UNKNOWN, NO_PRIMARY_KEY, TABLE_NOT_TRACKABLE,
 * PUBLICATION_RIGHTS, NODE_GAP, INTERRUPTED and what `poll` throws.
 */
export async function rebaseline(options: RebaselineOptions): Promise<RebaselineResult> {
  const store = await connect(options.storeUrl, { side: 'store', node: options.node });
  try {
    await requireWritable(store);
    const node = await requireNode(store, options.node);
    const relation = await requireRelation(store, options);
    const facts = await makeReadable(options, node, relation);
    await inTransaction(store, (tx) => ask(tx, { relation, facts }, options));
    return await waitForRepair(options, node, store);
  } catch (error) {
    throw fromDatabaseError(error, 'store');
  } finally {
    await store.end().catch(() => {});
  }
}

async function requireRelation(
  store: pg.Client,
  { node, table }: RebaselineOptions,
): Promise<TrackedRelation> {
  const relation = (await readTrackedRelations(store, node)).find(
    ({ name }) => name.schema === table.schema && name.name === table.name,
  );
  if (relation === undefined) {
    throw new TimewarpError(
      'TABLE_NOT_TRACKED',
      `${formatTableName(table)} is not tracked by node "${node}".`,
    );
  }
  if (relation.state.kind === 'starting') {
    throw new TimewarpError('BAD_FLAGS', `The tracking of ${formatTableName(table)} has not begun yet.`, {
      remedy: `pgtimewarp track ${formatTableName(table)}`,
    });
  }
  return relation;
}

/** Checks that the table exists, with the key of its history, and publishes it (a recreated table is in no publication). */
async function makeReadable(
  options: RebaselineOptions,
  node: StoredNode,
  relation: TrackedRelation,
): Promise<TableFacts> {
  const table = formatTableName(options.table);
  const source = await connect(options.sourceUrl, { side: 'source', node: options.node });
  try {
    const publication = publicationOf(node);
    const [facts = null] = await readTableFacts(source, [options.table], publication);
    const obstacle = whyNotTrackable(facts, options.table, node.plugin);
    if (obstacle !== null) throw obstacle;
    if (!isKeyOfHistory(relation, facts!)) {
      const key = facts!.key.map(({ name, typeName }) => `${name} ${typeName}`);
      throw new TimewarpError(
        'TABLE_NOT_TRACKABLE',
        `${table} has another key now: (${key.join(', ')}); its history is kept under (${relation.keyColumns.join(', ')}).`,
        { remedy: `pgtimewarp untrack ${table}; pgtimewarp track ${table}` },
      );
    }
    const { excludedColumns } = relation;
    if (publication !== null && !isPublishedWhole(facts!, excludedColumns)) {
      await ensurePublished(source, publication, facts!, excludedColumns);
    }
    return facts!;
  } catch (error) {
    throw fromTableQuery(error);
  } finally {
    await source.end().catch(() => {});
  }
}

async function ask(
  store: StoreTransaction,
  { relation, facts }: { readonly relation: TrackedRelation; readonly facts: TableFacts },
  options: RebaselineOptions,
): Promise<void> {
  const horizon = await lockHorizon(store, options.node);
  await openRelationGap(store, horizon, relation.relationId, 'a rebaseline was asked for');
  await askRepair(store, relation.relationId);
  await followKey(store, relation, facts);
}

async function waitForRepair(
  options: RebaselineOptions,
  node: StoredNode,
  store: pg.Client,
): Promise<RebaselineResult> {
  const report = options.onProgress ?? (() => {});
  const table = formatTableName(options.table);
  let [rows, differences] = [0, 0];
  for (let runs = 0; ; runs++) {
    const relation = await requireRelation(store, options);
    const { state } = relation;
    if (!isUnderRepair(state)) {
      if (!isInGap(state)) {
        report({ phase: 'done', message: `${table} was read again` });
        return { table, relationId: relation.relationId, rows, differences };
      }
      throw new TimewarpError('RELATION_GAP', `${table} has a gap: ${state.reason ?? ''}.`);
    }
    ({ rows, differences } = state.repair);
    if (runs > 0 && state.repair.failure !== undefined)
      throw new TimewarpError('TABLE_UNREADABLE', state.repair.failure);
    if (runs > 0 && state.kind === 'repair_asked') await makeReadable(options, node, relation); // throws the reason if it is not readable
    if (options.signal?.aborted) {
      throw new TimewarpError('INTERRUPTED', `Interrupted; later runs go on with reading ${table} again.`);
    }
    report({ phase: 'resolving', message: `comparing ${table} with its history` });
    const run = await poll({
      sourceUrl: options.sourceUrl,
      storeUrl: options.storeUrl,
      node: options.node,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      onBaseline: (name, step) => report({ phase: 'baseline', message: `reading ${name}`, ...step }),
    });
    refuseMissing(run, options.table);
    await reactTo(run, report, options.signal);
  }
}
