/** Stores how the last run of a node ended, for status, doctor and the next run. */
import type { Queryable } from '../../pg/connection.ts';
import type { Claim } from './claim.ts';

export async function finishRun(
  store: Queryable,
  claim: Claim,
  result: { readonly outcome: string; readonly caughtUp: boolean },
): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.wal_checkpoints
        SET last_run_at = clock_timestamp(), last_run_outcome = $3::text, caught_up = $4::boolean
      WHERE node_id = $1::text AND epoch = $2::bigint`,
    [claim.nodeId, claim.epoch, result.outcome, result.caughtUp],
  );
  await store.query('UPDATE pgtimewarp.nodes SET last_seen = clock_timestamp() WHERE node_id = $1::text', [
    claim.nodeId,
  ]);
}
