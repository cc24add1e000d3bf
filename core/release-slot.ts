/**
 * Drops the slot of a node before the WAL that it keeps fills the disk of the source. The gap is recorded first: a death
 * in between leaves a node that knows of its loss, and a slot that the next call drops.
 */
import type pg from 'pg';
import { TimewarpError } from './errors/timewarp-error.ts';
import { inTransaction } from './pg/transaction.ts';
import { type DatabaseUrls, withDatabases } from './setup/databases.ts';
import { dropSlot } from './source/slot/slot-lifecycle.ts';
import { readSourceFacts, type SourceFacts } from './source/slot/source-facts.ts';
import { walBudget } from './source/slot/wal-budget.ts';
import { type Claim, lockCheckpoint, releaseClaim } from './store/node/claim.ts';
import type { StoredNode } from './store/node/nodes.ts';
import { takeIdleNode } from './store/node/take-node.ts';
import { requireWritable } from './store/schema/migrate.ts';
import { openNodeGap } from './store/tables/gaps.ts';
import { maybeSameSystem } from './types/server-identity.ts';

export interface ReleaseResult {
  readonly node: string;
  readonly slot: string;
  /** false: there was none. */
  readonly dropped: boolean;
  readonly keptBytes: bigint;
}

const LEASE_SECONDS = 60;

/** Throws SLOT_BUSY while a run is under way, SLOT_CONFLICT when the slot is not this node's. */
export async function releaseSlot(urls: DatabaseUrls): Promise<ReleaseResult> {
  return withDatabases(urls, async ({ source, store }) => {
    await requireWritable(store);
    const { node, claim } = await takeIdleNode(store, urls.node, LEASE_SECONDS);
    try {
      const facts = await readSourceFacts(source, node.slotName);
      const dropped = await recordAndDrop({ source, store }, claim, node, facts, 'it was released by hand');
      const keptBytes = walBudget(facts, null)?.keptBytes ?? 0n;
      return { node: node.node, slot: node.slotName, dropped, keptBytes };
    } finally {
      await releaseClaim(store, claim).catch(() => {});
    }
  });
}

/**
 * Whether the WAL that the slot keeps is more than the node allows, where dropping it then was asked for.
 * @returns why the slot shall go, null when it may stay
 */
export function mustRelease(node: StoredNode, facts: SourceFacts): string | null {
  if (!node.releasesSlot) return null;
  const budget = walBudget(facts, node.slotBudgetBytes);
  if (budget === null || budget.keptBytes <= budget.budgetBytes) return null;
  return `it kept ${budget.keptBytes} bytes of WAL, more than the budget of ${budget.budgetBytes}`;
}

/** Records the gap, then drops the slot. @returns whether there was one */
export async function recordAndDrop(
  { source, store }: { readonly source: pg.Client; readonly store: pg.Client },
  claim: Claim,
  node: StoredNode,
  facts: SourceFacts,
  why: string,
): Promise<boolean> {
  const ours = facts.slot?.plugin === node.plugin && facts.slot.database === node.database;
  if (facts.slot !== null && (!ours || !maybeSameSystem(facts, node))) {
    throw new TimewarpError('SLOT_CONFLICT', `The slot "${node.slotName}" is not this node's.`);
  }
  await inTransaction(store, async () => {
    await lockCheckpoint(store, claim);
    await openNodeGap(store, claim, 'SLOT_RELEASED', `the slot "${node.slotName}" was dropped: ${why}`);
  });
  return dropSlot(source, node.slotName);
}
