/**
 * What a run does about changes that are lost, or will be: they are recorded as a gap of the node before anything else
 * happens, and a gap is taken back only when nothing was lost after all.
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
 * The source that a gap said was another one is the right one again, with its slot as it was: nothing is lost.
 * @returns whether that was so, and the gap was taken back
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
 * Drops the slot when it keeps more WAL than the node allows, where that was asked for.
 * @returns why the slot was dropped; null when it was not
 */
export async function releaseOverBudget(
  { source, store, claim, node }: RunContext,
  facts: SourceFacts,
): Promise<string | null> {
  const why = mustRelease(node, facts);
  if (why === null) return null;
  await recordAndDrop({ source, store }, claim, node, facts, why);
  return `the slot was dropped: ${why}`;
}
