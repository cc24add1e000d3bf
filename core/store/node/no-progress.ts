/**
 * Counts and reports runs that reach their deadline without moving the horizon: a transaction is too large for the time of a
 * run, or the WAL takes longer to read than a run may last. The next stored commit resets the count.
 */
import { ERROR_CODES } from '../../errors/codes.ts';
import type { Queryable } from '../../pg/connection.ts';
import { formatLsn, type Lsn, lsnDistanceBytes } from '../../types/lsn.ts';
import { writeHealthEvent } from '../health-events.ts';
import type { Claim } from './claim.ts';

/** The check of doctor fails after this many such runs in a row. */
export const NO_PROGRESS_FAILS = 3;

/** @param position where the source stands: WAL up to here waits */
export async function recordNoProgress(store: Queryable, claim: Claim, position: Lsn): Promise<void> {
  const { rows } = await store.query<{ failures: number }>(
    `UPDATE pgtimewarp.wal_checkpoints
        SET failures = failures + 1, failure = jsonb_build_object('code', 'NO_PROGRESS', 'lsn', applied_lsn)
      WHERE node_id = $1::text AND epoch = $2::bigint
      RETURNING failures`,
    [claim.nodeId, claim.epoch],
  );
  const failures = rows[0]?.failures;
  if (failures !== 1 && failures !== NO_PROGRESS_FAILS) return; // reported already, or another run has the claim
  await writeHealthEvent(store, {
    nodeId: claim.nodeId,
    severity: failures === 1 ? 'warn' : 'fail',
    code: 'NO_PROGRESS',
    message: `${failures} ${failures === 1 ? 'run' : 'runs in a row'} ended without progress. ${ERROR_CODES.NO_PROGRESS.remedy}`,
    meta: {
      runs: failures,
      from_lsn: formatLsn(claim.horizon.lsn),
      waiting_bytes: lsnDistanceBytes(claim.horizon.lsn, position).toString(),
    },
  });
}
