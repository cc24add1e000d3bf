/**
 * The repair of a table with a gap: its steps, from the asking to the end of the gap. What it finds waits beside the history
 * until it is known which of it holds; then it becomes part of the history in one transaction with the end of the gap.
 */
import { formatTableName } from '../../pg/identifiers.ts';
import type { StoreTransaction } from '../../pg/transaction.ts';
import { formatCommitTime } from '../../types/commit-time.ts';
import { formatLsn } from '../../types/lsn.ts';
import { writeHealthEvent } from '../health-events.ts';
import type { Claim, Horizon } from '../node/claim.ts';
import { lockTracked, type TrackedRelation } from './read.ts';
import type { GapEnding, Repair } from './state.ts';

/** After every change of a commit that ends where the gap ends. */
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

/** Asks for a repair, unless one is under way. */
export async function askRepair(store: StoreTransaction, relationId: number): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.tracked_relations SET repair = $2::jsonb, start_conditions = NULL, updated_at = now()
      WHERE relation_id = $1::int AND repair IS NULL`,
    [relationId, JSON.stringify(NOT_BEGUN)],
  );
}

/** From this horizon on the relations are followed in full again. */
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

/** Begins a repair that is under way anew: the table has changed silently once more. */
export async function restartRepair(store: StoreTransaction, relationId: number): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.tracked_relations SET repair = $2::jsonb, start_conditions = NULL, updated_at = now()
      WHERE relation_id = $1::int AND repair IS NOT NULL`,
    [relationId, JSON.stringify(NOT_BEGUN)],
  );
  await store.query('DELETE FROM pgtimewarp.rebaseline_findings WHERE relation_id = $1::int', [relationId]);
}

/** Ends a repair without its gap: the log does not tell of the table, or not by its key. */
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

/** Fixes where the gap of a relation ends: at this horizon. */
export async function fixEnd(store: StoreTransaction, relationId: number, horizon: Horizon): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.tracked_relations
        SET repair = repair || jsonb_build_object('phase', 'deciding', 'end_lsn', $2::pg_lsn::text, 'end_ts', $3::text), updated_at = now()
      WHERE relation_id = $1::int AND repair IS NOT NULL`,
    [relationId, formatLsn(horizon.lsn), formatCommitTime(horizon.time)],
  );
}

/**
 * Makes a part of what was found part of the history, at the end of the gap, where the keys have no change since the repair
 * began (S; D for a row that is gone); with the last part the gap ends.
 * @returns whether it was the last part
 */
export async function finishRepairStep(
  store: StoreTransaction,
  claim: Claim,
  { relationId, name, repair }: Pick<TrackedRelation, 'relationId' | 'name'> & Pick<GapEnding, 'repair'>,
  limit: number,
): Promise<boolean> {
  if (!(await lockTracked(store, relationId))) return true; // untracked meanwhile
  const { base_lsn: base, end_lsn: end, end_ts: time, differences } = repair;
  const { rows } = await store.query<{ taken: number }>(
    `WITH last AS MATERIALIZED ( -- none in the last part
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
         LEFT JOIN LATERAL ( -- LIMIT: by index for each key, whatever the planner thinks of a new table
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
  await endGap(store, claim, relationId, { lsn: end, ts: time });
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
  relationId: number,
  end: { readonly lsn: string; readonly ts: string },
): Promise<void> {
  await store.query(
    // the entry of that horizon may have moved on since: what was found stands there
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
  // keys that were never seen are absent from here on; what they were before is unknown unless a baseline was finished
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
