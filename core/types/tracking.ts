/** What source and store both speak of when tracking of a table starts. Data only. */

/** A transaction that may have written to a table before tracking was asked for. */
export interface Locker {
  /** As in pg_locks.virtualtransaction; a prepared transaction has one that starts with -1. */
  readonly vxid: string;
  readonly xid: string | null;
  readonly pid: number | null;
}
