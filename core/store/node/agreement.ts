/** Checks whether the times that a run commits agree with those that other nodes of its lineage have defined meanwhile. */
import type { StoreTransaction } from '../../pg/transaction.ts';
import { formatCommitTime } from '../../types/commit-time.ts';
import { formatLsn } from '../../types/lsn.ts';
import type { Claim, Horizon } from './claim.ts';

/** Another node of the lineage has defined conflicting times meanwhile. The run computes its times once more. */
export class ClockMoved extends Error {}

/**
 * Checks that the map entries which this transaction has written, from the claim's horizon to the new one, agree with those of
 * other nodes. Call it with the lineage locked (by writeHorizon), so that they still agree at the commit. Nodes that have defined
 * nothing since `known` are not compared: the clock has respected their points. The entries of the others are merged with the own ones
 * in the order of positions, so that each is read once. Throws {@link ClockMoved}.
 * @param known the marks with which the times were computed
 */
// biome-ignore lint/complexity/useMaxParams: what was known, and what was written
export async function requireAgreement(
  store: StoreTransaction,
  claim: Claim,
  horizon: Horizon,
  known: string | null,
): Promise<void> {
  const { rows } = await store.query<{ agrees: boolean }>(
    `WITH others AS MATERIALIZED (
            SELECT l.node_id, l.lsn_space, l.applied_lsn, l.applied_ts
              FROM pgtimewarp.lineage($1::text) AS l
             WHERE l.node_id <> $1::text
               AND concat_ws(' ', l.node_id, l.lsn_space, l.applied_lsn, l.applied_ts)
                   NOT IN (SELECT mark FROM unnest(string_to_array($6::text, ',')) AS mark)),
          own AS MATERIALIZED (
            SELECT e.lsn, e.ts, e.xid
              FROM pgtimewarp.wal_checkpoints AS c
              JOIN pgtimewarp.lsn_time_map AS e
                ON e.node_id = c.node_id AND e.lsn_space = c.lsn_space AND e.lsn > $2::pg_lsn AND e.lsn <= $3::pg_lsn
             WHERE c.node_id = $1::text),
          points AS MATERIALIZED (
            SELECT e.lsn, e.ts, e.xid
              FROM others AS o
             CROSS JOIN LATERAL (
                    (SELECT e.lsn, e.ts, e.xid FROM pgtimewarp.lsn_time_map AS e
                      WHERE e.node_id = o.node_id AND e.lsn_space = o.lsn_space AND e.lsn <= $2::pg_lsn
                      ORDER BY e.lsn DESC LIMIT 1)
                    UNION ALL
                    SELECT e.lsn, e.ts, e.xid FROM pgtimewarp.lsn_time_map AS e
                     WHERE e.node_id = o.node_id AND e.lsn_space = o.lsn_space AND e.lsn > $2::pg_lsn AND e.lsn <= $3::pg_lsn
                       AND e.ts > $4::timestamptz
                    UNION ALL
                    (SELECT e.lsn, e.ts, e.xid FROM pgtimewarp.lsn_time_map AS e
                      WHERE e.node_id = o.node_id AND e.lsn_space = o.lsn_space AND e.lsn > $3::pg_lsn
                        AND e.ts > $4::timestamptz
                      ORDER BY e.lsn LIMIT 1)) AS e),
          merged AS (
            SELECT is_own, ts,
                   max(ts) FILTER (WHERE is_own) OVER earlier AS own_before,
                   max(ts) FILTER (WHERE NOT is_own) OVER earlier AS other_before,
                   max(ts) FILTER (WHERE NOT is_own AND xid IS NULL) OVER earlier AS horizon_before
              FROM (SELECT true AS is_own, lsn, ts, xid FROM own
                    UNION ALL
                    SELECT false AS is_own, lsn, ts, xid FROM points) AS each
            WINDOW earlier AS (ORDER BY lsn GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING))
     SELECT NOT EXISTS (
              SELECT FROM merged
               WHERE CASE WHEN is_own THEN coalesce(other_before > ts, false) OR coalesce(horizon_before >= ts, false)
                          ELSE own_before > ts END)
            AND NOT EXISTS (
              SELECT FROM own JOIN points AS e ON e.lsn = own.lsn
               WHERE CASE WHEN e.xid IS NULL THEN e.ts < own.ts ELSE e.xid = own.xid AND e.ts <> own.ts END)
            AND NOT EXISTS (
              SELECT FROM others AS o
               WHERE o.applied_ts >= (SELECT min(own.ts) FROM own WHERE own.lsn > o.applied_lsn))
            AND NOT EXISTS (
              SELECT FROM points WHERE lsn > $3::pg_lsn AND ts <= $5::timestamptz) AS agrees`,
    [
      claim.nodeId,
      formatLsn(claim.horizon.lsn),
      formatLsn(horizon.lsn),
      formatCommitTime(claim.horizon.time),
      formatCommitTime(horizon.time),
      known,
    ],
  );
  if (!rows[0]!.agrees)
    throw new ClockMoved('another node of this history has defined other times meanwhile');
}
