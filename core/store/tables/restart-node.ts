/**
 * Restarts a node after a gap. The period of every tracked table ends where the last complete run ended. A new period, with a
 * new relation_id, begins where the new slot begins. The gap lies between the two. All of it is one transaction.
 */
import type { StoreTransaction } from '../../pg/transaction.ts';
import { formatCommitTime, maxTime, nextMicrosecond } from '../../types/commit-time.ts';
import { formatLsn } from '../../types/lsn.ts';
import { writeHealthEvent } from '../health-events.ts';
import type { Claim, Horizon } from '../node/claim.ts';
import { placeBeginning } from '../node/lineage.ts';
import type { NodeIdentity } from '../node/nodes.ts';
import { endRelation } from './end.ts';
import { closeNodeGaps } from './node-gap.ts';
import type { TrackedRelation } from './read.ts';
import { continueRelation, type NewRelation } from './start.ts';

export interface NewBeginning {
  readonly identity: NodeIdentity;
  /** See readBeginning(). */
  readonly start: Horizon;
  /** false: positions of the source do not sort after the stored ones, so a new LSN space begins. */
  readonly samePositions: boolean;
  readonly relations: readonly {
    readonly before: TrackedRelation;
    /** The table now; null when it cannot be tracked any more, so that its tracking ends with the gap. */
    readonly after: Omit<NewRelation, 'retention' | 'baseline'> | null;
  }[];
}

/** @returns the new horizon, which is the end of the gap */
export async function restartNode(
  store: StoreTransaction,
  claim: Claim,
  beginning: NewBeginning,
): Promise<Horizon> {
  await writeIdentity(store, beginning.identity); // first, because it decides the lineage
  const end = await moveCheckpoint(store, claim, beginning);
  for (const { before, after } of beginning.relations) {
    await endRelation(store, before.relationId, claim.horizon);
    if (after !== null) await continueRelation(store, before, after, end);
  }
  await closeNodeGaps(store, claim.nodeId, end);
  await writeHealthEvent(store, {
    nodeId: claim.nodeId,
    severity: 'info',
    code: 'NODE_REBASELINED',
    message: `history goes on at ${formatCommitTime(end.time)} (${formatLsn(end.lsn)})`,
    meta: { from_lsn: formatLsn(claim.horizon.lsn), to_lsn: formatLsn(end.lsn) },
  });
  return end;
}

/** Times keep increasing, also in a new LSN space. */
async function moveCheckpoint(
  store: StoreTransaction,
  claim: Claim,
  { identity, start, samePositions }: NewBeginning,
): Promise<Horizon> {
  const time = await placeBeginning(store, {
    nodeId: claim.nodeId,
    lsn: start.lsn,
    wanted: maxTime(start.time, nextMicrosecond(claim.horizon.time)),
  });
  await store.query(
    `WITH horizon AS (
       UPDATE pgtimewarp.wal_checkpoints
          SET slot_name = $2::text, lsn_space = lsn_space + CASE WHEN $5::boolean THEN 0 ELSE 1 END,
              map_from_lsn = CASE WHEN $5::boolean THEN map_from_lsn END,
              applied_lsn = $3::pg_lsn, applied_ts = $4::timestamptz, caught_up = false, failures = 0, failure = NULL
        WHERE node_id = $1::text
        RETURNING node_id, lsn_space, applied_lsn, applied_ts)
     INSERT INTO pgtimewarp.lsn_time_map (node_id, lsn_space, lsn, ts)
     SELECT node_id, lsn_space, applied_lsn, applied_ts FROM horizon`,
    [claim.nodeId, identity.slotName, formatLsn(start.lsn), formatCommitTime(time), samePositions],
  );
  return { lsn: start.lsn, time };
}

async function writeIdentity(store: StoreTransaction, identity: NodeIdentity): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.nodes
        SET system_identifier = $2::text, timeline = $3::int, database_name = $4::text, slot_name = $5::text,
            version = $6::text, status = 'active', status_reason = NULL, last_seen = now()
      WHERE node_id = $1::text`,
    [
      identity.node,
      identity.systemIdentifier,
      identity.timeline,
      identity.database,
      identity.slotName,
      identity.version,
    ],
  );
}
