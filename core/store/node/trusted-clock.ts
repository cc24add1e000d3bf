/**
 * Bounds times of the source's clock, which can be wrong: a clock that is a year ahead for a few seconds would make every
 * instant of that year final, and expired. So no stored time is further ahead of the store's own clock than the tolerance.
 */
import type { Queryable } from '../../pg/connection.ts';
import { type CommitTime, parseCommitTime } from '../../types/commit-time.ts';
import { writeDailyEvent } from '../health-events.ts';

/** How far the clock of the source may be ahead of that of the store. */
export const CLOCK_TOLERANCE_SECONDS = 60n;

/** @param time of the source's clock, read just before @returns the same time, or the latest that may be stored now */
export async function boundTime(
  store: Queryable,
  time: CommitTime,
): Promise<{ readonly time: CommitTime; readonly isBounded: boolean }> {
  const { rows } = await store.query<{ now: string }>('SELECT clock_timestamp() AS now');
  const latest = (parseCommitTime(rows[0]!.now) + CLOCK_TOLERANCE_SECONDS * 1_000_000n) as CommitTime;
  return time > latest ? { time: latest, isBounded: true } : { time, isBounded: false };
}

/** Reports, once a day, that the clock of the source is ahead and its times are bounded. */
export async function tellClockAhead(store: Queryable, nodeId: string): Promise<void> {
  const code = 'CLOCK_AHEAD';
  const message = `The clock of the source is more than ${CLOCK_TOLERANCE_SECONDS} s ahead of the store's: times are stored no later than that.`;
  await writeDailyEvent(store, { nodeId, severity: 'fail', code, message });
}
