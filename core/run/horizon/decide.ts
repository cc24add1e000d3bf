/**
 * What has been read is decided once the horizon is past it: rows that a gap of the node took away get their deletion, what a
 * repair has found becomes part of the history. In steps, each in a transaction of its own, for a part of the time of
 * the run: what is left, later runs go on with, and the horizon does not wait for it.
 */
import { inTransaction, type StoreTransaction } from '../../pg/transaction.ts';
import { lockCheckpoint } from '../../store/node/claim.ts';
import { resolveBaselines, writeBaselineProgress, writeDeletionsOfGap } from '../../store/tables/baseline.ts';
import { readUnsettledRelations, type TrackedRelation } from '../../store/tables/read.ts';
import { finishRepairStep } from '../../store/tables/repair.ts';
import type { Lsn } from '../../types/lsn.ts';
import type { RunContext } from '../run-context.ts';

const KEYS_AT_ONCE = 20_000;

/** Whether every row of the baseline is read, and the log up to there applied. */
export function isDecidable({ baselineState, baselineLsn }: TrackedRelation, horizon: Lsn): boolean {
  return baselineState === 'pending' && baselineLsn !== null && baselineLsn <= horizon;
}

/** Call it when the horizon has been moved. @param mayGoOn whether there is time for another step */
export async function decide(run: RunContext, mayGoOn: () => boolean): Promise<void> {
  const { store, claim, limits } = run;
  for (const relation of await readUnsettledRelations(store, claim.nodeId)) {
    if (relation.repair?.phase === 'deciding') {
      const step = (tx: StoreTransaction): Promise<boolean> =>
        finishRepairStep(tx, claim, relation, KEYS_AT_ONCE);
      await inSteps(run, mayGoOn, step);
    }
    if (isDecidable(relation, claim.horizon.lsn)) await decideBaseline(run, relation, mayGoOn);
    limits.checkStop();
  }
}

async function decideBaseline(
  run: RunContext,
  { relationId, baselineProgress, baselineLsn }: TrackedRelation,
  mayGoOn: () => boolean,
): Promise<void> {
  let progress = baselineProgress;
  await inSteps(run, mayGoOn, async (tx) => {
    const last = await writeDeletionsOfGap(tx, relationId, progress.decided_key ?? null, KEYS_AT_ONCE);
    if (last === null) {
      await resolveBaselines(tx, [relationId]);
      return true;
    }
    progress = { ...progress, decided_key: last };
    await writeBaselineProgress(tx, relationId, progress, baselineLsn);
    return false;
  });
}

/** @param step in a transaction; answers whether it was the last one */
async function inSteps(
  { store, claim, limits }: RunContext,
  mayGoOn: () => boolean,
  step: (tx: StoreTransaction) => Promise<boolean>,
): Promise<void> {
  for (let done = false; !done && mayGoOn(); ) {
    limits.checkStop();
    await limits.limitStore();
    done = await inTransaction(store, async (tx) => {
      await lockCheckpoint(tx, claim);
      return step(tx);
    });
  }
}
