/**
 * The repair of a table with a gap: its steps, from the request to the end of the gap. Its findings wait beside the history
 * until the log up to the end of the gap is applied. Then those without a later change become history, and the gap ends.
 */
import { formatTableName } from '../../pg/identifiers.ts';
import type { StoreTransaction } from '../../pg/transaction.ts';
import { formatCommitTime } from '../../types/commit-time.ts';
import { formatLsn } from '../../types/lsn.ts';
import { writeHealthEvent } from '../health-events.ts';
import type { Claim, Horizon } from '../node/claim.ts';
import { lockTracked, type TrackedRelation } from './read.ts';
import type { GapEnding, Repair } from './state.ts';

/** Sorts after every change of a commit at the end of the gap. */
const AFTER_ALL_CHANGES = 2_147_483_646;

const NOT_BEGUN: Repair = {
  base_lsn: null,
  base_ts: null,
  phase: 'rows',
  cursor: null,
  key_cursor: null,
  rows: 0,
  estimated_rows: 0,
  differences: 0,
  read_lsn: null,
};

/** A gap whose end is fixed, and how many findings one step takes. */
export interface EndingGap extends Pick<TrackedRelation, 'relationId' | 'name'>, Pick<GapEnding, 'repair'> {
  readonly limit: number;
}

/** Asks for a repair, unless one is under way. */
export async function askRepair(store: StoreTransaction, relationId: number): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.tracked_relations SET repair = $2::jsonb, start_conditions = NULL, updated_at = now()
      WHERE relation_id = $1::int AND repair IS NULL`,
    [relationId, JSON.stringify(NOT_BEGUN)],
  );
}

/** Begins repairs at this horizon: from here on the slot delivers every change of the relations again. */
export async function beginRepairs(
  store: StoreTransaction,
  relationIds: readonly number[],
  horizon: Horizon,
): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.tracked_relations
        SET repair = repair || jsonb_build_object('base_lsn', $2::pg_lsn::text, 'base_ts', $3::text), updated_at = now()
      WHERE relation_id = ANY ($1::int[]) AND repair IS NOT NULL`,
    [relationIds, formatLsn(horizon.lsn), formatCommitTime(horizon.time)],
  );
}

export async function writeRepairProgress(
  store: StoreTransaction,
  relationId: number,
  repair: Repair,
): Promise<void> {
  await store.query(
    'UPDATE pgtimewarp.tracked_relations SET repair = $2::jsonb, updated_at = now() WHERE relation_id = $1::int',
    [relationId, JSON.stringify(repair)],
  );
}

/** Restarts a repair that is under way, after another loss. Drops its findings. */
export async function restartRepair(store: StoreTransaction, relationId: number): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.tracked_relations SET repair = $2::jsonb, start_conditions = NULL, updated_at = now()
      WHERE relation_id = $1::int AND repair IS NOT NULL`,
    [relationId, JSON.stringify(NOT_BEGUN)],
  );
  await store.query('DELETE FROM pgtimewarp.rebaseline_findings WHERE relation_id = $1::int', [relationId]);
}

/** Ends a repair but not its gap: the log does not contain the changes of the table, or not their keys. */
export async function giveRepairUp(
  store: StoreTransaction,
  relationId: number,
  reason: string,
): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.tracked_relations
        SET repair = NULL, start_conditions = NULL, status_reason = $2::text, updated_at = now()
      WHERE relation_id = $1::int`,
    [relationId, reason],
  );
  await store.query('DELETE FROM pgtimewarp.rebaseline_findings WHERE relation_id = $1::int', [relationId]);
}

/**
 * Fixes this horizon as the end of the relation's gap, unless the archive has history up to it, which can never change: then a later
 * horizon ends the gap. On a source that rests the horizon may be where it was when a unit was planned.
 */
export async function fixEnd(store: StoreTransaction, relationId: number, horizon: Horizon): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.tracked_relations
        SET repair = repair || jsonb_build_object('phase', 'deciding', 'end_lsn', $2::pg_lsn::text, 'end_ts', $3::text), updated_at = now()
      WHERE relation_id = $1::int AND repair IS NOT NULL
        AND NOT EXISTS (SELECT FROM pgtimewarp.archive_units AS u WHERE u.relation_id = $1::int AND u.to_lsn > $2::pg_lsn)`,
    [relationId, formatLsn(horizon.lsn), formatCommitTime(horizon.time)],
  );
}

/**
 * Turns up to `limit` findings into history at the end of the gap: op S, or D for a row that is gone. A finding whose key has
 * a change since the repair began is dropped, because the log shows that row. After the last findings it ends the gap.
 * @returns whether these were the last findings
 */
export async function finishRepairStep(
  store: StoreTransaction,
  claim: Claim,
  { relationId, name, repair, limit }: EndingGap,
): Promise<boolean> {
  if (!(await lockTracked(store, relationId))) return true; // untracked meanwhile
  const { base_lsn: base, end_lsn: end, end_ts: time, differences } = repair;
  const { rows } = await store.query<{ taken: number }>(
    `WITH last AS MATERIALIZED ( -- no row in the last step
       SELECT max(n.pk) AS pk
         FROM (SELECT pk FROM pgtimewarp.rebaseline_findings WHERE relation_id = $1::int ORDER BY pk OFFSET $6::int - 1 LIMIT 1) AS n),
     taken AS (
       DELETE FROM pgtimewarp.rebaseline_findings AS f
        WHERE f.relation_id = $1::int AND f.pk <= coalesce((SELECT pk FROM last), f.pk)
       RETURNING f.*),
     written AS (
       INSERT INTO pgtimewarp.row_changes (relation_id, pk, valid_from_lsn, valid_from_ts, seq, read_lsn, leaf_id, op, row_data, json_nulls)
       SELECT f.relation_id, f.pk, $3::pg_lsn, $4::timestamptz, $5::int, $3::pg_lsn, f.leaf_id,
              CASE WHEN f.row_data IS NULL THEN 'D' ELSE 'S' END::"char", f.row_data, f.json_nulls
         FROM taken AS f
         LEFT JOIN LATERAL ( -- LIMIT makes the planner use the index for each key, also on a table without statistics
                SELECT true AS is_told
                  FROM pgtimewarp.row_changes AS c
                 WHERE c.relation_id = $1::int AND c.pk = f.pk AND c.valid_from_lsn > $2::pg_lsn AND c.valid_from_lsn <= $3::pg_lsn
                 LIMIT 1) AS later ON true
        WHERE later.is_told IS NULL
          AND NOT EXISTS (
                SELECT FROM pgtimewarp.truncates_after($1::int, $2::pg_lsn, NULL, NULL, f.leaf_id) AS e
                 WHERE e.lsn <= $3::pg_lsn))
     SELECT count(*)::int AS taken FROM taken`,
    [relationId, base, end, time, AFTER_ALL_CHANGES, limit],
  );
  if (rows[0]!.taken === limit) return false;
  await endGap(store, claim, { relationId, lsn: end, ts: time });
  await writeHealthEvent(store, {
    nodeId: claim.nodeId,
    severity: 'info',
    code: 'RELATION_REPAIRED',
    message: `${formatTableName(name)} was read again: ${differences} rows differed, its gap ends`,
    meta: { relation_id: relationId, to_lsn: end },
  });
  return true;
}

async function endGap(
  store: StoreTransaction,
  claim: Claim,
  { relationId, ...end }: { readonly relationId: number; readonly lsn: string; readonly ts: string },
): Promise<void> {
  await store.query(
    // the map's entry for that horizon may have moved on since, but the findings are stored at that position
    `INSERT INTO pgtimewarp.lsn_time_map (node_id, lsn_space, lsn, ts)
     VALUES ($1::text, $2::int, $3::pg_lsn, $4::timestamptz)
     ON CONFLICT ON CONSTRAINT lsn_time_map_pkey DO NOTHING`,
    [claim.nodeId, claim.lsnSpace, end.lsn, end.ts],
  );
  await store.query(
    `UPDATE pgtimewarp.history_gaps SET to_lsn = $2::pg_lsn, to_ts = $3::timestamptz
      WHERE relation_id = $1::int AND to_ts IS NULL`,
    [relationId, end.lsn, end.ts],
  );
  // unseen keys are absent from here on; before, they are unknown unless a baseline was decided
  await store.query(
    `UPDATE pgtimewarp.tracked_relations
        SET status = 'active', status_reason = NULL, repair = NULL, start_conditions = NULL, updated_at = now(),
            unseen_unknown_before_lsn = CASE WHEN baseline_state = 'done' THEN unseen_unknown_before_lsn ELSE $2::pg_lsn END,
            unseen_unknown_before_ts = CASE WHEN baseline_state = 'done' THEN unseen_unknown_before_ts ELSE $3::timestamptz END,
            baseline_lsn = coalesce(baseline_lsn, $2::pg_lsn), baseline_state = 'done'
      WHERE relation_id = $1::int`,
    [relationId, end.lsn, end.ts],
  );
}
