/** The baseline: the rows that a table held when its tracking began. How far they are read, and when every key is decided. */
import type { Queryable } from '../../pg/connection.ts';
import type { StoreTransaction } from '../../pg/transaction.ts';
import { formatLsn, type Lsn } from '../../types/lsn.ts';
import type { BaselineProgress } from './state.ts';

/** Stores how far the baseline is read. `readPosition` is set with the last chunk. */
export async function writeBaselineProgress(
  store: StoreTransaction,
  relationId: number,
  { progress, readPosition }: { readonly progress: BaselineProgress; readonly readPosition: Lsn | null },
): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.tracked_relations
        SET baseline_progress = $2::jsonb, baseline_lsn = $3::pg_lsn, updated_at = now()
      WHERE relation_id = $1::int`,
    [relationId, JSON.stringify(progress), readPosition === null ? null : formatLsn(readPosition)],
  );
}

/** Stores why the run could not read the rows of a relation: with its repair if there is one, else with its baseline. */
export async function noteReadFailure(store: Queryable, relationId: number, message: string): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.tracked_relations
        SET baseline_progress = CASE WHEN repair IS NULL THEN baseline_progress || jsonb_build_object('failure', $2::text) ELSE baseline_progress END,
            repair = CASE WHEN repair IS NOT NULL THEN repair || jsonb_build_object('failure', $2::text) END, updated_at = now()
      WHERE relation_id = $1::int`,
    [relationId, message],
  );
}

/**
 * Decides baselines whose last read position the horizon has passed: from here on every key has an answer. After a TRUNCATE
 * during the reading, keys that no chunk contained stay unknown before it.
 */
export async function resolveBaselines(
  store: StoreTransaction,
  relationIds: readonly number[],
): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.tracked_relations AS r
        SET baseline_state = 'done', updated_at = now(),
            unseen_unknown_before_lsn = e.lsn, unseen_unknown_before_ts = e.ts
       FROM pgtimewarp.tracked_relations AS same
       LEFT JOIN LATERAL (
              SELECT ev.lsn, ev.ts
                FROM pgtimewarp.relation_events AS ev
               WHERE ev.relation_id = same.relation_id AND ev.op = 'T'
                 AND ev.lsn > same.tracked_from_lsn AND ev.lsn <= same.baseline_lsn
               ORDER BY ev.lsn DESC LIMIT 1) AS e ON true
      WHERE r.relation_id = ANY ($1::int[]) AND same.relation_id = r.relation_id AND r.baseline_state = 'pending'`,
    [relationIds],
  );
}

/**
 * Writes a deletion at the end of a node's gap for each key that lived before the gap and is gone after it. Call it when the
 * baseline is decided: a key without a baseline row, whose first change is an INSERT or missing, was not there. After a
 * TRUNCATE during the reading this is unknown, so it writes nothing. Works in steps, in key order.
 * @param after the last key of the former step @returns the last key of this step; null after the last one
 */
export async function writeDeletionsOfGap(
  store: StoreTransaction,
  relationId: number,
  { after, limit }: { readonly after: string | null; readonly limit: number },
): Promise<string | null> {
  const { rows } = await store.query<{ last: string | null; count: number }>(
    `WITH relation AS (
       SELECT * FROM pgtimewarp.tracked_relations WHERE relation_id = $1::int AND baseline_state = 'pending'),
     step AS MATERIALIZED ( -- as of its end
       SELECT k.pk, k.is_there
         FROM relation AS r
        CROSS JOIN LATERAL pgtimewarp.rows_at(
                r.follows_relation_id, 'FFFFFFFF/FFFFFFFF', p_after => $2::text, p_limit => $3::int) AS k),
     deleted AS (
     INSERT INTO pgtimewarp.row_changes (relation_id, pk, valid_from_lsn, seq, valid_from_ts, op, leaf_id)
     SELECT r.relation_id, o.pk, r.tracked_from_lsn + 1, 0, r.tracked_from_ts, 'D', NULL
       FROM relation AS r CROSS JOIN step AS o
       LEFT JOIN LATERAL (
              SELECT n.op FROM pgtimewarp.row_changes AS n
               WHERE n.relation_id = $1::int AND n.pk = o.pk
               ORDER BY n.valid_from_lsn, n.seq LIMIT 1) AS first ON true
      WHERE o.is_there AND (first.op IS NULL OR first.op = 'I')
        AND NOT EXISTS (
              SELECT FROM pgtimewarp.relation_events AS e
               WHERE e.relation_id = $1::int AND e.op = 'T' AND e.lsn <= r.baseline_lsn))
     SELECT max(pk) AS last, count(*)::int AS count FROM step`,
    [relationId, after, limit],
  );
  const step = rows[0]!;
  return step.count < limit ? null : step.last;
}
