/** The background work of `serve`: runs and doctor. A failure is printed and never ends the server. */
import { diagnose } from '../../core/doctor/diagnose.ts';
import { gatherFacts } from '../../core/doctor/facts.ts';
import { recordDiagnosis } from '../../core/doctor/record-diagnosis.ts';
import { connect } from '../../core/pg/connection.ts';
import { type PollResult, poll } from '../../core/poll.ts';
import type { DatabaseUrls } from '../../core/setup/databases.ts';
import { pause } from '../interrupt.ts';
import { toError } from '../to-error.ts';

export interface BackgroundOptions {
  readonly databases: DatabaseUrls;
  readonly everyMs: number;
  readonly signal: AbortSignal;
  readonly note: (line: string) => void;
}

export interface PollingTotals {
  runs: number;
  failedRuns: number;
  transactions: number;
  changes: number;
}

const DOCTOR_EVERY_MS = 3_600_000;

/** Runs until the signal aborts; resolves to the totals. It prints a state only when the state changes. */
export async function keepPolling(options: BackgroundOptions): Promise<PollingTotals> {
  const totals: PollingTotals = { runs: 0, failedRuns: 0, transactions: 0, changes: 0 };
  let told = '';
  while (!options.signal.aborted) {
    const state = await runOnce(options, totals);
    if (state !== told && !options.signal.aborted) options.note(state);
    told = state;
    await pause(options.everyMs, options.signal);
  }
  return totals;
}

async function runOnce({ databases, signal }: BackgroundOptions, totals: PollingTotals): Promise<string> {
  try {
    const result = await poll({ ...databases, signal });
    totals.runs += 1;
    totals.transactions += result.transactions;
    totals.changes += result.changes;
    return describe(result);
  } catch (thrown) {
    const { code, message, remedy } = toError(thrown);
    if (code === 'INTERRUPTED') return 'stopped in the middle of a run; the next run continues there';
    totals.failedRuns += 1;
    return `polling fails: ${message} ${remedy}`;
  }
}

function describe({ node, outcome, reason }: PollResult): string {
  switch (outcome) {
    case 'done':
    case 'deadline':
      return `node "${node}" is being read`;
    case 'busy':
      return `node "${node}" is being read by another run`;
    case 'blocked':
    case 'gap':
      return `node "${node}" cannot continue (${outcome}): ${reason ?? 'see pgtimewarp doctor'}`;
  }
}

/** Runs the doctor at once and then every hour. It prints failing checks when they change, and once a day. */
export async function keepExamining({ databases, everyMs, signal, note }: BackgroundOptions): Promise<void> {
  while (!signal.aborted) {
    try {
      const diagnosis = diagnose(await gatherFacts(databases, Math.max(60, everyMs / 1000)));
      const store = await connect(databases.storeUrl, { side: 'store', node: databases.node });
      const isNews = await recordDiagnosis(store, databases.node, diagnosis).finally(() =>
        store.end().catch(() => {}),
      );
      for (const { status, code, message, remedy } of isNews ? diagnosis.checks : []) {
        if (status !== 'ok') note(`doctor: ${status} [${code}] ${message} ${remedy ?? ''}`);
      }
    } catch (thrown) {
      note(`doctor: ${toError(thrown).message}`);
    }
    await pause(DOCTOR_EVERY_MS, signal);
  }
}
