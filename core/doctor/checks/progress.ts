/** Does the store keep up with the source? */
import { ERROR_CODES } from '../../errors/codes.ts';
import { NO_PROGRESS_FAILS } from '../../store/no-progress.ts';
import { type CommitTime, formatCommitTime } from '../../types/commit-time.ts';
import { lsnDistanceBytes } from '../../types/lsn.ts';
import { type Check, fail, ok, warn } from '../check.ts';
import type { DoctorFacts } from '../facts.ts';

/** Runs come every minute: five missed ones are no accident. */
export const LATE_SECONDS = 300n;
const LATE_BYTES = 1024n * 1024n * 1024n;

export function checkProgress(facts: DoctorFacts): Check[] {
  const progress = facts.store.facts?.overview?.node.horizon ?? null;
  const server = facts.source.facts?.server;
  if (progress === null || server === undefined || facts.store.facts?.overview?.node.status === 'removed')
    return [];
  const lagBytes = lsnDistanceBytes(progress.lsn, server.insertLsn);
  const lagSeconds = secondsBetween(progress.ts, server.clock);
  const message = `The horizon ${formatCommitTime(progress.ts)} is ${lagSeconds} s and ${lagBytes} bytes of WAL behind.`;
  const late = lagSeconds > LATE_SECONDS || lagBytes > LATE_BYTES;
  const checks = [
    late
      ? warn('lag', message, 'See that `pgtimewarp poll` runs every minute, or run it now.')
      : ok('lag', message),
  ];
  if (progress.failures > 0 && progress.lastRunOutcome === 'deadline') {
    const verdict = progress.failures >= NO_PROGRESS_FAILS ? fail : warn;
    const runs = `Time was up in ${progress.failures} runs without progress, with ${lagBytes} bytes of WAL waiting.`;
    checks.push(verdict('no_progress', runs, ERROR_CODES.NO_PROGRESS.remedy));
  } else if (progress.failures > 0) {
    checks.push(
      warn(
        'run_failures',
        `The last ${progress.failures} runs failed (${progress.lastRunOutcome ?? 'no outcome'}).`,
        'Run `pgtimewarp poll --verbose`.',
      ),
    );
  }
  return checks;
}

/** Whole seconds from `from` to `to`; 0 when `to` is not later. */
export function secondsBetween(from: CommitTime, to: CommitTime): bigint {
  return to > from ? (to - from) / 1_000_000n : 0n;
}
