/** Checks whether the store keeps up with the source. */
import { ERROR_CODES } from '../../errors/codes.ts';
import { NO_PROGRESS_FAILS } from '../../store/node/no-progress.ts';
import { CLOCK_TOLERANCE_SECONDS } from '../../store/node/trusted-clock.ts';
import { formatBytes } from '../../types/byte-size.ts';
import { formatCommitTime, secondsBetween } from '../../types/commit-time.ts';
import { lsnDistanceBytes } from '../../types/lsn.ts';
import { type Check, fail, ok, warn } from '../check.ts';
import { type DoctorFacts, rightSource } from '../facts.ts';

/** The lag warns after five missed runs. If the schedule is not known, a run every minute is assumed. */
const LATE_RUNS = 5;
export const LATE_SECONDS = 300n;
const LATE_BYTES = 1024n * 1024n * 1024n;

export function checkProgress(facts: DoctorFacts): Check[] {
  const node = facts.store.facts?.overview?.node;
  const progress = node?.horizon ?? null;
  const server = rightSource(facts)?.server;
  if (progress === null || server === undefined || node?.status === 'removed') return [];
  const lagBytes = lsnDistanceBytes(progress.lsn, server.insertLsn);
  const lagSeconds = secondsBetween(progress.ts, server.clock);
  const message = `The horizon ${formatCommitTime(progress.ts)} is ${lagSeconds} s and ${formatBytes(lagBytes)} of WAL behind.`;
  const lateSeconds = BigInt(LATE_RUNS * facts.everySeconds);
  const late =
    lagSeconds > (lateSeconds > LATE_SECONDS ? lateSeconds : LATE_SECONDS) || lagBytes > LATE_BYTES;
  const checks = [
    late
      ? warn(
          'lag',
          message,
          `pgtimewarp poll --node ${facts.node}; and find out why the scheduled runs do not come.`,
        )
      : ok('lag', message),
  ];
  const store = facts.store.facts?.condition?.clock;
  if (store !== undefined && secondsBetween(store, progress.ts) > 2n * CLOCK_TOLERANCE_SECONDS) {
    checks.push(
      fail(
        'horizon_ahead',
        `The horizon ${formatCommitTime(progress.ts)} lies in the future: the clock of the source was wrong.`,
        `Put the clock right; then begin a new node: pgtimewarp init --node ${facts.node}_2 --plugin ${node!.plugin}; and track its tables there.`,
      ),
    );
  }
  if (node?.status !== 'active') return checks; // the check of its status says why it stopped
  if (progress.failures > 0 && progress.lastRunOutcome === 'deadline') {
    const verdict = progress.failures >= NO_PROGRESS_FAILS ? fail : warn;
    const runs = `Time was up in ${progress.failures} runs without progress, with ${formatBytes(lagBytes)} of WAL waiting.`;
    checks.push(verdict('no_progress', runs, ERROR_CODES.NO_PROGRESS.remedy));
  } else if (progress.failures > 0) {
    checks.push(
      warn(
        'run_failures',
        `The last ${progress.failures} runs failed (${progress.lastRunOutcome ?? 'no outcome'}).`,
        `pgtimewarp poll --node ${facts.node} --verbose`,
      ),
    );
  }
  return checks;
}
