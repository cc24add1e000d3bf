/** Reads the version of the server of a session. */
import type { Queryable } from './connection.ts';

/** As in server_version_num: 150020 for 15.20. */
export async function readServerVersion(session: Queryable): Promise<number> {
  const { rows } = await session.query<{ version: number }>(
    `SELECT current_setting('server_version_num')::int AS version`,
  );
  return rows[0]!.version;
}
