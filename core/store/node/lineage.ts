/**
 * The lineage: nodes that observe the same history, and therefore share one clock. This file reads which times other nodes
 * have defined. A point is an entry of the time map. The checkpoint of a node is a promise: everything after its position is later
 * than its time. No point of a node is beyond its checkpoint, so nodes that are behind are not asked for later points.
 */

import { TimewarpError } from '../../errors/timewarp-error.ts';
import type { Queryable } from '../../pg/connection.ts';
import type { StoreTransaction } from '../../pg/transaction.ts';
import type { ClockPage, ClockPoint } from '../../types/clock.ts';
import { type CommitTime, formatCommitTime, maxTime, parseCommitTime } from '../../types/commit-time.ts';
import { formatLsn, type Lsn, parseLsn } from '../../types/lsn.ts';
import type { Claim, Horizon } from './claim.ts';

/** Beyond every position. */
const LAST_LSN = 'FFFFFFFF/FFFFFFFF';

export interface Lineage {
  /** See lineage_marks(); null: no other node observes this history. */
  readonly marks: string | null;
  /** The last point of each node, this one among them, at or before the claim's horizon. Nodes whose points are all earlier in time are left out. */
  readonly before: readonly ClockPoint[];
  /** The promise of each other node: everything after the position is later than the time. */
  readonly promises: readonly Horizon[];
}

/** Commits may share a time, so the last point of a node can be later than its checkpoint, by microseconds. */
const SLACK = '1 second';

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
               ORDER BY e.lsn DESC LIMIT 1) AS m
         ON l.node_id = $1::text OR l.applied_lsn > $2::pg_lsn OR l.applied_ts >= $3::timestamptz - interval '${SLACK}'`,
    [claim.nodeId, formatLsn(claim.horizon.lsn), formatCommitTime(claim.horizon.time)],
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

/** About how many points one query reads. */
const PAGE_POINTS = 10_000;
/** Each node gets at least this many of them: with many nodes, one of them may have nearly all points. */
const LEAST_SHARE = 500;

/**
 * The points of other nodes after a position, in order; a commit that several of them have stored is one point. It leaves out points
 * whose position is past the horizon but whose time is not: an older copy of the server has replaced it, and the node with these points
 * has not run since. The limit is shared by the nodes, so that all pages together read each entry once or twice.
 */
// biome-ignore lint/complexity/useMaxParams: `limit` is for tests
export async function readClockPage(
  store: Queryable,
  claim: Claim,
  after: Lsn,
  limit = PAGE_POINTS,
): Promise<ClockPage> {
  const { rows } = await store.query<{
    upto: string | null;
    lsn: string | null;
    ts: string;
    xid: string | null;
  }>(
    `WITH ahead AS MATERIALIZED (
            SELECT l.node_id, l.lsn_space, count(*) OVER () AS nodes
              FROM pgtimewarp.lineage($1::text) AS l
             WHERE l.node_id <> $1::text AND l.applied_lsn > $2::pg_lsn),
          page AS MATERIALIZED (
            SELECT min(m.lsn) AS upto
              FROM ahead AS a
             CROSS JOIN LATERAL (
                     SELECT e.lsn FROM pgtimewarp.lsn_time_map AS e
                      WHERE e.node_id = a.node_id AND e.lsn_space = a.lsn_space AND e.lsn > $2::pg_lsn
                      ORDER BY e.lsn OFFSET greatest($4::int / a.nodes, least($4::int, ${LEAST_SHARE})) - 1 LIMIT 1) AS m)
     SELECT page.upto, m.lsn, m.ts, m.xid::text AS xid
       FROM page
       LEFT JOIN LATERAL (
              SELECT DISTINCT e.lsn, e.ts, e.xid
                FROM ahead AS a
               CROSS JOIN LATERAL (
                       SELECT e.lsn, e.ts, e.xid FROM pgtimewarp.lsn_time_map AS e
                        WHERE e.node_id = a.node_id AND e.lsn_space = a.lsn_space AND e.lsn > $2::pg_lsn
                          AND e.lsn <= coalesce(page.upto, '${LAST_LSN}') AND e.ts > $3::timestamptz) AS e) AS m ON true
      ORDER BY m.lsn`,
    [claim.nodeId, formatLsn(after), formatCommitTime(claim.horizon.time), limit],
  );
  const points = rows.flatMap(({ lsn, ts, xid }) =>
    lsn === null ? [] : [{ lsn: parseLsn(lsn), time: parseCommitTime(ts), xid }],
  );
  const upto = rows[0]!.upto;
  return { points, upto: upto === null ? null : parseLsn(upto) };
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
               ORDER BY e.lsn DESC LIMIT 1) AS b
         ON l.node_id = $1::text OR l.applied_lsn > $2::pg_lsn OR l.applied_ts >= $3::timestamptz - interval '${SLACK}'
       LEFT JOIN LATERAL (
              SELECT e.ts FROM pgtimewarp.lsn_time_map AS e
               WHERE e.node_id = l.node_id AND e.lsn_space = l.lsn_space AND e.lsn > $2::pg_lsn AND e.ts > $3::timestamptz
               ORDER BY e.lsn LIMIT 1) AS a ON l.applied_lsn > $2::pg_lsn`,
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
