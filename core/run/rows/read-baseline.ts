/**
 * The part of a run that reads baselines: the rows that a table held before tracking began. It reads chunk after chunk, and
 * stores each with its progress in one transaction. It stops when all rows are read or its share of time is over; the next
 * run continues.
 */
import type pg from 'pg';
import { inTransaction } from '../../pg/transaction.ts';
import { readTypeCatalog } from '../../source/catalog/table-facts.ts';
import { publicationOf } from '../../source/publication/publication.ts';
import { readBaselineChunk } from '../../source/rows/read-chunk.ts';
import { writeBaselineRows } from '../../store/history/write-baseline.ts';
import { type Claim, lockCheckpoint } from '../../store/node/claim.ts';
import { writeBaselineProgress } from '../../store/tables/baseline.ts';
import { readLeaves } from '../../store/tables/leaves.ts';
import { refuteNoNan } from '../../store/tables/no-nan.ts';
import {
  readTrackedFromTime,
  readUnsettledRelations,
  type TrackedRelation,
} from '../../store/tables/read.ts';
import { readFailureOf } from '../../store/tables/state.ts';
import type { TypeCatalog } from '../../types/pg-types.ts';
import type { Plugin } from '../../types/plugin.ts';
import type { BaselineRow } from '../../types/stored.ts';
import type { Locker } from '../../types/tracking.ts';
import { silentChanges } from '../catalog/compare-catalog.ts';
import { type RelationNow, readRelationsNow } from '../catalog/tables-of-run.ts';
import { ChunkSize } from './chunk-size.ts';
import { stillHolding } from './start-relations.ts';
import { forTable } from './table-failure.ts';
import { unlessChanged } from './unless-changed.ts';

export interface BaselineStep {
  readonly rows: number;
  readonly estimatedRows: number;
}

export interface ReadBaselinesOptions {
  readonly source: pg.Client;
  readonly store: pg.Client;
  readonly claim: Claim;
  readonly plugin: Plugin;
  /** Runs a query of the source: within the time of the run, and naming whose error it is. */
  readonly onSource: <T>(work: () => Promise<T>) => Promise<T>;
  /** Throws when the run has to stop. */
  readonly checkStop: () => void;
  /** Whether there is time for another chunk in this run. */
  readonly mayGoOn: () => boolean;
  readonly onProgress: (table: string, step: BaselineStep) => void;
  /** Called with the transactions that must end before rows are read. */
  readonly onWaiting: (lockers: readonly Locker[]) => void;
}

/** Reads baselines of started relations. @returns whether every baseline of the node has been read to its end */
export async function readBaselines(options: ReadBaselinesOptions): Promise<boolean> {
  const { source, store, claim, plugin } = options;
  const publication = publicationOf({ node: claim.nodeId, plugin });
  const pending = (await readUnsettledRelations(store, claim.nodeId)).filter(
    ({ state }) => state.kind === 'reading_rows',
  );
  if (pending.length === 0) return true;
  const types = await options.onSource(() => readTypeCatalog(source));
  let complete = true;
  const inTurn = await options.onSource(() => readRelationsNow(source, pending, publication));
  const hasFailed = ({ relation }: RelationNow): number => (readFailureOf(relation.state) === null ? 0 : 1);
  for (const now of inTurn.sort((a, b) => hasFailed(a) - hasFailed(b))) {
    if (now.facts === null) continue;
    const readable = !now.facts.rowSecurity && (await isFree(options, now)); // row security would hide rows
    const read = readable && (await forTable(options, now.relation, () => readOne(options, now, types)));
    complete = read === true && complete;
  }
  return complete;
}

/** Whether a snapshot taken now sees every commit from before the start. */
export async function isFree(
  { source, onSource, onWaiting }: ReadBaselinesOptions,
  { relation }: RelationNow,
): Promise<boolean> {
  const lockers = await onSource(() => stillHolding(source, relation));
  if (lockers.length > 0) onWaiting(lockers);
  return lockers.length === 0;
}

async function readOne(
  options: ReadBaselinesOptions,
  now: RelationNow,
  types: TypeCatalog,
): Promise<boolean> {
  const { source, store, claim } = options;
  const { relation } = now;
  const { state } = relation;
  if (state.kind !== 'reading_rows') return true;
  const facts = now.facts!;
  const leafIds = await notedLeaves(store, relation.relationId);
  const target = {
    relationId: relation.relationId,
    lsn: relation.trackedFrom!,
    time: await readTrackedFromTime(store, relation.relationId),
    leafIds,
  };
  const size = new ChunkSize();
  const { failure: _, ...before } = state.progress;
  let progress = { ...before, estimated_rows: facts.estimatedRows };
  while (!progress.read_done) {
    options.checkStop();
    if (!options.mayGoOn()) return false;
    const chunk = await options.onSource(() =>
      unlessChanged(source, now, () =>
        readBaselineChunk(source, {
          facts,
          keyColumns: relation.keyColumns,
          excludedColumns: relation.excludedColumns,
          types,
          cursor: progress.cursor,
          limit: size.rows,
        }),
      ),
    );
    if (chunk === null || hasRowsOfOthers(now, chunk.rows, leafIds) || (await isStale(options, relation)))
      return false;
    size.learn(chunk.rows);
    progress = {
      ...progress,
      cursor: chunk.cursor,
      rows: progress.rows + chunk.rows.length,
      read_done: chunk.isLast,
    };
    await inTransaction(store, async (tx) => {
      await lockCheckpoint(tx, claim);
      if (chunk.notFinite !== null)
        await refuteNoNan(tx, claim.nodeId, { relationId: relation.relationId, column: chunk.notFinite });
      await writeBaselineRows(tx, target, chunk.rows, chunk.readPosition);
      await writeBaselineProgress(tx, relation.relationId, {
        progress,
        readPosition: chunk.isLast ? chunk.readPosition : null,
      });
    });
    options.onProgress(`${relation.name.schema}.${relation.name.name}`, {
      rows: progress.rows,
      estimatedRows: progress.estimated_rows,
    });
  }
  return true;
}

/**
 * Whether the table had a silent change since the run compared the catalog. Rows read after such a change must not count as
 * rows from before it. The next run records the change.
 */
export async function isStale(
  { source, claim, plugin, onSource }: Pick<ReadBaselinesOptions, 'source' | 'claim' | 'plugin' | 'onSource'>,
  relation: TrackedRelation,
): Promise<boolean> {
  const publication = publicationOf({ node: claim.nodeId, plugin });
  const [now] = await onSource(() => readRelationsNow(source, [relation], publication));
  return silentChanges(now!, plugin).length > 0;
}

/** The ids of the attached leaves that the store knows, by OID. */
export async function notedLeaves(store: pg.Client, relationId: number): Promise<Map<number, number>> {
  const stored = await readLeaves(store, [relationId]);
  return new Map(stored.filter(({ attached }) => attached).map(({ relid, leafId }) => [relid, leafId]));
}

/**
 * Whether rows come from a leaf that the store does not know yet. The run drops such a chunk: if the leaf were detached
 * before the next run, nothing would show that its rows went, too.
 */
export function hasRowsOfOthers(
  { facts }: RelationNow,
  rows: readonly BaselineRow[],
  leafIds: ReadonlyMap<number, number>,
): boolean {
  return facts?.relkind === 'p' && rows.some((row) => !leafIds.has(row.leafRelid));
}
