/**
 * What a run does when changes are lost, or will be. It records a gap of the node before anything else, and withdraws a gap
 * only when nothing was lost after all.
 */
import { inTransaction } from '../../pg/transaction.ts';
import type { SourceFacts } from '../../source/slot/source-facts.ts';
import { lockCheckpoint } from '../../store/node/claim.ts';
import { openNodeGap, readOpenNodeGap, withdrawNodeGap } from '../../store/tables/node-gap.ts';
import type { RunContext } from '../run-context.ts';
import type { Loss } from './detect-loss.ts';
import { mustRelease, recordAndDrop } from './drop-slot-over-budget.ts';

/** Opens a gap of the node at the horizon. */
export async function recordLoss({ store, claim }: RunContext, { code, reason }: Loss): Promise<void> {
  await inTransaction(store, async (tx) => {
    await lockCheckpoint(tx, claim);
    await openNodeGap(tx, claim, code, reason);
  });
}

/**
 * Withdraws a SOURCE_REPLACED gap. Call it when the right source answers again and its slot is as it was: nothing is lost.
 * @returns whether there was such a gap
 */
export async function withdrawFalseGap({ node, store, claim }: RunContext): Promise<boolean> {
  if (node.status !== 'gap') return false;
  if ((await readOpenNodeGap(store, claim.nodeId)) !== 'SOURCE_REPLACED') return false;
  await inTransaction(store, async (tx) => {
    await lockCheckpoint(tx, claim);
    await withdrawNodeGap(tx, claim);
  });
  return true;
}

/**
 * Drops the slot when it retains more WAL than its budget, if the node is set to do so.
 * @returns why the slot was dropped; null when it was not
 */
export async function releaseOverBudget(
  { source, store, claim, node }: RunContext,
  facts: SourceFacts,
): Promise<string | null> {
  const why = mustRelease(node, facts);
  if (why === null) return null;
  await recordAndDrop({ source, store }, { claim, node, facts, why });
  return `the slot was dropped: ${why}`;
}
