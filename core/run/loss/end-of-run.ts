/** The end of a run: it stores the outcome, and drops a slot over budget if the node is set to do so. */
import { readSourceFacts, type SourceFacts } from '../../source/slot/source-facts.ts';
import { recordNoProgress } from '../../store/node/no-progress.ts';
import { finishRun } from '../../store/node/run-outcome.ts';
import type { Lsn } from '../../types/lsn.ts';
import type { RunContext } from '../run-context.ts';
import type { PollResult, RunReport } from '../run-report.ts';
import type { Loss } from './detect-loss.ts';
import { recordLoss, releaseOverBudget } from './record-loss.ts';

/** A node in a gap, or blocked, reads nothing. Its run only checks the WAL that the slot retains. */
export async function standStill(
  run: RunContext,
  report: RunReport,
  facts: SourceFacts,
): Promise<PollResult> {
  const { node, claim, limits } = run;
  const blocked = node.status === 'blocked';
  const released = blocked ? await limits.onSource(() => releaseOverBudget(run, facts)) : null;
  const outcome = blocked && released === null ? 'blocked' : 'gap';
  const reason = released ?? node.statusReason ?? undefined;
  return report.result(outcome, { appliedLsn: claim.horizon.lsn, position: facts.insertLsn, reason });
}

/** @param loss with the position of the source when it was found */
export async function endInGap(
  run: RunContext,
  report: RunReport,
  { code, reason, position }: Loss & { readonly position: Lsn },
): Promise<PollResult> {
  await recordLoss(run, { code, reason });
  await finishRun(run.store, run.claim, { outcome: 'gap', caughtUp: false });
  return report.result('gap', { appliedLsn: run.claim.horizon.lsn, position, reason });
}

/**
 * Ends a run that is done, has no time left, or has lost the node to another run.
 * @param horizonBefore the horizon at the beginning of the run
 */
export async function conclude(
  run: RunContext,
  report: RunReport,
  { outcome, horizonBefore }: { readonly outcome: 'done' | 'busy' | 'deadline'; readonly horizonBefore: Lsn },
): Promise<PollResult> {
  const { source, store, claim, node, limits } = run;
  const { caughtUp, waitingFor } = report;
  const position = await report.position();
  const end = { appliedLsn: claim.horizon.lsn, position };
  const result = report.result(outcome, { ...end, caughtUp, waitingFor });
  if (outcome === 'busy') return result;
  await limits.noteAtEnd(async () => {
    if (outcome === 'deadline' && end.appliedLsn === horizonBefore && position > horizonBefore)
      await recordNoProgress(store, claim, position);
    await finishRun(store, claim, { outcome, caughtUp });
  });
  if (node.releasesSlot) {
    const reason = await limits.atEnd(async () =>
      releaseOverBudget(run, await readSourceFacts(source, node.slotName)),
    );
    if (reason !== null) return report.result('gap', { ...end, reason });
  }
  return result;
}
