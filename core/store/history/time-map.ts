/** Single entries of the LSN-to-time map: the horizon of a run, and the proof that a replayed commit is the stored one. */

import type { Queryable } from '../../pg/connection.ts';
import type { StoreTransaction } from '../../pg/transaction.ts';
import { type CommitTime, formatCommitTime } from '../../types/commit-time.ts';
import { formatLsn, type Lsn, parseLsn } from '../../types/lsn.ts';
import { isWholeAt, type WholeHistory } from '../../types/whole-history.ts';
import type { Claim, Horizon } from '../node/claim.ts';

/**
 * Writes the horizon's own entry. A quiet run moves the entry of the last horizon instead of adding one. A commit at the same
 * position has an entry already.
 */
// biome-ignore lint/complexity/useMaxParams: each caller has exactly these values at hand
export async function writeHorizonEntry(
  store: StoreTransaction,
  claim: Claim,
  horizon: Horizon,
  quiet: boolean,
): Promise<void> {
  if (quiet) {
    await store.query(
      `DELETE FROM pgtimewarp.lsn_time_map
        WHERE node_id = $1::text AND lsn_space = $2::int AND lsn = $3::pg_lsn AND xid IS NULL
          AND NOT EXISTS ( -- the findings of a repair are stored at the end of its gap
                SELECT FROM pgtimewarp.history_gaps AS g
                 WHERE g.node_id = $1::text AND g.lsn_space = $2::int AND g.to_lsn = $3::pg_lsn)
          AND NOT EXISTS ( -- the baseline of a table is stored where its history begins, what a gap of the node removed right after it
                SELECT FROM pgtimewarp.tracked_relations AS r
                 WHERE r.node_id = $1::text
                   AND (r.tracked_from_lsn = $3::pg_lsn OR r.tracked_from_lsn + 1 = $3::pg_lsn OR r.repair ->> 'end_lsn' = $3::pg_lsn::text))`,
      [claim.nodeId, claim.lsnSpace, formatLsn(claim.horizon.lsn)],
    );
  }
  await store.query(
    `INSERT INTO pgtimewarp.lsn_time_map (node_id, lsn_space, lsn, ts)
     VALUES ($1::text, $2::int, $3::pg_lsn, $4::timestamptz)
     ON CONFLICT ON CONSTRAINT lsn_time_map_pkey DO NOTHING -- a commit at the same position has an entry already`,
    [claim.nodeId, claim.lsnSpace, formatLsn(horizon.lsn), formatCommitTime(horizon.time)],
  );
}

/** A commit that the slot delivered again. */
export interface ReplayedCommit {
  readonly lsn: Lsn;
  readonly xid: string;
  readonly timestamp: CommitTime;
}

/**
 * Compares redelivered commits with the stored ones. A difference in position, xid or timestamp means that the source has
 * another history than the one that the store has followed. Entries that retention has cut from the map are not compared.
 * @returns the position of the first commit that does not match; null when all match
 */
export async function firstForkedCommit(
  store: Queryable,
  claim: Claim,
  commits: readonly ReplayedCommit[],
): Promise<Lsn | null> {
  if (commits.length === 0) return null;
  const { rows } = await store.query<{ lsn: string | null }>(
    `SELECT min(r.lsn) AS lsn
       FROM unnest($3::pg_lsn[], $4::bigint[], $5::timestamptz[]) AS r (lsn, xid, commit_ts)
       LEFT JOIN pgtimewarp.lsn_time_map AS m
         ON m.node_id = $1::text AND m.lsn_space = $2::int AND m.lsn = r.lsn
       JOIN pgtimewarp.wal_checkpoints AS c ON c.node_id = $1::text
      WHERE (m.xid IS DISTINCT FROM r.xid OR m.commit_ts IS DISTINCT FROM r.commit_ts)
        AND (c.map_from_lsn IS NULL OR r.lsn >= c.map_from_lsn)
        AND NOT EXISTS ( -- left out by pgtimewarp skip
              SELECT FROM pgtimewarp.blocked_changes AS b
               WHERE b.node_id = $1::text AND b.lsn_space = $2::int AND b.lsn = r.lsn)`,
    [
      claim.nodeId,
      claim.lsnSpace,
      commits.map((commit) => formatLsn(commit.lsn)),
      commits.map((commit) => commit.xid),
      commits.map((commit) => formatCommitTime(commit.timestamp)),
    ],
  );
  const lsn = rows[0]?.lsn ?? null;
  return lsn === null ? null : parseLsn(lsn);
}

/**
 * Looks for a stored commit in (from, upto] that the slot did not deliver again. Only commits count that changed a table where its
 * history is whole. A stored commit that changed only other tables may not come again: tables that were untracked meanwhile, have a
 * gap, or are gone.
 */
export async function firstMissingCommit(
  store: Queryable,
  claim: Claim,
  range: {
    readonly from: Lsn;
    readonly upto: Lsn;
    readonly seen: readonly Lsn[];
    readonly whole: ReadonlyMap<number, WholeHistory>;
  },
): Promise<Lsn | null> {
  const { rows } = await store.query<{ lsn: string }>(
    `SELECT m.lsn
       FROM pgtimewarp.lsn_time_map AS m
      WHERE m.node_id = $1::text AND m.lsn_space = $2::int AND m.lsn > $3::pg_lsn AND m.lsn <= $4::pg_lsn
        AND m.xid IS NOT NULL
        AND NOT EXISTS (SELECT FROM unnest($5::pg_lsn[]) AS s (lsn) WHERE s.lsn = m.lsn)
      ORDER BY m.lsn`,
    [
      claim.nodeId,
      claim.lsnSpace,
      formatLsn(range.from),
      formatLsn(range.upto),
      range.seen.map((lsn) => formatLsn(lsn)),
    ],
  );
  if (rows.length === 0) return null;
  const found = await store.query<{ lsn: string; relation_id: number }>(
    // usually the first query finds nothing, so this one rarely runs
    `SELECT t.lsn, t.relation_id
       FROM (SELECT c.valid_from_lsn AS lsn, c.relation_id FROM pgtimewarp.row_changes AS c
              WHERE c.relation_id = ANY ($1::int[]) AND c.valid_from_lsn = ANY ($2::pg_lsn[]) AND c.xid IS NOT NULL
              UNION
             SELECT e.lsn, e.relation_id FROM pgtimewarp.relation_events AS e
              WHERE e.relation_id = ANY ($1::int[]) AND e.lsn = ANY ($2::pg_lsn[])) AS t
      ORDER BY t.lsn`,
    [[...range.whole.keys()], rows.map(({ lsn }) => lsn)],
  );
  const missing = found.rows
    .map(({ lsn, relation_id }) => ({ lsn: parseLsn(lsn), whole: range.whole.get(relation_id) }))
    .find(({ lsn, whole }) => isWholeAt(whole, lsn));
  return missing?.lsn ?? null;
}
