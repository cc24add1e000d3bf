/**
 * How every command takes a node: first the claim, then it reads the node. Facts read before the claim may be outdated by
 * another run: the horizon, a node that was removed, a failure that was skipped.
 */
import { TimewarpError } from '../../errors/timewarp-error.ts';
import type { Queryable } from '../../pg/connection.ts';
import { type Claim, claimNode, releaseClaim } from './claim.ts';
import { requireNode, type StoredNode } from './nodes.ts';

export interface TakenNode {
  readonly node: StoredNode;
  readonly claim: Claim;
}

/**
 * Claims the node for this session, then reads it.
 * @returns null when another live run holds it. Throws NODE_UNKNOWN, also when it was removed meanwhile
 */
export async function takeNode(
  store: Queryable,
  nodeId: string,
  leaseSeconds: number,
): Promise<TakenNode | null> {
  const claim = await claimNode(store, nodeId, leaseSeconds);
  if (claim === null) return null;
  try {
    return { claim, node: await requireNode(store, nodeId) };
  } catch (error) {
    await releaseClaim(store, claim).catch(() => {});
    throw error;
  }
}

/** Like {@link takeNode}, but throws SLOT_BUSY while a run is under way. */
export async function takeIdleNode(
  store: Queryable,
  nodeId: string,
  leaseSeconds: number,
): Promise<TakenNode> {
  const taken = await takeNode(store, nodeId, leaseSeconds);
  if (taken !== null) return taken;
  throw new TimewarpError('SLOT_BUSY', `A run of node "${nodeId}" is under way.`, {
    remedy: 'Repeat it when the run has ended.',
  });
}
