/**
 * Gives every commit its time. The time is the commit timestamp or later, and not later than the clock of the source after the
 * peek, unless the order of commits demands it. Commit timestamps themselves are not in WAL order: PostgreSQL takes them before
 * it inserts the commit record, and a replication origin can set any.
 *
 * All nodes that follow one history share one clock: a function from position to time that never decreases. The first node that
 * stores a commit defines its point. CommitClock respects the points of other nodes: a commit that another node has stored gets
 * the time from there, any other commit a time between those of its neighbours.
 */
import type { ClockPage, ClockPoint } from '../types/clock.ts';
import { type CommitTime, maxTime, nextMicrosecond } from '../types/commit-time.ts';
import type { Lsn } from '../types/lsn.ts';

/** Concurrent commits can be out of order by about a millisecond. A timestamp this far behind has another cause. */
const BEHIND_MICROS = 10_000_000n;

export interface ClockState {
  /** The horizon of the node: every commit that it stores from here on has a later time. */
  readonly horizon: { readonly lsn: Lsn; readonly time: CommitTime };
  /** The source's clock, read after the peek. */
  readonly ceiling: CommitTime;
  /** The last point of each node of the lineage at or before the horizon. */
  readonly before: readonly ClockPoint[];
  /** One for each other node: every commit after the position is later than the time. */
  readonly promises: readonly { readonly lsn: Lsn; readonly time: CommitTime }[];
}

export class CommitClock {
  readonly #ceiling: CommitTime;
  readonly #promised: CommitTime;
  /** Those after the horizon, in the order of positions. */
  readonly #promises: ClockState['promises'];
  #promisesPassed = 0;
  #points: readonly ClockPoint[] = [];
  #at = 0;
  #isWhole: boolean;
  #knownUpto: Lsn;
  /** The latest time of the points so far, and the position of the last one. */
  #last: CommitTime;
  #position: Lsn;
  /** No commit from here on may have an earlier time. */
  #least: CommitTime;
  #isTorn = false;
  #ahead = 0;
  #behind = 0;

  /** @param isAlone no other node has defined points after the horizon; otherwise the caller must pass them to `extend` */
  constructor({ horizon, ceiling, before, promises }: ClockState, isAlone: boolean) {
    this.#ceiling = ceiling;
    this.#promised = horizon.time;
    this.#last = horizon.time;
    this.#position = horizon.lsn;
    this.#least = nextMicrosecond(horizon.time);
    this.#isWhole = isAlone;
    this.#knownUpto = horizon.lsn;
    for (const point of before) this.#pass(point);
    for (const promise of promises) if (promise.lsn <= horizon.lsn) this.#pass({ ...promise, xid: null });
    this.#promises = promises
      .filter(({ lsn }) => lsn > horizon.lsn)
      .sort((one, other) => (one.lsn < other.lsn ? -1 : 1));
  }

  /** How many timestamps were beyond the ceiling, or far before the previous commit: the clock is wrong or a timestamp was forged. */
  get skew(): { readonly ahead: number; readonly behind: number } {
    return { ahead: this.#ahead, behind: this.#behind };
  }

  /** Whether the points of other nodes are out of order: they belong to another history, even if server and timeline agree. */
  get isTorn(): boolean {
    return this.#isTorn;
  }

  /** Whether the points around the position are known; otherwise the caller must pass more to `extend`. */
  covers(lsn: Lsn): boolean {
    return this.#isWhole || (this.#points.at(-1)?.lsn ?? this.#position) > lsn;
  }

  /** `extend` needs the points after this position. */
  get knownUpto(): Lsn {
    return this.#knownUpto;
  }

  extend({ points, upto }: ClockPage): void {
    this.#points = [...this.#points.slice(this.#at), ...points];
    this.#at = 0;
    this.#isWhole = upto === null;
    if (upto !== null) this.#knownUpto = upto;
  }

  /** The time of the next commit in WAL order. */
  timeOf(commit: { readonly lsn: Lsn; readonly xid: string; readonly timestamp: CommitTime }): CommitTime {
    while (this.#at < this.#points.length && this.#points[this.#at]!.lsn < commit.lsn)
      this.#pass(this.#points[this.#at++]!);
    while (
      this.#promisesPassed < this.#promises.length &&
      this.#promises[this.#promisesPassed]!.lsn < commit.lsn
    )
      this.#pass({ ...this.#promises[this.#promisesPassed++]!, xid: null });
    const time = this.#definedTime(commit) ?? this.#place(commit);
    this.#last = maxTime(this.#last, time);
    this.#least = maxTime(this.#least, time);
    this.#position = commit.lsn;
    return time;
  }

  /**
   * The time of a horizon at the last commit. It is earlier than the time of the commit if another node has given the same time
   * to a later commit too.
   */
  get horizonTime(): CommitTime {
    let at = this.#at;
    while (at < this.#points.length && this.#points[at]!.lsn <= this.#position) at++;
    const next = this.#points[at];
    if (next === undefined || next.time > this.#last) return this.#last;
    return maxTime((next.time - 1n) as CommitTime, this.#promised);
  }

  #pass({ lsn, time, xid }: ClockPoint): void {
    this.#last = maxTime(this.#last, time);
    this.#least = maxTime(this.#least, xid === null ? nextMicrosecond(time) : time);
    if (lsn > this.#position) this.#position = lsn;
  }

  /** The time of this commit if another node has stored it; null otherwise. */
  #definedTime({ lsn, xid }: { readonly lsn: Lsn; readonly xid: string }): CommitTime | null {
    for (let at = this.#at; this.#points[at]?.lsn === lsn; at++) {
      const point = this.#points[at]!;
      if (point.xid === xid && point.time >= this.#least) return point.time;
    }
    return null;
  }

  #place({ lsn, timestamp }: { readonly lsn: Lsn; readonly timestamp: CommitTime }): CommitTime {
    let time = timestamp;
    if (time > this.#ceiling) {
      time = this.#ceiling;
      this.#ahead++;
    } else if (time < this.#last - BEHIND_MICROS) {
      this.#behind++;
    }
    const after = nextMicrosecond(this.#last);
    const next = this.#nextOf(lsn);
    if (next === null) return maxTime(time, maxTime(after, this.#least));
    const room = next.time - 1n - after;
    if (time >= next.time && room >= 0n) {
      // a time that does not fit between the neighbours is moved between them
      const share = next.lsn > lsn ? ((lsn - this.#position) * room) / (next.lsn - this.#position) : room;
      return (after + share) as CommitTime;
    }
    time = maxTime(time, after);
    if (time > next.time) time = next.time; // no microsecond is free before the next one: both get the same time
    if (time < this.#least) this.#isTorn = true;
    return maxTime(time, this.#least);
  }

  /** The next point of other nodes. A horizon counts also at this position, because it includes the position. */
  #nextOf(lsn: Lsn): ClockPoint | null {
    for (let at = this.#at; at < this.#points.length; at++) {
      const point = this.#points[at]!;
      if (point.lsn > lsn || point.xid === null) return point;
    }
    return null;
  }
}
