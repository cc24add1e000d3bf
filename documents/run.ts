/** The result of a run: for `poll`, for the poller function (one for each node), and the sums of several runs. */
import { formatTableName } from '../core/pg/identifiers.ts';
import type { PollResult } from '../core/poll.ts';
import { formatLsn } from '../core/types/lsn.ts';

export interface RunDocument {
  readonly node: string;
  readonly outcome: PollResult['outcome'];
  readonly transactions: number;
  readonly changes: number;
  readonly applied_lsn: string;
  readonly lag_bytes: number;
  readonly caught_up: boolean;
  /** Tables that are tracked from this run on because they match a followed pattern; omitted if there are none. */
  readonly followed?: readonly string[];
  /** Only for outcomes that need one. */
  readonly reason?: string;
}

/** The result of a run that threw: the code and the message of its error. */
export interface FailedRunDocument {
  readonly node: string;
  readonly outcome: 'failed';
  readonly reason: string;
}

export function runDocument(result: PollResult): RunDocument {
  return {
    node: result.node,
    outcome: result.outcome,
    transactions: result.transactions,
    changes: result.changes,
    applied_lsn: formatLsn(result.appliedLsn),
    lag_bytes: Number(result.lagBytes),
    caught_up: result.caughtUp,
    ...(result.followed.length === 0 ? {} : { followed: result.followed.map(formatTableName) }),
    ...(result.reason === undefined ? {} : { reason: result.reason }),
  };
}

export function failedRunDocument(node: string, reason: string): FailedRunDocument {
  return { node, outcome: 'failed', reason };
}

/** The last run, with the sums of all runs; only the node if there was no run. */
export type RunsDocument = (RunDocument | { readonly node: string }) & { readonly runs: number };

export interface RunTotals {
  readonly runs: number;
  readonly transactions: number;
  readonly changes: number;
}

export function runsDocument(node: string, last: PollResult | null, totals: RunTotals): RunsDocument {
  const { runs, transactions, changes } = totals;
  return last === null ? { node, runs } : { ...runDocument({ ...last, transactions, changes }), runs };
}
