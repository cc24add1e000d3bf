/**
 * Checks whether the source and its slot are still the ones that the store has followed. Pure: facts in, verdict out. Every
 * loss found here means that changes may be missing, so the run records a gap.
 */
import type { ErrorCode } from '../../errors/codes.ts';
import { TimewarpError } from '../../errors/timewarp-error.ts';
import type { SourceFacts } from '../../source/slot/source-facts.ts';
import type { Horizon } from '../../store/node/claim.ts';
import { isDatabaseOf, type StoredNode } from '../../store/node/nodes.ts';
import { formatLsn, type Lsn, parseLsn } from '../../types/lsn.ts';
import { maybeSameSystem, maybeSameTimeline } from '../../types/server-identity.ts';

export interface Loss {
  readonly code: Extract<
    ErrorCode,
    'SLOT_MISSING' | 'SLOT_LOST' | 'SOURCE_REPLACED' | 'HISTORY_FORKED' | 'SLOT_CONFLICT'
  >;
  readonly reason: string;
}

const UNKNOWN_LSN = parseLsn('0/0');

/** @param facts read AFTER the claim, as `horizon` was @returns null when nothing is lost */
export function detectLoss(facts: SourceFacts, node: StoredNode, horizon: Horizon): Loss | null {
  if (!maybeSameSystem(facts, node)) {
    return {
      code: 'SOURCE_REPLACED',
      reason: 'another server answers for this source (its system identifier differs)',
    };
  }
  if (!maybeSameTimeline(facts.timeline, node.timeline)) {
    return {
      code: 'SOURCE_REPLACED',
      reason: `the source is on timeline ${facts.timeline}, history was followed on timeline ${node.timeline}`,
    };
  }
  if (facts.insertLsn !== UNKNOWN_LSN && facts.insertLsn < horizon.lsn) {
    return {
      code: 'HISTORY_FORKED',
      reason: `the source stands at ${formatLsn(facts.insertLsn)}, before the stored ${formatLsn(horizon.lsn)}: restored from an older copy`,
    };
  }
  const slot = facts.slot;
  if (slot === null)
    return { code: 'SLOT_MISSING', reason: `the replication slot "${node.slotName}" is gone` };
  if (slot.walStatus === 'lost' || slot.restartLsn === null) {
    return {
      code: 'SLOT_LOST',
      reason: `the server has removed WAL that the slot "${node.slotName}" needed`,
    };
  }
  if (slot.plugin !== node.plugin || slot.database !== facts.database || slot.twoPhase || slot.temporary) {
    return {
      code: 'SLOT_CONFLICT',
      reason: `the slot "${node.slotName}" is not the one that was made for this node`,
    };
  }
  return detectMovedSlot(slot.confirmedFlushLsn, node, horizon);
}

/** Whether somebody else has moved the slot: runs advance it only to positions that the store has committed. */
export function detectMovedSlot(standsAt: Lsn | null, node: StoredNode, horizon: Horizon): Loss | null {
  if (standsAt === null || standsAt <= horizon.lsn) return null;
  return {
    code: 'SLOT_MISSING',
    reason: `the slot "${node.slotName}" stands at ${formatLsn(standsAt)}, past the stored ${formatLsn(horizon.lsn)}: it was moved, or dropped and made again`,
  };
}

/**
 * Refuses a connection to the wrong place, which is no loss: the slot still waits where it was. Throws SOURCE_IN_RECOVERY for
 * a standby (during a failover the endpoint may point to one, which has no slots). Throws NODE_CONFLICT for another database
 * of the right server, also for one that was given the name of the node's database.
 */
export function refuseWrongEndpoint(facts: SourceFacts, node: StoredNode, horizon: Horizon): void {
  if (facts.inRecovery && maybeSameSystem(facts, node))
    throw new TimewarpError('SOURCE_IN_RECOVERY', 'The source is a standby, not the primary.');
  if (maybeSameSystem(facts, node) && !isDatabaseOf(facts, node)) {
    throw new TimewarpError(
      'NODE_CONFLICT',
      `Node "${node.node}" observes database ${node.database}; --source is ${facts.database} of the same server.`,
      { remedy: `Name the database ${node.database} in --source, or the node of this database with --node.` },
    );
  }
  const slot = facts.slot;
  if (!maybeSameSystem(facts, node) || slot === null || slot.plugin !== node.plugin) return;
  const waits = slot.confirmedFlushLsn !== null && slot.confirmedFlushLsn <= horizon.lsn;
  if (slot.database !== null && slot.database !== facts.database && waits) {
    throw new TimewarpError(
      'NODE_CONFLICT',
      `Node "${node.node}" observes the database that is called ${slot.database} now; --source is another one, ${facts.database}.`,
      { remedy: `Name the database ${slot.database} in --source.` },
    );
  }
}
