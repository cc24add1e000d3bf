/**
 * Gives every commit its time: strictly increasing, at or after its commit timestamp, and never later than the source's
 * own clock was after the peek (unless strictness demands it). Commit timestamps themselves are not in WAL order: they
 * are taken before the commit record is inserted, and a replication origin can set any.
 */
import { type CommitTime, maxTime, nextMicrosecond } from '../types/commit-time.ts';

/** Concurrent commits are out of order by a millisecond or so; what lies further behind is no neighbour's doing. */
const BEHIND_MICROS = 10_000_000n;

export class CommitClock {
  #last: CommitTime;
  readonly #ceiling: CommitTime;
  #ahead = 0;
  #behind = 0;

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

  /** How many timestamps lay beyond the ceiling, or far behind the commit before: a skewed or forged clock. */
  get skew(): { readonly ahead: number; readonly behind: number } {
    return { ahead: this.#ahead, behind: this.#behind };
  }

  /** The time of the next commit in WAL order. */
  timeOf(commitTimestamp: CommitTime): CommitTime {
    let time = commitTimestamp;
    if (time > this.#ceiling) {
      time = this.#ceiling;
      this.#ahead++;
    } else if (time < this.#last - BEHIND_MICROS) {
      this.#behind++;
    }
    this.#last = maxTime(time, nextMicrosecond(this.#last));
    return this.#last;
  }
}
