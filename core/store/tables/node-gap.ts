/** The gap of a node: runs read nothing until `rebaseline --node`. */
import type { Queryable } from '../../pg/connection.ts';
import type { StoreTransaction } from '../../pg/transaction.ts';
import { formatCommitTime } from '../../types/commit-time.ts';
import { formatLsn } from '../../types/lsn.ts';
import { writeHealthEvent } from '../health-events.ts';
import type { Claim, Horizon } from '../node/claim.ts';

/** Opens the gap: from the horizon on the whole node is unknown. */
// biome-ignore lint/complexity/useMaxParams: code and reason of a loss come together, an object would gain nothing
export async function openNodeGap(
  store: StoreTransaction,
  claim: Claim,
  code: string,
  reason: string,
): Promise<void> {
  const { rowCount } = await store.query(
    `INSERT INTO pgtimewarp.history_gaps (node_id, lsn_space, from_lsn, from_ts, reason, code)
     SELECT n.node_id, $2::int, $3::pg_lsn, $4::timestamptz, $5::text, $6::text
       FROM pgtimewarp.nodes AS n
      WHERE n.node_id = $1::text AND n.status <> 'removed'
        AND NOT EXISTS (
              SELECT FROM pgtimewarp.history_gaps
               WHERE node_id = $1::text AND relation_id IS NULL AND to_ts IS NULL)`,
    [
      claim.nodeId,
      claim.lsnSpace,
      formatLsn(claim.horizon.lsn),
      formatCommitTime(claim.horizon.time),
      reason,
      code,
    ],
  );
  if (rowCount === 0) return;
  await store.query(
    `UPDATE pgtimewarp.nodes SET status = 'gap', status_reason = $2::text WHERE node_id = $1::text`,
    [claim.nodeId, reason],
  );
  await writeHealthEvent(store, {
    nodeId: claim.nodeId,
    severity: 'fail',
    code,
    message: reason,
    meta: { from_lsn: formatLsn(claim.horizon.lsn) },
  });
}

/** The code of the node's open gap; null when none is open. */
export async function readOpenNodeGap(store: Queryable, nodeId: string): Promise<string | null> {
  const { rows } = await store.query<{ code: string }>(
    `SELECT coalesce(code, 'NODE_GAP') AS code
       FROM pgtimewarp.history_gaps WHERE node_id = $1::text AND relation_id IS NULL AND to_ts IS NULL`,
    [nodeId],
  );
  return rows[0]?.code ?? null;
}

/** Ends every open gap of the node and of its tables: everything is known again from `end` on. */
export async function closeNodeGaps(store: StoreTransaction, nodeId: string, end: Horizon): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.history_gaps SET to_lsn = $2::pg_lsn, to_ts = $3::timestamptz
      WHERE node_id = $1::text AND to_ts IS NULL`,
    [nodeId, formatLsn(end.lsn), formatCommitTime(end.time)],
  );
}

/** Makes the gap an empty interval. Call it when nothing was lost after all. */
export async function withdrawNodeGap(store: StoreTransaction, claim: Claim): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.history_gaps SET to_lsn = from_lsn, to_ts = from_ts
      WHERE node_id = $1::text AND relation_id IS NULL AND to_ts IS NULL`,
    [claim.nodeId],
  );
  await store.query(
    `UPDATE pgtimewarp.nodes SET status = 'active', status_reason = NULL WHERE node_id = $1::text`,
    [claim.nodeId],
  );
  await writeHealthEvent(store, {
    nodeId: claim.nodeId,
    severity: 'info',
    code: 'GAP_WITHDRAWN',
    message: 'the right source answers again, with its slot as it was: nothing is lost',
    meta: { from_lsn: formatLsn(claim.horizon.lsn) },
  });
}
