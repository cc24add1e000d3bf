/** Types that both the source and the store rooms use when tracking of a table starts. Data only. */

/** A transaction that may have written to a table before its tracking was requested. */
export interface Locker {
  /** As in pg_locks.virtualtransaction; a prepared transaction has one that starts with -1. */
  readonly vxid: string;
  readonly xid: string | null;
  readonly pid: number | null;
}
