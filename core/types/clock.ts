/** Points of the clock that all nodes of one history share. A point gives the time of a position. */
import type { CommitTime } from './commit-time.ts';
import type { Lsn } from './lsn.ts';

export interface ClockPoint {
  readonly lsn: Lsn;
  readonly time: CommitTime;
  /** The transaction of a commit; null: the point is a horizon. Positions up to it have its time or an earlier one, later positions a later one. */
  readonly xid: string | null;
}

export interface ClockPage {
  /** In the order of positions, after those of the page before. */
  readonly points: readonly ClockPoint[];
  /** The page has all points up to here; null: no page follows. */
  readonly upto: Lsn | null;
}
