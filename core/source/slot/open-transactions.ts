/** Reads the open transactions of a source that have written: the creation of a slot waits for them. */
import type { Queryable } from '../../pg/connection.ts';

/** At most `limit` of them, each as text for messages: `pid 4711 (role app, open since …)`. */
export async function openTransactions(source: Queryable, limit: number): Promise<string[]> {
  const { rows } = await source.query<{ name: string }>(
    `SELECT 'pid ' || l.pid || ' (role ' || coalesce(a.usename::text, 'unknown')
              || coalesce(', open since ' || date_trunc('second', min(a.xact_start))::text, '') || ')' AS name
       FROM pg_catalog.pg_locks AS l LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
      WHERE l.locktype = 'transactionid' AND l.granted AND l.mode = 'ExclusiveLock' AND l.pid <> pg_backend_pid()
      GROUP BY l.pid, a.usename
      UNION ALL
     SELECT format('prepared transaction %L', gid) FROM pg_catalog.pg_prepared_xacts
      ORDER BY 1 LIMIT $1::int`,
    [limit],
  );
  return rows.map((row) => row.name);
}
