/** The gap of a table: from a horizon on, the log does not contain everything about it. */
import type { StoreTransaction } from '../../pg/transaction.ts';
import { formatCommitTime } from '../../types/commit-time.ts';
import { formatLsn } from '../../types/lsn.ts';
import { writeHealthEvent } from '../health-events.ts';
import type { Claim } from '../node/claim.ts';
import { lockTracked } from './read.ts';
import { restartRepair } from './repair.ts';

type GapPlace = Pick<Claim, 'nodeId' | 'lsnSpace' | 'horizon'>;

/**
 * Opens the gap: from the horizon on, answers about the relation are unknown until a repair ends. There is one open gap per
 * relation. A second loss only moves the gap's start back if it is earlier. Does nothing for a table that was untracked
 * meanwhile. @returns whether it opened the gap
 */
// biome-ignore lint/complexity/useMaxParams: each caller has exactly these values at hand
export async function openRelationGap(
  store: StoreTransaction,
  claim: GapPlace,
  relationId: number,
  reason: string,
): Promise<boolean> {
  if (!(await lockTracked(store, relationId))) return false;
  const { rowCount } = await store.query(
    `INSERT INTO pgtimewarp.history_gaps (node_id, relation_id, lsn_space, from_lsn, from_ts, reason)
     SELECT $1::text, $2::int, $3::int, $4::pg_lsn, $5::timestamptz, $6::text
      WHERE NOT EXISTS (
              SELECT FROM pgtimewarp.history_gaps WHERE node_id = $1::text AND relation_id = $2::int AND to_ts IS NULL)`,
    [
      claim.nodeId,
      relationId,
      claim.lsnSpace,
      formatLsn(claim.horizon.lsn),
      formatCommitTime(claim.horizon.time),
      reason,
    ],
  );
  if (rowCount === 0) {
    await store.query(
      `UPDATE pgtimewarp.history_gaps SET from_lsn = $4::pg_lsn, from_ts = $5::timestamptz
        WHERE node_id = $1::text AND relation_id = $2::int AND lsn_space = $3::int AND to_ts IS NULL AND from_lsn > $4::pg_lsn`,
      [
        claim.nodeId,
        relationId,
        claim.lsnSpace,
        formatLsn(claim.horizon.lsn),
        formatCommitTime(claim.horizon.time),
      ],
    );
    return false;
  }
  await store.query(
    `UPDATE pgtimewarp.tracked_relations
        SET status = 'needs_rebaseline', status_reason = $2::text, updated_at = now() WHERE relation_id = $1::int`,
    [relationId, reason],
  );
  await writeHealthEvent(store, {
    nodeId: claim.nodeId,
    severity: 'fail',
    code: 'RELATION_GAP',
    message: reason,
    meta: { relation_id: relationId, from_lsn: formatLsn(claim.horizon.lsn) },
  });
  return true;
}

/**
 * Records that changes of the relation are lost from the horizon on. It opens the gap. If the gap was open already, a repair
 * may have read rows from before the loss, so it restarts. @returns whether it opened the gap
 */
// biome-ignore lint/complexity/useMaxParams: as openRelationGap
export async function recordRelationLoss(
  store: StoreTransaction,
  claim: GapPlace,
  relationId: number,
  reason: string,
): Promise<boolean> {
  const opened = await openRelationGap(store, claim, relationId, reason);
  if (!opened) await restartRepair(store, relationId);
  return opened;
}
