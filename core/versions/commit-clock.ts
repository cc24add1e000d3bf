/**
 * Gives every commit its time: strictly increasing, at or after its commit timestamp, and never later than the source's
 * own clock was after the peek (unless strictness demands it). Commit timestamps themselves are not in WAL order: they
 * are taken before the commit record is inserted, and a replication origin can set any.
 */
import { type CommitTime, maxTime, nextMicrosecond } from '../types/commit-time.ts';

export class CommitClock {
  #last: CommitTime;
  readonly #ceiling: CommitTime;
  #clamped = 0;

  /**
   * @param last the latest time given out so far (the horizon's)
   * @param ceiling the source's clock, read after the peek
   */
  constructor(last: CommitTime, ceiling: CommitTime) {
    this.#last = last;
    this.#ceiling = ceiling;
  }

  /** The latest time given out. */
  get last(): CommitTime {
    return this.#last;
  }

  /** How many timestamps lay beyond the ceiling: a skewed or forged clock. */
  get clamped(): number {
    return this.#clamped;
  }

  /** The time of the next commit in WAL order. */
  timeOf(commitTimestamp: CommitTime): CommitTime {
    let time = commitTimestamp;
    if (time > this.#ceiling) {
      time = this.#ceiling;
      this.#clamped++;
    }
    this.#last = maxTime(time, nextMicrosecond(this.#last));
    return this.#last;
  }
}
