/** How the tracking of a table ends: its history stays, known up to the horizon. */
import type { StoreTransaction } from '../../pg/transaction.ts';
import { type CommitTime, formatCommitTime } from '../../types/commit-time.ts';
import { formatLsn, type Lsn } from '../../types/lsn.ts';

/** Ends a period at the horizon. A table that had not started yet has no history to keep. */
export async function endRelation(
  store: StoreTransaction,
  relationId: number,
  horizon: { readonly lsn: Lsn; readonly time: CommitTime },
): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.tracked_relations
        SET status = 'untracked', tracked_to_lsn = $2::pg_lsn, tracked_to_ts = $3::timestamptz, updated_at = now()
      WHERE relation_id = $1::int AND status <> 'untracked'`,
    [relationId, formatLsn(horizon.lsn), formatCommitTime(horizon.time)],
  );
}

/** Ends the periods of all tables of a node at its horizon. */
export async function endRelationsOfNode(store: StoreTransaction, nodeId: string): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.tracked_relations AS r
        SET status = 'untracked', tracked_to_lsn = c.applied_lsn, tracked_to_ts = c.applied_ts, updated_at = now()
       FROM pgtimewarp.wal_checkpoints AS c
      WHERE r.node_id = $1::text AND c.node_id = r.node_id AND r.status <> 'untracked'`,
    [nodeId],
  );
}
