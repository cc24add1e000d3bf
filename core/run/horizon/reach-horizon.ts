/**
 * Moves the horizon to the end of WAL once everything up to there is stored. In the same transaction, everything that waited
 * for that position begins or ends: starts, repairs, gaps and baselines.
 */
import { inTransaction } from '../../pg/transaction.ts';
import type { EndOfWal } from '../../source/slot/end-of-wal.ts';
import { writeHorizonEntry } from '../../store/history/time-map.ts';
import { lockCheckpoint, writeHorizon } from '../../store/node/claim.ts';
import { placeHorizon } from '../../store/node/lineage.ts';
import { boundTime, tellClockAhead } from '../../store/node/trusted-clock.ts';
import { resolveBaselines } from '../../store/tables/baseline.ts';
import { readUnsettledRelations } from '../../store/tables/read.ts';
import { beginRepairs, fixEnd } from '../../store/tables/repair.ts';
import { endGapsOfPast, startRelations, writeStartConditions } from '../../store/tables/start.ts';
import { maxTime, nextMicrosecond } from '../../types/commit-time.ts';
import { formatLsn, maxLsn } from '../../types/lsn.ts';
import type { Locker } from '../../types/tracking.ts';
import { judgeNewLeaves, type NewLeaf } from '../leaves/check-new-leaves.ts';
import { finishedRepairs } from '../rows/read-repairs.ts';
import type { StartState } from '../rows/start-relations.ts';
import type { RunContext } from '../run-context.ts';
import { isDecidable } from './decide.ts';

export interface ReachHorizonOptions {
  readonly end: EndOfWal;
  readonly starts: StartState;
  /** See `lockersAtEnd`. */
  readonly lateLockers: ReadonlyMap<number, readonly Locker[]>;
  readonly newLeaves: readonly NewLeaf[];
}

/**
 * Call it when everything up to `end` is stored; the slot may move to `run.claim.horizon` afterwards.
 * @returns false: another node of the same lineage got further meanwhile and left no time for this horizon, so it stays
 */
export async function reachHorizon(
  { store, claim, counts, found }: RunContext,
  { end, starts, lateLockers, newLeaves }: ReachHorizonOptions,
): Promise<boolean> {
  const relations = await readUnsettledRelations(store, claim.nodeId);
  const lsn = maxLsn(end.upto, claim.horizon.lsn);
  // A commit after `now`, or one clamped to a later reading of the clock, already has a time beyond `now`.
  const after = lsn > claim.horizon.lsn ? nextMicrosecond(claim.horizon.time) : claim.horizon.time;
  const now = await boundTime(store, end.now);
  const wanted = maxTime(now.time, after);
  const ready = starts.ready
    .filter((each) => each.startAfter <= lsn && !found.has(each.relationId))
    .map((each) => each.relationId);
  const resolved = relations
    .filter((each) => isDecidable(each, lsn) && each.followsRelationId === null)
    .map((each) => each.relationId);
  const reached = await inTransaction(store, async (tx): Promise<boolean> => {
    await lockCheckpoint(tx, claim);
    const place = { nodeId: claim.nodeId, lsn, wanted, promised: claim.horizon.time };
    const { time, fits } = await placeHorizon(tx, place);
    if (!fits) return false;
    const horizon = { lsn, time };
    await writeHorizonEntry(tx, claim, horizon, counts.transactions === 0);
    await writeHorizon(tx, claim, horizon, true);
    const attached = await judgeNewLeaves(tx, claim, newLeaves);
    for (const repair of finishedRepairs(relations, horizon.lsn)) {
      if (!attached.has(repair.relationId)) await fixEnd(tx, repair.relationId, horizon);
    }
    if (ready.length > 0) {
      await startRelations(tx, ready, horizon);
      await endGapsOfPast(tx, ready, horizon);
      await beginRepairs(tx, ready, horizon);
      const startedAt = formatLsn(horizon.lsn);
      const conditions = ready.map(
        (relationId) =>
          [relationId, { lockers: lateLockers.get(relationId) ?? [], start_after_lsn: startedAt }] as const,
      );
      await writeStartConditions(tx, new Map(conditions));
    }
    if (resolved.length > 0) await resolveBaselines(tx, resolved);
    return true;
  });
  if (!reached) return false;
  if (now.isBounded) await tellClockAhead(store, claim.nodeId);
  return true;
}
