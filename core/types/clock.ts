/** Points of the clock that all nodes of one history share: which position has which time. */
import type { CommitTime } from './commit-time.ts';
import type { Lsn } from './lsn.ts';

export interface ClockPoint {
  readonly lsn: Lsn;
  readonly time: CommitTime;
  /** Of a commit; null: a horizon. Everything up to it is at or before its time, everything after it later. */
  readonly xid: string | null;
}

export interface ClockPage {
  /** In the order of positions, following those known before. */
  readonly points: readonly ClockPoint[];
  /** There are no more. */
  readonly isLast: boolean;
}
