/**
 * The lineage: nodes that observe the same history, and therefore share one clock. This file reads which times other nodes
 * have defined, and checks whether the times that a run commits agree with them. A point is an entry of the time map. The
 * checkpoint of a node is a promise: everything after its position is later than its time.
 */

import { TimewarpError } from '../../errors/timewarp-error.ts';
import type { Queryable } from '../../pg/connection.ts';
import type { StoreTransaction } from '../../pg/transaction.ts';
import type { ClockPage, ClockPoint } from '../../types/clock.ts';
import { type CommitTime, formatCommitTime, maxTime, parseCommitTime } from '../../types/commit-time.ts';
import { formatLsn, type Lsn, parseLsn } from '../../types/lsn.ts';
import type { Claim, Horizon } from './claim.ts';

/** Another node of the lineage has defined conflicting times meanwhile. The run computes its times once more. */
export class ClockMoved extends Error {}

export interface Lineage {
  /** See lineage_marks(); null: no other node observes this history. */
  readonly marks: string | null;
  /** The last point of each node, this one among them, at or before the claim's horizon. */
  readonly before: readonly ClockPoint[];
  /** The promise of each other node: everything after the position is later than the time. */
  readonly promises: readonly Horizon[];
}

export async function readLineage(store: Queryable, claim: Claim): Promise<Lineage> {
  const { rows } = await store.query<{
    marks: string | null;
    is_own: boolean;
    applied_lsn: string;
    applied_ts: string;
    lsn: string | null;
    ts: string;
    xid: string | null;
  }>(
    `SELECT pgtimewarp.lineage_marks($1::text) AS marks, l.node_id = $1::text AS is_own, l.applied_lsn, l.applied_ts,
            m.lsn, m.ts, m.xid::text AS xid
       FROM pgtimewarp.lineage($1::text) AS l
       LEFT JOIN LATERAL (
              SELECT e.lsn, e.ts, e.xid FROM pgtimewarp.lsn_time_map AS e
               WHERE e.node_id = l.node_id AND e.lsn_space = l.lsn_space AND e.lsn <= $2::pg_lsn
               ORDER BY e.lsn DESC LIMIT 1) AS m ON true`,
    [claim.nodeId, formatLsn(claim.horizon.lsn)],
  );
  return {
    marks: rows[0]?.marks ?? null,
    before: rows.flatMap(({ lsn, ts, xid }) =>
      lsn === null ? [] : [{ lsn: parseLsn(lsn), time: parseCommitTime(ts), xid }],
    ),
    promises: rows
      .filter((row) => !row.is_own)
      .map((row) => ({ lsn: parseLsn(row.applied_lsn), time: parseCommitTime(row.applied_ts) })),
  };
}

/** How many points one query reads. */
const PAGE_POINTS = 10_000;

/**
 * The points of other nodes after a position, in order. It leaves out points whose position is past the horizon but whose time
 * is not: an older copy of the server has replaced it, and the node with these points has not run since.
 */
// biome-ignore lint/complexity/useMaxParams: `limit` is for tests
export async function readClockPage(
  store: Queryable,
  claim: Claim,
  after: Lsn,
  limit = PAGE_POINTS,
): Promise<ClockPage> {
  const { rows } = await store.query<{ lsn: string; ts: string; xid: string | null }>(
    `SELECT m.lsn, m.ts, m.xid::text AS xid
       FROM pgtimewarp.lineage($1::text) AS l
      CROSS JOIN LATERAL (
              SELECT e.lsn, e.ts, e.xid FROM pgtimewarp.lsn_time_map AS e
               WHERE e.node_id = l.node_id AND e.lsn_space = l.lsn_space AND e.lsn > $2::pg_lsn AND e.ts > $3::timestamptz
               ORDER BY e.lsn LIMIT $4::int) AS m
      WHERE l.node_id <> $1::text
      ORDER BY m.lsn FETCH FIRST ($4::int) ROWS WITH TIES`,
    [claim.nodeId, formatLsn(after), formatCommitTime(claim.horizon.time), limit],
  );
  const points = rows.map(({ lsn, ts, xid }) => ({ lsn: parseLsn(lsn), time: parseCommitTime(ts), xid }));
  return { points, isLast: points.length < limit };
}

/**
 * Checks that the map entries which this transaction has written, from the claim's horizon to the new one, agree with those of
 * other nodes. Call it with the lineage locked (by writeHorizon), so that they still agree at the commit. Throws
 * {@link ClockMoved}.
 */
export async function requireAgreement(
  store: StoreTransaction,
  claim: Claim,
  horizon: Horizon,
): Promise<void> {
  const { rows } = await store.query<{ agrees: boolean }>(
    `WITH others AS MATERIALIZED (SELECT * FROM pgtimewarp.lineage($1::text) AS l WHERE l.node_id <> $1::text)
     SELECT NOT EXISTS (
              SELECT FROM pgtimewarp.wal_checkpoints AS c
                JOIN pgtimewarp.lsn_time_map AS own
                  ON own.node_id = c.node_id AND own.lsn_space = c.lsn_space AND own.lsn > $2::pg_lsn AND own.lsn <= $3::pg_lsn
               CROSS JOIN others AS o
               WHERE c.node_id = $1::text
                 AND (o.applied_lsn < own.lsn AND o.applied_ts >= own.ts
                      OR coalesce((SELECT CASE WHEN e.xid IS NULL THEN e.ts < own.ts ELSE e.xid = own.xid AND e.ts <> own.ts END
                                     FROM pgtimewarp.lsn_time_map AS e
                                    WHERE e.node_id = o.node_id AND e.lsn_space = o.lsn_space AND e.lsn = own.lsn
                                      AND e.ts > $4::timestamptz), false)
                      OR coalesce((SELECT CASE WHEN e.xid IS NULL THEN e.ts >= own.ts ELSE e.ts > own.ts END
                                     FROM pgtimewarp.lsn_time_map AS e
                                    WHERE e.node_id = o.node_id AND e.lsn_space = o.lsn_space AND e.lsn < own.lsn
                                    ORDER BY e.lsn DESC LIMIT 1), false)
                      OR coalesce((SELECT e.ts < own.ts
                                     FROM pgtimewarp.lsn_time_map AS e
                                    WHERE e.node_id = o.node_id AND e.lsn_space = o.lsn_space AND e.lsn > own.lsn
                                      AND e.ts > $4::timestamptz
                                    ORDER BY e.lsn LIMIT 1), false)))
            AND NOT EXISTS (
              SELECT FROM others AS o
               CROSS JOIN LATERAL (
                       SELECT e.ts FROM pgtimewarp.lsn_time_map AS e
                        WHERE e.node_id = o.node_id AND e.lsn_space = o.lsn_space AND e.lsn > $3::pg_lsn
                          AND e.ts > $4::timestamptz
                        ORDER BY e.lsn LIMIT 1) AS next
               WHERE next.ts <= $5::timestamptz) AS agrees`,
    [
      claim.nodeId,
      formatLsn(claim.horizon.lsn),
      formatLsn(horizon.lsn),
      formatCommitTime(claim.horizon.time),
      formatCommitTime(horizon.time),
    ],
  );
  if (!rows[0]!.agrees)
    throw new ClockMoved('another node of this history has defined other times meanwhile');
}

export interface HorizonPlace {
  readonly nodeId: string;
  readonly lsn: Lsn;
  /** The time of the horizon unless times of other nodes prevent it. */
  readonly wanted: CommitTime;
  /** Points of other nodes after the position with an earlier time belong to another history, see readClockPage. */
  readonly promised: CommitTime;
}

/**
 * Finds a time for a horizon among the times that the nodes of the lineage have defined. It locks the lineage, so no other node
 * changes them until the end of the transaction.
 * @returns `fits`: everything up to the position is at or before the time, and everything after it is later. Without `fits`
 *   only the second part holds, and the position must get no entry in the map
 */
export async function placeHorizon(
  store: StoreTransaction,
  { nodeId, lsn, wanted, promised }: HorizonPlace,
): Promise<{ readonly time: CommitTime; readonly fits: boolean }> {
  const { rows: locked } = await store.query<{ marks: string | null }>(
    'SELECT pgtimewarp.lock_lineage($1::text) AS marks',
    [nodeId],
  );
  if (locked[0]!.marks === null) return { time: wanted, fits: true };
  const { rows } = await store.query<{ least: string; latest: string | null }>(
    `SELECT greatest($3::timestamptz,
                     max(b.ts),
                     max(b.ts) FILTER (WHERE b.xid IS NULL AND b.lsn < $2::pg_lsn) + interval '1 microsecond',
                     max(l.applied_ts) FILTER (WHERE l.node_id <> $1::text AND l.applied_lsn < $2::pg_lsn)
                       + interval '1 microsecond') AS least,
            min(a.ts) FILTER (WHERE l.node_id <> $1::text) - interval '1 microsecond' AS latest
       FROM pgtimewarp.lineage($1::text) AS l
       LEFT JOIN LATERAL (
              SELECT e.lsn, e.ts, e.xid FROM pgtimewarp.lsn_time_map AS e
               WHERE e.node_id = l.node_id AND e.lsn_space = l.lsn_space AND e.lsn <= $2::pg_lsn
               ORDER BY e.lsn DESC LIMIT 1) AS b ON true
       LEFT JOIN LATERAL (
              SELECT e.ts FROM pgtimewarp.lsn_time_map AS e
               WHERE e.node_id = l.node_id AND e.lsn_space = l.lsn_space AND e.lsn > $2::pg_lsn AND e.ts > $3::timestamptz
               ORDER BY e.lsn LIMIT 1) AS a ON true`,
    [nodeId, formatLsn(lsn), formatCommitTime(promised)],
  );
  const least = parseCommitTime(rows[0]!.least);
  const latest = rows[0]!.latest === null ? null : parseCommitTime(rows[0]!.latest);
  const time = maxTime(wanted, least);
  if (latest === null || time <= latest) return { time, fits: true };
  return { time: latest, fits: least <= latest };
}

/** Like {@link placeHorizon}, for the beginning of a node. Throws TRANSACTION_CONFLICT when no time fits. */
export async function placeBeginning(
  store: StoreTransaction,
  { nodeId, lsn, wanted }: Omit<HorizonPlace, 'promised'>,
): Promise<CommitTime> {
  const { time, fits } = await placeHorizon(store, { nodeId, lsn, wanted, promised: wanted });
  if (fits) return time;
  throw new TimewarpError(
    'TRANSACTION_CONFLICT',
    'Other nodes of this source have stored commits meanwhile that leave no time for the beginning of this one.',
  );
}
