/**
 * Rows that were read are decided once the horizon is past them. A row that disappeared during a gap of the node gets its
 * deletion; the findings of a repair become history. Each step is one transaction, and all steps together get a share of
 * the run's time. Later runs continue, and the horizon does not wait for them.
 */
import { inTransaction, type StoreTransaction } from '../../pg/transaction.ts';
import { lockCheckpoint } from '../../store/node/claim.ts';
import { resolveBaselines, writeBaselineProgress, writeDeletionsOfGap } from '../../store/tables/baseline.ts';
import { readUnsettledRelations, type TrackedRelation } from '../../store/tables/read.ts';
import { finishRepairStep } from '../../store/tables/repair.ts';
import { type RowsRead, rowsFromBefore, type TableState } from '../../store/tables/state.ts';
import type { Lsn } from '../../types/lsn.ts';
import type { RunContext } from '../run-context.ts';

const KEYS_AT_ONCE = 20_000;

/** Whether every row of the baseline is read, and the log up to that position is applied. */
export function isDecidable({ state }: TrackedRelation, horizon: Lsn): boolean {
  return decidableRows(state, horizon) !== null;
}

function decidableRows(state: TableState, horizon: Lsn): RowsRead | null {
  const rows = rowsFromBefore(state);
  return rows?.kind === 'rows_read' && rows.upto <= horizon ? rows : null;
}

/** Call it after the horizon has moved. @param mayGoOn whether there is time for another step */
export async function decide(run: RunContext, mayGoOn: () => boolean): Promise<void> {
  const { store, claim, limits } = run;
  for (const relation of await readUnsettledRelations(store, claim.nodeId)) {
    const { relationId, name, state } = relation;
    if (state.kind === 'gap_ending') {
      const ending = { relationId, name, repair: state.repair };
      await inSteps(run, mayGoOn, (tx) => finishRepairStep(tx, claim, { ...ending, limit: KEYS_AT_ONCE }));
    }
    const rows = decidableRows(state, claim.horizon.lsn);
    if (rows !== null) await decideBaseline(run, { relationId, rows }, mayGoOn);
    limits.checkStop();
  }
}

async function decideBaseline(
  run: RunContext,
  { relationId, rows }: { readonly relationId: number; readonly rows: RowsRead },
  mayGoOn: () => boolean,
): Promise<void> {
  let { progress } = rows;
  await inSteps(run, mayGoOn, async (tx) => {
    const last = await writeDeletionsOfGap(tx, relationId, {
      after: progress.decided_key ?? null,
      limit: KEYS_AT_ONCE,
    });
    if (last === null) {
      await resolveBaselines(tx, [relationId]);
      return true;
    }
    progress = { ...progress, decided_key: last };
    await writeBaselineProgress(tx, relationId, { progress, readPosition: rows.upto });
    return false;
  });
}

/** @param step runs in a transaction of its own; returns whether it was the last one */
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
