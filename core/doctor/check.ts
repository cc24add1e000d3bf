import type { CheckCode } from './check-codes.ts';

/** The result of a check. Codes are stable: alarms and scripts match them. */
type CheckStatus = 'ok' | 'warn' | 'fail';

export interface Check {
  readonly code: CheckCode;
  readonly status: CheckStatus;
  readonly message: string;
  /** What to do; null when the check passes. */
  readonly remedy: string | null;
}

export interface Diagnosis {
  readonly status: CheckStatus;
  /** Failures first, then warnings, then the rest. */
  readonly checks: readonly Check[];
}

export const ok = (code: CheckCode, message: string): Check => ({
  code,
  status: 'ok',
  message,
  remedy: null,
});

/** The server does not tell the value that the check needs. Such a check passes. */
export const notKnown = (code: CheckCode, what: string): Check => ok(code, `${what} is not known here.`);

export const warn = (code: CheckCode, message: string, remedy: string): Check => ({
  code,
  status: 'warn',
  message,
  remedy,
});

export const fail = (code: CheckCode, message: string, remedy: string): Check => ({
  code,
  status: 'fail',
  message,
  remedy,
});

/** The remedy of a fault that runs repair by themselves. */
export function nextRunsReadAgain(node: string): string {
  return `Nothing: the next runs read it again, and the gap ends. At once: pgtimewarp poll --node ${node}`;
}

/** Checks that have the same remedy. The command line prints their messages, then the remedy once. */
export interface RemedyGroup {
  readonly checks: readonly Check[];
  readonly remedy: string;
}

/** The checks that warn or fail, in the given order, grouped by their remedy. */
export function groupByRemedy(checks: readonly Check[]): RemedyGroup[] {
  const groups = new Map<string, Check[]>();
  for (const check of checks) {
    if (check.remedy === null) continue;
    groups.set(check.remedy, [...(groups.get(check.remedy) ?? []), check]);
  }
  return [...groups].map(([remedy, together]) => ({ remedy, checks: together }));
}

const ORDER: readonly CheckStatus[] = ['fail', 'warn', 'ok'];

/** Sorts the checks, the worst first, and gives the worst status as that of all. */
export function summarize(checks: readonly Check[]): Diagnosis {
  const sorted = ORDER.flatMap((status) => checks.filter((check) => check.status === status));
  return { status: sorted[0]?.status ?? 'ok', checks: sorted };
}
