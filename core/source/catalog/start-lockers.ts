/**
 * Finds the transactions that may have written to a table before its tracking was requested. The slot might deliver only half of their
 * changes, if the table joined the publication in between (pgoutput). So tracking starts after their end. A prepared transaction no
 * longer has a session and is recognised by its transaction ID (PostgreSQL manual, "pg_locks").
 */
import type { Queryable } from '../../pg/connection.ts';
import type { Locker } from '../../types/tracking.ts';

/** A table with the OIDs that writers lock: its own and those of its leaves. */
export interface LockedTable {
  readonly relationId: number;
  readonly relids: readonly number[];
}

/** Transactions that hold a writer's lock on one of the tables, by relation. A table without such a lock is not in the result. */
export async function findLockers(
  source: Queryable,
  tables: readonly LockedTable[],
): Promise<Map<number, Locker[]>> {
  const found = new Map<number, Locker[]>();
  if (tables.length === 0) return found;
  const { rows } = await source.query<Locker & { relid: number }>(
    `SELECT DISTINCT l.relation AS relid, l.virtualtransaction AS vxid,
            (SELECT x.transactionid::text FROM pg_catalog.pg_locks AS x
              WHERE x.locktype = 'transactionid' AND x.granted AND x.mode = 'ExclusiveLock'
                AND x.virtualtransaction = l.virtualtransaction LIMIT 1) AS xid,
            l.pid
       FROM pg_catalog.pg_locks AS l
      WHERE l.locktype = 'relation' AND l.granted
        AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
        AND l.relation = ANY ($1::oid[])
        AND l.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
        AND l.pid IS DISTINCT FROM pg_backend_pid()`,
    [tables.flatMap(({ relids }) => relids)],
  );
  if (rows.length === 0) return found;
  for (const { relationId, relids } of tables) {
    const own = new Map(
      rows
        .filter(({ relid }) => relids.includes(relid))
        .map(({ vxid, xid, pid }) => [`${vxid} ${pid}`, { vxid, xid, pid }]),
    );
    if (own.size > 0) found.set(relationId, [...own.values()]);
  }
  return found;
}

/** Those of `lockers` that have not ended yet, both running and prepared ones. */
export async function stillAlive(source: Queryable, lockers: readonly Locker[]): Promise<Locker[]> {
  if (lockers.length === 0) return [];
  const { rows } = await source.query<{ vxid: string; xid: string | null }>(
    `SELECT virtualxid AS vxid, NULL AS xid FROM pg_catalog.pg_locks WHERE locktype = 'virtualxid' AND granted
     UNION ALL
     SELECT NULL, transactionid::text FROM pg_catalog.pg_locks
      WHERE locktype = 'transactionid' AND granted AND mode = 'ExclusiveLock'`,
  );
  const vxids = new Set(rows.map((row) => row.vxid));
  const xids = new Set(rows.map((row) => row.xid));
  return lockers.filter((locker) => (locker.xid !== null && xids.has(locker.xid)) || vxids.has(locker.vxid));
}
