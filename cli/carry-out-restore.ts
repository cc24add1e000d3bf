/** Plans a restore and, if asked, applies it: what the command and the demo do. */
import type pg from 'pg';
import { TimewarpError } from '../core/errors/timewarp-error.ts';
import { connect, type Queryable } from '../core/pg/connection.ts';
import { poll } from '../core/poll.ts';
import { askAfter, MAX_AWAIT_MS } from '../core/query/await-horizon.ts';
import { transactions } from '../core/query/transactions.ts';
import { applyRestore, lookAtSource } from '../core/restore/apply-restore.ts';
import { planRestore, type RestorePlan, type RestoreRequest } from '../core/restore/plan-restore.ts';
import { planSource } from '../core/restore/plan-source.ts';
import { bulkNotes, plannedCounts, type RestoreResult, scriptOf } from '../core/restore/restore-result.ts';
import type { Report } from '../core/restore/undone-changes.ts';
import { requireExactHistory } from '../core/restore/verify-restore.ts';
import { cancelOnAbort } from '../core/setup/cancel-on-abort.ts';
import { parseLsn } from '../core/types/lsn.ts';

export interface RestorePlace {
  readonly sourceUrl: string;
  readonly storeUrl: string;
  readonly node: string;
  readonly signal: AbortSignal;
  readonly report?: Report | undefined;
}

type Asked = Omit<RestoreRequest, 'node'> & { readonly apply: boolean };

/** Throws what {@link planRestore} and {@link applyRestore} throw. */
export async function carryOutRestore(
  place: RestorePlace,
  store: pg.Client,
  { apply, ...asked }: Asked,
): Promise<RestoreResult> {
  const { node } = place;
  const source = await connect(place.sourceUrl, { side: 'source', node });
  try {
    await source.query("SET search_path = 'pg_catalog', 'pg_temp'"); // as in the script, which compares names of types
    const { signal, report } = place;
    const plan = await cancelOnAbort(store, { url: place.storeUrl, side: 'store', node, signal }, () =>
      planRestore({ store, source: planSource(source) }, { node, report, ...asked }),
    );
    return await carryOut(place, { plan, apply, store, source });
  } finally {
    await source.end().catch(() => {});
  }
}

interface Planned {
  readonly plan: RestorePlan;
  readonly apply: boolean;
  readonly store: Queryable;
  readonly source: Awaited<ReturnType<typeof connect>>;
}

async function carryOut(place: RestorePlace, planned: Planned): Promise<RestoreResult> {
  const { plan, apply, store, source } = planned;
  const { id, of, takenAlong, asOf, refused, recheck } = plan;
  const scripted = scriptOf(plan.script);
  const notes = apply ? plan.notes : [...plan.notes, ...bulkNotes(scripted)];
  const common = {
    id,
    of,
    takenAlong,
    asOf,
    refused,
    notes,
    ...scripted,
    lsn: null,
    isApplied: false,
    isSourceAsked: true,
  };
  const counted = plan.tables.map(plannedCounts);
  if (plan.script === null) return { ...common, tables: counted, conflicts: [] };
  if (!apply) {
    const seen = await lookAtSource(source, plan.script);
    return { ...common, tables: counted, ...seen, notes: [...notes, ...seen.notes] };
  }
  const catchUp = (lsn: string): Promise<void> => runUntil(place, store, lsn);
  const { node, signal, report, sourceUrl } = place;
  const outcome = await applyRestore(source, plan.script, {
    ...{ store, signal, catchUp, recheck, report },
    openStore: () => connect(place.storeUrl, { side: 'store', node }),
    cancellable: (work) => cancelOnAbort(source, { url: sourceUrl, side: 'source', node, signal }, work),
  });
  const seen = {
    refused: outcome.refused,
    conflicts: outcome.conflicts,
    notes: [...notes, ...outcome.notes],
  };
  if (!outcome.isApplied) return { ...common, tables: counted, ...seen };
  report?.('waiting until a run has read the restore');
  const lsn = await commitOf(place, planned);
  if (lsn !== null) {
    report?.('comparing the rows with the history');
    const restored = { lsn, tables: plan.tables, conflicts: outcome.conflicts };
    await requireExactHistory(store, restored).catch((error: unknown) => {
      if (error instanceof TimewarpError && error.code === 'RESTORE_DIFFERS') throw error;
      seen.notes.push('It is applied, but the history could not be asked whether it holds the same rows.');
    });
  }
  const done = { ...common, ...seen, isApplied: true, tables: outcome.written };
  return lsn !== null
    ? { ...done, lsn }
    : {
        ...done,
        notes: [
          ...seen.notes,
          `No run has read the restore yet: find its LSN by --by pgtimewarp.restore.id=${id}`,
        ],
      };
}

/** Makes a run if this login may; otherwise others make the runs. */
export async function makeRun(place: RestorePlace): Promise<void> {
  await poll(place).catch(() => {});
}

/** Makes a run if this login may, and waits for the position. Throws HORIZON_BEHIND. */
async function runUntil(place: RestorePlace, store: Queryable, lsn: string): Promise<void> {
  await makeRun(place);
  const { node, signal } = place;
  const position = { node, lsn: parseLsn(lsn), timeoutMs: MAX_AWAIT_MS, signal };
  await askAfter(
    (ask) => ask(store),
    position,
    async () => {},
  );
}

/** The commit LSN of an applied restore, after a run has read it; null: none has. */
async function commitOf(place: RestorePlace, { plan, store, source }: Planned): Promise<string | null> {
  const { node } = place;
  try {
    const { rows } = await source.query<{ lsn: string }>('SELECT pg_current_wal_insert_lsn()::text AS lsn');
    await runUntil(place, store, rows[0]!.lsn);
    const filter = { by: { 'pgtimewarp.restore.id': plan.id } };
    const page = await transactions(store, { node, from: null, to: null, filter, limit: 1 });
    return page.transactions[0]?.lsn ?? null;
  } catch {
    return null; // it is applied, whatever the store does now
  }
}
