/**
 * Creates and removes databases of a server, through the URL of its administrator. Removing a database also removes its
 * sessions, slots and prepared transactions.
 */
import pg from 'pg';

/** A connection string for another database, and perhaps another login, of the same server. */
export function databaseUrl(
  serverUrl: string,
  database: string,
  login?: { user: string; password: string },
): string {
  const url = new URL(serverUrl);
  url.pathname = `/${encodeURIComponent(database)}`;
  if (login !== undefined) {
    url.username = encodeURIComponent(login.user);
    url.password = encodeURIComponent(login.password);
  }
  return url.href;
}

/** @param template a database without sessions that is copied; an empty database when left out */
export async function createDatabase(adminUrl: string, name: string, template?: string): Promise<void> {
  const from = template === undefined ? '' : ` TEMPLATE ${pg.escapeIdentifier(template)}`;
  await withClient(adminUrl, (admin) => admin.query(`CREATE DATABASE ${pg.escapeIdentifier(name)}${from}`));
}

/** Does nothing when there is no such database. */
export async function dropDatabase(adminUrl: string, name: string): Promise<void> {
  await withClient(adminUrl, async (admin) => {
    const known = await admin.query('SELECT FROM pg_database WHERE datname = $1', [name]);
    if (known.rowCount === 0) return;
    await rollbackPrepared(adminUrl, admin, name);
    await dropSlots(admin, name);
    await admin.query(`DROP DATABASE IF EXISTS ${pg.escapeIdentifier(name)} WITH (FORCE)`);
  });
}

/** ROLLBACK PREPARED works only from within the database of the transaction. */
async function rollbackPrepared(adminUrl: string, admin: pg.Client, name: string): Promise<void> {
  const prepared = await admin.query<{ gid: string }>(
    'SELECT gid FROM pg_prepared_xacts WHERE database = $1',
    [name],
  );
  if (prepared.rows.length === 0) return;
  await withClient(databaseUrl(adminUrl, name), async (client) => {
    for (const { gid } of prepared.rows) await client.query(`ROLLBACK PREPARED ${pg.escapeLiteral(gid)}`);
  });
}

/** After its reader was terminated, a slot takes a moment to become free. So this tries again. */
async function dropSlots(admin: pg.Client, database: string): Promise<void> {
  const patience = Date.now() + 10_000;
  for (;;) {
    await admin.query(
      'SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = $1 AND active_pid IS NOT NULL',
      [database],
    );
    try {
      await admin.query(
        'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = $1',
        [database],
      );
      return;
    } catch (error) {
      if (Date.now() > patience) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 20_000 });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
