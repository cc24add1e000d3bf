/**
 * The part of a run that repairs tables with a gap. It first reads every row of the table, chunk after chunk, then looks for
 * rows that only the history has. It compares them with the history at the position where the repair began, and stores the
 * differences as findings. Both steps follow the rule of the baseline: they read a position after each statement, and a row
 * without a change up to that position is, at any later horizon, as it was read.
 */

import { formatTableName } from '../../pg/identifiers.ts';
import { inTransaction } from '../../pg/transaction.ts';
import { readTypeCatalog } from '../../source/catalog/table-facts.ts';
import { publicationOf } from '../../source/publication/publication.ts';
import { readBaselineChunk } from '../../source/rows/read-chunk.ts';
import { readMissingKeys } from '../../source/rows/read-missing-keys.ts';
import { lockCheckpoint } from '../../store/node/claim.ts';
import { type Finding, readKnownKeys, readKnownRows, writeFindings } from '../../store/tables/findings.ts';
import { refuteNoNan } from '../../store/tables/no-nan.ts';
import { readUnsettledRelations, type TrackedRelation } from '../../store/tables/read.ts';
import { writeRepairProgress } from '../../store/tables/repair.ts';
import type { Repair } from '../../store/tables/state.ts';
import { formatLsn, type Lsn, parseLsn } from '../../types/lsn.ts';
import type { TypeCatalog } from '../../types/pg-types.ts';
import { isSameRow } from '../../versions/same-row.ts';
import { type RelationNow, readRelationsNow } from '../catalog/tables-of-run.ts';
import { ChunkSize } from './chunk-size.ts';
import { hasRowsOfOthers, isFree, isStale, notedLeaves, type ReadBaselinesOptions } from './read-baseline.ts';
import { forTable } from './table-failure.ts';
import { unlessChanged } from './unless-changed.ts';

const KEYS_AT_ONCE = 5_000;

/** Continues every repair of the node that has begun, as long as there is time. */
export async function readRepairs(options: ReadBaselinesOptions): Promise<void> {
  const { source, store, claim, plugin } = options;
  const publication = publicationOf({ node: claim.nodeId, plugin });
  const begun = (await readUnsettledRelations(store, claim.nodeId)).filter(
    ({ state }) => state.kind === 'repair_reading',
  );
  if (begun.length === 0) return;
  const types = await options.onSource(() => readTypeCatalog(source));
  for (const now of await options.onSource(() => readRelationsNow(source, begun, publication))) {
    if (now.facts === null || now.facts.rowSecurity) continue; // hidden rows would count as deleted
    if (hasTrackedKey(now) && (await isFree(options, now)))
      await forTable(options, now.relation, () => repairOne(options, now, types));
  }
}

/** Repairs whose gap can end at this horizon. */
export function finishedRepairs(
  relations: readonly TrackedRelation[],
  horizon: Lsn,
): { readonly relationId: number }[] {
  return relations.flatMap(({ relationId, state }) =>
    state.kind === 'repair_read' && parseLsn(state.repair.read_lsn) <= horizon ? [{ relationId }] : [],
  );
}

/** Whether the table still has the key under which its history is stored. */
export function hasTrackedKey({ relation, facts }: RelationNow): boolean {
  const key = facts?.key.map((column) => column.name) ?? [];
  return key.join('\n') === relation.keyColumns.join('\n');
}

interface Step {
  readonly progress: Repair;
  readonly findings: readonly Finding[];
  /** See BaselineChunk. */
  readonly notFinite: string | null;
}

async function repairOne(options: ReadBaselinesOptions, now: RelationNow, types: TypeCatalog): Promise<void> {
  const { store, claim } = options;
  const { relation } = now;
  if (relation.state.kind !== 'repair_reading') return;
  const leafIds = await notedLeaves(store, relation.relationId);
  const size = new ChunkSize();
  const { failure: _, ...before } = relation.state.repair;
  let progress: Repair = { ...before, estimated_rows: now.facts!.estimatedRows };
  while (progress.phase === 'rows' || progress.phase === 'keys') {
    options.checkStop();
    if (!options.mayGoOn()) return;
    const step: Step | null =
      progress.phase === 'rows'
        ? await compareChunk(options, now, { types, leafIds, size, progress })
        : await lookForKeys(options, now, { leafIds, progress });
    if (step === null || (await isStale(options, relation))) return;
    await inTransaction(store, async (tx) => {
      await lockCheckpoint(tx, claim);
      if (step.notFinite !== null)
        await refuteNoNan(tx, claim.nodeId, { relationId: relation.relationId, column: step.notFinite });
      await writeFindings(tx, relation.relationId, step.findings);
      await writeRepairProgress(tx, relation.relationId, step.progress);
    });
    progress = step.progress;
    options.onProgress(formatTableName(relation.name), {
      rows: progress.rows,
      estimatedRows: progress.estimated_rows,
    });
  }
}

/** Reads and compares one chunk. @returns null when the table changed meanwhile, as {@link lookForKeys} does */
async function compareChunk(
  { source, store, onSource }: ReadBaselinesOptions,
  now: RelationNow,
  context: { types: TypeCatalog; leafIds: ReadonlyMap<number, number>; size: ChunkSize; progress: Repair },
): Promise<Step | null> {
  const { relation, facts } = now;
  const { types, leafIds, size, progress } = context;
  const chunk = await onSource(() =>
    unlessChanged(source, now, () =>
      readBaselineChunk(source, {
        facts: facts!,
        keyColumns: relation.keyColumns,
        excludedColumns: relation.excludedColumns,
        types,
        cursor: progress.cursor,
        limit: size.rows,
      }),
    ),
  );
  if (chunk === null || hasRowsOfOthers(now, chunk.rows, leafIds)) return null;
  size.learn(chunk.rows);
  const keys = chunk.rows.map((row) => row.key);
  const known = await readKnownRows(
    store,
    { relationId: relation.relationId, position: parseLsn(progress.base_lsn!) },
    keys,
  );
  const findings = chunk.rows
    .filter((row) => !isSameRow(known.get(row.key) ?? null, row))
    .map((row) => ({ ...row, leafId: leafIds.get(row.leafRelid) ?? null }));
  return {
    findings,
    notFinite: chunk.notFinite,
    progress: {
      ...progress,
      phase: chunk.isLast ? 'keys' : 'rows',
      cursor: chunk.cursor,
      rows: progress.rows + chunk.rows.length,
      differences: progress.differences + findings.length,
      read_lsn: formatLsn(chunk.readPosition),
    },
  };
}

/** Looks in the table for the next keys of the history. */
async function lookForKeys(
  { source, store, onSource }: ReadBaselinesOptions,
  now: RelationNow,
  { leafIds, progress }: { leafIds: ReadonlyMap<number, number>; progress: Repair },
): Promise<Step | null> {
  const { relation, facts } = now;
  const base = parseLsn(progress.base_lsn!);
  const keys = await readKnownKeys(
    store,
    { relationId: relation.relationId, position: base },
    { after: progress.key_cursor, limit: KEYS_AT_ONCE },
  );
  const present = keys.filter((key) => key.rowData !== null);
  const missing = await onSource(() =>
    unlessChanged(source, now, () =>
      readMissingKeys(source, {
        facts: facts!,
        keyColumns: relation.keyColumns,
        keys: present.map((row) => row.key),
        leaves: facts!.relkind === 'p' ? [...leafIds.keys()] : null,
      }),
    ),
  );
  if (missing === null) return null;
  const findings = missing.keys.map((at) => ({ ...present[at]!, rowData: null, jsonNulls: null }));
  return {
    findings,
    notFinite: null,
    progress: {
      ...progress,
      phase: keys.length < KEYS_AT_ONCE ? 'done' : 'keys',
      key_cursor: keys.at(-1)?.key ?? progress.key_cursor,
      differences: progress.differences + findings.length,
      read_lsn: formatLsn(missing.readPosition),
    },
  };
}
