/**
 * The part of a run that records rows which were there before tracking began: chunk after chunk, each with its
 * progress in one store transaction, until the rows are read or the time for it is over. What a run leaves, the next
 * one goes on with.
 */
import type pg from 'pg';
import { readBaselineChunk } from '../baseline/read-chunk.ts';
import { inTransaction } from '../pg/transaction.ts';
import { readTypeCatalog } from '../slot/table-facts.ts';
import { type Claim, lockCheckpoint } from '../store/claim.ts';
import {
  readTrackedFromTime,
  readTrackedRelations,
  registerLeaves,
  writeBaselineProgress,
} from '../store/relations.ts';
import { writeBaselineRows } from '../store/write-baseline.ts';
import type { TypeCatalog } from '../types/pg-types.ts';
import { type RelationNow, readRelationsNow } from './tables-of-run.ts';

const CHUNK_ROWS = 10_000;

export interface BaselineStep {
  readonly rows: number;
  readonly estimatedRows: number;
}

export interface ReadBaselinesOptions {
  readonly source: pg.Client;
  readonly store: pg.Client;
  readonly claim: Claim;
  /** Throws when the run has to stop. */
  readonly checkStop: () => void;
  /** Whether there is time for another chunk in this run. */
  readonly mayGoOn: () => boolean;
  readonly onProgress: (table: string, step: BaselineStep) => void;
}

/** Reads baselines of started relations. @returns whether every baseline of the node has been read to its end */
export async function readBaselines(options: ReadBaselinesOptions): Promise<boolean> {
  const { source, store, claim } = options;
  const pending = (await readTrackedRelations(store, claim.nodeId)).filter(
    (relation) =>
      relation.baselineState === 'pending' &&
      relation.status === 'active' &&
      !relation.baselineProgress.read_done,
  );
  if (pending.length === 0) return true;
  const types = await readTypeCatalog(source);
  let complete = true;
  for (const now of await readRelationsNow(source, pending)) {
    if (now.facts !== null) complete = (await readOne(options, now, types)) && complete;
  }
  return complete;
}

async function readOne(
  options: ReadBaselinesOptions,
  now: RelationNow,
  types: TypeCatalog,
): Promise<boolean> {
  const { source, store, claim } = options;
  const { relation } = now;
  const facts = now.facts!;
  const leafIds = await leafIdsByRelid(store, now);
  const target = {
    relationId: relation.relationId,
    lsn: relation.trackedFrom!,
    time: await readTrackedFromTime(store, relation.relationId),
    leafIds,
  };
  let progress = { ...relation.baselineProgress, estimated_rows: facts.estimatedRows };
  while (!progress.read_done) {
    options.checkStop();
    if (!options.mayGoOn()) return false;
    const chunk = await readBaselineChunk(source, {
      facts,
      keyColumns: relation.keyColumns,
      excludedColumns: relation.excludedColumns,
      types,
      cursor: progress.cursor,
      limit: CHUNK_ROWS,
    });
    progress = {
      ...progress,
      cursor: chunk.cursor,
      rows: progress.rows + chunk.rows.length,
      read_done: chunk.isLast,
    };
    await inTransaction(store, async () => {
      await lockCheckpoint(store, claim);
      await writeBaselineRows(store, target, chunk.rows, chunk.readPosition);
      await writeBaselineProgress(
        store,
        relation.relationId,
        progress,
        chunk.isLast ? chunk.readPosition : null,
      );
    });
    options.onProgress(`${relation.name.schema}.${relation.name.name}`, {
      rows: progress.rows,
      estimatedRows: progress.estimated_rows,
    });
  }
  return true;
}

async function leafIdsByRelid(
  store: pg.Client,
  { relation, facts }: RelationNow,
): Promise<Map<number, number>> {
  const leaves = facts?.leaves ?? [];
  const stored = await registerLeaves(
    store,
    leaves.map((leaf) => ({
      relationId: relation.relationId,
      name: { schema: leaf.schema, name: leaf.name },
      relid: leaf.relid,
    })),
  );
  const ids = new Map<number, number>();
  for (const leaf of leaves) {
    const found = stored.find((each) => each.name.schema === leaf.schema && each.name.name === leaf.name);
    if (found !== undefined) ids.set(leaf.relid, found.leafId);
  }
  return ids;
}
