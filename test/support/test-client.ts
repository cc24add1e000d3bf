/**
 * A session of a test: fixed output formats and the same value types as the engine's sessions, but the server's own
 * search_path, as an application would have. The functions of core can be given such a session.
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

/** Connected. Integers up to int4 and booleans are JavaScript's, everything else is PostgreSQL's text. */
export async function connectForTest(url: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 20_000,
    options: FIXED_OUTPUT.map((setting) => `-c ${setting}`).join(' '),
    types: LOSSLESS_TYPES,
  });
  // A session that the server ended is reported by its next query; without a listener it would end the test run.
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/** Runs SQL in a session of its own. */
export async function queryOnce(url: string, text: string): Promise<pg.QueryResult> {
  const session = await connectForTest(url);
  try {
    return await session.query(text);
  } finally {
    await session.end();
  }
}
