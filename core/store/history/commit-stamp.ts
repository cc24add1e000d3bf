/** Position and time of a commit, which every row of it repeats. */
import type { CommitTime } from '../../types/commit-time.ts';
import type { Lsn } from '../../types/lsn.ts';

export interface CommitStamp {
  readonly lsn: Lsn;
  readonly time: CommitTime;
  /** As the source wrote it. */
  readonly commitTimestamp: CommitTime;
  readonly xid: string;
}
