/** Position and time of a commit, with the encoded fields that every row of it repeats. */
import { type CommitTime, postgresMicros } from '../types/commit-time.ts';
import type { Lsn } from '../types/lsn.ts';

export interface CommitStamp {
  readonly lsn: Lsn;
  readonly time: CommitTime;
  /** As the source wrote it. */
  readonly commitTimestamp: CommitTime;
  readonly xid: string;
  /** Binary COPY fields: valid_from_lsn, valid_from_ts, xid and a null read_lsn. */
  readonly copyPrefix: Buffer;
}

export function commitStamp(
  lsn: Lsn,
  time: CommitTime,
  commitTimestamp: CommitTime,
  xid: string,
): CommitStamp {
  const copyPrefix = Buffer.allocUnsafe(40);
  let at = copyPrefix.writeBigUInt64BE(lsn, copyPrefix.writeInt32BE(8, 0));
  at = copyPrefix.writeBigInt64BE(postgresMicros(time), copyPrefix.writeInt32BE(8, at));
  at = copyPrefix.writeBigInt64BE(BigInt(xid), copyPrefix.writeInt32BE(8, at));
  copyPrefix.writeInt32BE(-1, at);
  return { lsn, time, commitTimestamp, xid, copyPrefix };
}
