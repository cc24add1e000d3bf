/**
 * Drops the slot of a node before the WAL that it retains fills the disk of the source. The gap is recorded first: if the
 * process dies in between, the store knows of the loss, and the next call drops the slot.
 */
import type pg from 'pg';
import { TimewarpError } from '../../errors/timewarp-error.ts';
import { inTransaction } from '../../pg/transaction.ts';
import { dropSlot } from '../../source/slot/slot-lifecycle.ts';
import type { SourceFacts } from '../../source/slot/source-facts.ts';
import { walBudget } from '../../source/slot/wal-budget.ts';
import { type Claim, lockCheckpoint } from '../../store/node/claim.ts';
import type { StoredNode } from '../../store/node/nodes.ts';
import { openNodeGap } from '../../store/tables/node-gap.ts';
import { formatBytes } from '../../types/byte-size.ts';
import { maybeSameSystem } from '../../types/server-identity.ts';

/**
 * Whether the slot retains more WAL than its budget, and the node is set to drop it then.
 * @returns why the slot must be dropped; null when it may stay
 */
export function mustRelease(node: StoredNode, facts: SourceFacts): string | null {
  if (!node.releasesSlot) return null;
  const budget = walBudget(facts, node.slotBudgetBytes);
  if (budget === null || budget.keptBytes <= budget.budgetBytes) return null;
  return `it kept ${formatBytes(budget.keptBytes)} of WAL, more than the budget of ${formatBytes(budget.budgetBytes)}`;
}

export interface SlotToDrop {
  readonly claim: Claim;
  readonly node: StoredNode;
  readonly facts: SourceFacts;
  /** Goes into the reason of the gap. */
  readonly why: string;
}

/** Records the gap, then drops the slot. @returns whether there was a slot */
export async function recordAndDrop(
  { source, store }: { readonly source: pg.Client; readonly store: pg.Client },
  { claim, node, facts, why }: SlotToDrop,
): Promise<boolean> {
  const ours = facts.slot?.plugin === node.plugin && facts.slot.database === node.database;
  if (facts.slot !== null && (!ours || !maybeSameSystem(facts, node))) {
    throw new TimewarpError('SLOT_CONFLICT', `The slot "${node.slotName}" is not this node's.`);
  }
  await inTransaction(store, async (tx) => {
    await lockCheckpoint(tx, claim);
    await openNodeGap(tx, claim, 'SLOT_RELEASED', `the slot "${node.slotName}" was dropped: ${why}`);
  });
  return dropSlot(source, node.slotName);
}
