/**
 * A session of a test: fixed output formats and the same value types as the engine's sessions, but with the server's own
 * search_path, like an application. The functions of core accept such a session.
 */
import pg from 'pg';
import { LOSSLESS_TYPES } from '../../core/pg/connection.ts';

const FIXED_OUTPUT = [
  'TimeZone=UTC',
  'DateStyle=ISO',
  'IntervalStyle=postgres',
  'bytea_output=hex',
  'extra_float_digits=1',
];

/** Connects. Integers up to int4 and booleans are JavaScript's, everything else is PostgreSQL's text. */
export async function connectForTest(url: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 20_000,
    options: FIXED_OUTPUT.map((setting) => `-c ${setting}`).join(' '),
    types: LOSSLESS_TYPES,
  });
  // The next query of a session that the server ended reports that; without a listener it would end the test run.
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/** Runs SQL in its own session. */
export async function queryOnce(url: string, text: string): Promise<pg.QueryResult> {
  const session = await connectForTest(url);
  try {
    return await session.query(text);
  } finally {
    await session.end();
  }
}
