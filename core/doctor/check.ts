import type { CheckCode } from './check-codes.ts';

/** What a check says. Codes are stable: alarms and scripts match them. */
type CheckStatus = 'ok' | 'warn' | 'fail';

export interface Check {
  readonly code: CheckCode;
  readonly status: CheckStatus;
  readonly message: string;
  /** What to do; null when all is well. */
  readonly remedy: string | null;
}

export interface Diagnosis {
  readonly status: CheckStatus;
  /** Failing ones first, then warnings, then the rest. */
  readonly checks: readonly Check[];
}

export const ok = (code: CheckCode, message: string): Check => ({
  code,
  status: 'ok',
  message,
  remedy: null,
});

/** The server does not tell what the check would judge. */
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

/** The remedy of what runs mend without anybody's decision. */
export function nextRunsReadAgain(node: string): string {
  return `Nothing: the next runs read it again, and the gap ends. At once: pgtimewarp poll --node ${node}`;
}

/** Checks that one remedy mends: said one after the other, with what to do once. */
export interface Finding {
  readonly checks: readonly Check[];
  readonly remedy: string;
}

/** What does not pass, in the order given, checks with the same remedy together. */
export function groupByRemedy(checks: readonly Check[]): Finding[] {
  const groups = new Map<string, Check[]>();
  for (const check of checks) {
    if (check.remedy === null) continue;
    groups.set(check.remedy, [...(groups.get(check.remedy) ?? []), check]);
  }
  return [...groups].map(([remedy, together]) => ({ remedy, checks: together }));
}

const ORDER: readonly CheckStatus[] = ['fail', 'warn', 'ok'];

/** Puts the worst first and says how bad it is. */
export function summarize(checks: readonly Check[]): Diagnosis {
  const sorted = ORDER.flatMap((status) => checks.filter((check) => check.status === status));
  return { status: sorted[0]?.status ?? 'ok', checks: sorted };
}
