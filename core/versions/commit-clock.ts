/**
 * Gives every commit its time: at or after its commit timestamp where that fits, and never later than the source's own clock
 * was after the peek (unless order demands it). Commit timestamps themselves are not in WAL order: they are taken before the
 * commit record is inserted, and a replication origin can set any.
 *
 * All nodes that follow one history have one clock: a function from position to time that never decreases, defined point by
 * point by whichever node comes first. What others have defined is respected here: a commit that another node has stored has
 * its time there, and any other one a time between those of its neighbours.
 */
import type { ClockPage, ClockPoint } from '../types/clock.ts';
import { type CommitTime, maxTime, nextMicrosecond } from '../types/commit-time.ts';
import type { Lsn } from '../types/lsn.ts';

/** Concurrent commits are out of order by a millisecond or so; what lies further behind is no neighbour's doing. */
const BEHIND_MICROS = 10_000_000n;

export interface ClockState {
  /** Where the node stands: everything that it stores from here on is later than this time. */
  readonly horizon: { readonly lsn: Lsn; readonly time: CommitTime };
  /** The source's clock, read after the peek. */
  readonly ceiling: CommitTime;
  /** The last point of each node of the lineage at or before the horizon. */
  readonly before: readonly ClockPoint[];
  /** Of each other node: everything after the position is later than the time. */
  readonly promises: readonly { readonly lsn: Lsn; readonly time: CommitTime }[];
}

export class CommitClock {
  readonly #ceiling: CommitTime;
  readonly #promised: CommitTime;
  readonly #promises: ClockState['promises'];
  #points: readonly ClockPoint[] = [];
  #at = 0;
  #isWhole: boolean;
  /** The latest time of a point that has been passed, and the position of the last one. */
  #last: CommitTime;
  #position: Lsn;
  /** No commit from here on may have an earlier time. */
  #least: CommitTime;
  #isTorn = false;
  #ahead = 0;
  #behind = 0;

  /** @param isAlone no other node has defined points after the horizon; otherwise tell them by `extend` */
  constructor({ horizon, ceiling, before, promises }: ClockState, isAlone: boolean) {
    this.#ceiling = ceiling;
    this.#promised = horizon.time;
    this.#promises = promises;
    this.#last = horizon.time;
    this.#position = horizon.lsn;
    this.#least = nextMicrosecond(horizon.time);
    this.#isWhole = isAlone;
    for (const point of before) this.#pass(point);
  }

  /** How many timestamps lay beyond the ceiling, or far behind the commit before: a skewed or forged clock. */
  get skew(): { readonly ahead: number; readonly behind: number } {
    return { ahead: this.#ahead, behind: this.#behind };
  }

  /** The points of others are in no order: they belong to another history, whatever server and timeline say. */
  get isTorn(): boolean {
    return this.#isTorn;
  }

  /** Whether the points around the position are known; otherwise more have to be told by `extend`. */
  covers(lsn: Lsn): boolean {
    return this.#isWhole || (this.#points.at(-1)?.lsn ?? this.#position) > lsn;
  }

  /** The position after which points are to be told. */
  get knownUpto(): Lsn {
    return this.#points.at(-1)?.lsn ?? this.#position;
  }

  extend({ points, isLast }: ClockPage): void {
    this.#points = [...this.#points.slice(this.#at), ...points];
    this.#at = 0;
    this.#isWhole = isLast;
  }

  /** The time of the next commit in WAL order. */
  timeOf(commit: { readonly lsn: Lsn; readonly xid: string; readonly timestamp: CommitTime }): CommitTime {
    while (this.#at < this.#points.length && this.#points[this.#at]!.lsn < commit.lsn)
      this.#pass(this.#points[this.#at++]!);
    for (const { lsn, time } of this.#promises) {
      if (lsn < commit.lsn) this.#pass({ lsn, time, xid: null });
    }
    const time = this.#definedTime(commit) ?? this.#place(commit);
    this.#last = maxTime(this.#last, time);
    this.#least = maxTime(this.#least, time);
    this.#position = commit.lsn;
    return time;
  }

  /**
   * The time of a horizon at the last commit. It is earlier than that of the commit where another node has given that time to
   * a later commit, too.
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

  /** Another node has stored this very commit. */
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
      // what does not fit stands where its position does
      const share = next.lsn > lsn ? ((lsn - this.#position) * room) / (next.lsn - this.#position) : room;
      return (after + share) as CommitTime;
    }
    time = maxTime(time, after);
    if (time > next.time) time = next.time; // no room: together with the next one
    if (time < this.#least) this.#isTorn = true;
    return maxTime(time, this.#least);
  }

  /** The next point of others: of a horizon also one at this position, which includes it. */
  #nextOf(lsn: Lsn): ClockPoint | null {
    for (let at = this.#at; at < this.#points.length; at++) {
      const point = this.#points[at]!;
      if (point.lsn > lsn || point.xid === null) return point;
    }
    return null;
  }
}
