/**
 * Whether the source and its slot are still the ones that the store has followed. Pure: facts in, verdict out. Every
 * finding means that changes may have been lost, which is recorded as a gap and never passed over.
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

/** Whether somebody else has moved the slot: our own runs advance it only to what the store has committed. */
export function detectMovedSlot(standsAt: Lsn | null, node: StoredNode, horizon: Horizon): Loss | null {
  if (standsAt === null || standsAt <= horizon.lsn) return null;
  return {
    code: 'SLOT_MISSING',
    reason: `the slot "${node.slotName}" stands at ${formatLsn(standsAt)}, past the stored ${formatLsn(horizon.lsn)}: it was moved or made anew`,
  };
}

/**
 * What is wrong with the connection and not with the history: throws SOURCE_IN_RECOVERY (an endpoint that points to a
 * standby while a failover is under way has no slots; the slot of the primary waits) and NODE_CONFLICT (another database
 * of the right server, also one that has got the name of the node's own, whose slot waits where it was).
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
