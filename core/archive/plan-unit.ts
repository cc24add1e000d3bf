/**
 * Fixes the boundary of the next unit of each archived table. A unit contains only history that can never change: everything is older
 * than the hot window, the baseline is decided, no repair is under way, no gap is open, every partition is judged. The claim of the
 * node keeps runs and retention away for the moment of the decision.
 */
import type pg from 'pg';
import type { Queryable } from '../pg/connection.ts';
import { inTransaction } from '../pg/transaction.ts';
import { type Claim, lockCheckpoint } from '../store/node/claim.ts';

interface Boundary {
  readonly relation_id: number;
  readonly unit: number;
  readonly lsn_space: number;
  readonly from_lsn: string;
  readonly to_lsn: string;
  readonly to_ts: string;
  readonly min_rows: number;
}

/** A unit spans an eighth of the hot window, or twice, four times, … as much until it has enough rows; in the end, all that is due. */
const MAX_DOUBLINGS = 8;

/** @returns how many units were planned */
export async function planUnits(store: pg.Client, claim: Claim): Promise<number> {
  return inTransaction(store, async (tx) => {
    await lockCheckpoint(tx, claim);
    let planned = 0;
    for (let doubling = 0; doubling <= MAX_DOUBLINGS; doubling++) {
      // a table that has got its unit is not in the next list
      for (const each of await readBoundaries(tx, claim.nodeId, doubling)) {
        if (!(await hasRows(tx, each))) continue;
        await insertUnit(tx, claim, each);
        planned += 1;
      }
    }
    return planned;
  });
}

/** An entry for each table that may get a unit now. */
async function readBoundaries(store: Queryable, nodeId: string, doubling: number): Promise<Boundary[]> {
  const { rows } = await store.query<Boundary>(
    `SELECT r.relation_id, coalesce(u.unit, 0) + 1 AS unit, r.lsn_space, coalesce(u.to_lsn, '0/0') AS from_lsn, e.to_lsn, e.to_ts,
            s.min_rows
       FROM pgtimewarp.archive_settings AS s
       JOIN pgtimewarp.tracked_relations AS r
         ON r.node_id = s.node_id AND r.schema_name = s.schema_name AND r.table_name = s.table_name
       JOIN pgtimewarp.wal_checkpoints AS c ON c.node_id = r.node_id AND c.lsn_space = r.lsn_space
       LEFT JOIN pgtimewarp.relation_retention AS x ON x.relation_id = r.relation_id
       LEFT JOIN LATERAL (
            SELECT a.unit, a.to_lsn, a.to_ts, a.state FROM pgtimewarp.archive_units AS a
             WHERE a.relation_id = r.relation_id ORDER BY a.unit DESC LIMIT 1) AS u ON true
      CROSS JOIN LATERAL (
            SELECT CASE WHEN $2::int = $3::int THEN c.applied_ts - s.hot
                        ELSE least(c.applied_ts - s.hot, coalesce(u.to_ts, greatest(r.tracked_from_ts, x.expired_before_ts))
                                     + s.hot / 8 * (2 ^ $2::int)) END AS to_ts) AS t
      CROSS JOIN LATERAL (
            -- the map has no entry for some horizons at which rows were read: the start of tracking, the end of a gap
            SELECT t.to_ts, greatest(
                     (SELECT m.lsn FROM pgtimewarp.commit_at_time(r.node_id, r.lsn_space, t.to_ts) AS m), r.tracked_from_lsn,
                     (SELECT max(g.to_lsn) FROM pgtimewarp.history_gaps AS g
                       WHERE g.node_id = r.node_id AND (g.relation_id IS NULL OR g.relation_id = r.relation_id)
                         AND g.lsn_space = r.lsn_space AND g.to_ts <= t.to_ts)) + 1 AS to_lsn) AS e
      WHERE s.node_id = $1::text AND s.is_on AND coalesce(u.state, 'verified') = 'verified'
        AND r.status IN ('active', 'untracked') AND r.tracked_from_ts IS NOT NULL AND r.tracked_from_ts <= e.to_ts
        AND r.baseline_state <> 'pending' AND r.repair IS NULL
        AND (r.retention IS NULL OR s.hot < r.retention) AND coalesce(x.is_dropped, false) = false
        AND (u.to_ts IS NULL OR u.to_ts + s.hot / 8 <= c.applied_ts - s.hot)
        AND e.to_lsn > coalesce(u.to_lsn, '0/0') AND e.to_lsn <= c.applied_lsn + 1
        AND NOT EXISTS (SELECT FROM pgtimewarp.history_gaps AS g
                         WHERE g.node_id = r.node_id AND (g.relation_id IS NULL OR g.relation_id = r.relation_id) AND g.to_ts IS NULL)
        AND NOT EXISTS (SELECT FROM pgtimewarp.relation_leaves AS l
                         WHERE l.relation_id = r.relation_id AND l.attached AND NOT l.checked)
        AND NOT EXISTS (SELECT FROM pgtimewarp.relation_ranges AS g
                         WHERE g.relation_id = r.relation_id AND g.state <> 'attached')
      ORDER BY r.relation_id`,
    [nodeId, doubling, MAX_DOUBLINGS],
  );
  return rows;
}

async function hasRows(store: Queryable, boundary: Boundary): Promise<boolean> {
  const { rows } = await store.query<{ count: number }>(
    `SELECT count(*)::int AS count
       FROM (SELECT FROM pgtimewarp.row_changes AS c
              WHERE c.relation_id = $1::int AND c.valid_from_lsn >= $2::pg_lsn AND c.valid_from_lsn < $3::pg_lsn
              LIMIT $4::int) AS counted`,
    [boundary.relation_id, boundary.from_lsn, boundary.to_lsn, boundary.min_rows],
  );
  return rows[0]!.count >= boundary.min_rows;
}

async function insertUnit(store: Queryable, claim: Claim, boundary: Boundary): Promise<void> {
  const { relation_id, unit, lsn_space, from_lsn, to_lsn, to_ts } = boundary;
  await store.query(
    `INSERT INTO pgtimewarp.archive_units (relation_id, unit, lsn_space, from_lsn, to_lsn, to_ts, epoch)
     VALUES ($1::int, $2::int, $3::int, $4::pg_lsn, $5::pg_lsn, $6::timestamptz, $7::bigint)`,
    [relation_id, unit, lsn_space, from_lsn, to_lsn, to_ts, claim.epoch],
  );
}
