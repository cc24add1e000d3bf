/**
 * Opens the two databases of a command together, checks that they differ, and always closes them.
 */

import type { Client } from 'pg';
import { TimewarpError } from '../errors/timewarp-error.ts';
import { connect, type Queryable } from '../pg/connection.ts';
import { fromDatabaseError, sideOf } from '../pg/database-error.ts';
import { FactReader } from '../pg/fact-reader.ts';

export interface Databases {
  readonly source: Client;
  readonly store: Client;
}

export interface DatabaseUrls {
  readonly sourceUrl: string;
  readonly storeUrl: string;
  readonly node: string;
}

/**
 * Opens both databases for `work`. Throws what `connect` throws, for the store first, and what `work` throws; errors of the sessions
 * become TimewarpErrors.
 */
export async function withDatabases<T>(
  urls: DatabaseUrls,
  work: (databases: Databases) => Promise<T>,
): Promise<T> {
  const opened: Client[] = [];
  try {
    const store = await connect(urls.storeUrl, { side: 'store', node: urls.node });
    opened.push(store);
    const source = await connect(urls.sourceUrl, { side: 'source', node: urls.node });
    opened.push(source);
    return await work({ source, store });
  } catch (error) {
    throw fromDatabaseError(error, sideOf(error) ?? 'store');
  } finally {
    await Promise.allSettled(opened.map((session) => session.end()));
  }
}

/** As {@link withDatabases}, for work that needs only the store. */
export async function withStoreOnly<T>(
  { storeUrl, node }: Pick<DatabaseUrls, 'storeUrl' | 'node'>,
  work: (store: Client) => Promise<T>,
): Promise<T> {
  let store: Client | undefined;
  try {
    store = await connect(storeUrl, { side: 'store', node });
    return await work(store);
  } catch (error) {
    throw fromDatabaseError(error, sideOf(error) ?? 'store');
  } finally {
    await store?.end().catch(() => {});
  }
}

/** Throws SAME_DATABASE if both sessions are in one database of one server, also if their URLs differ. */
export async function refuseSameDatabase(source: Queryable, store: Queryable): Promise<void> {
  const [first, second] = [await identify(source), await identify(store)];
  if (first.system === second.system && first.oid === second.oid && first.name === second.name) {
    throw new TimewarpError('SAME_DATABASE', `--source and --store are the same database (${first.name}).`, {
      facts: { database: first.name, systemIdentifier: first.system },
    });
  }
}

async function identify(session: Queryable): Promise<{ system: string; oid: number; name: string }> {
  const reader = new FactReader(session);
  const system =
    (await reader.fact<string>(
      'pg_control_system()',
      'SELECT system_identifier::text AS fact FROM pg_catalog.pg_control_system()',
    )) ??
    // if a platform does not tell it: no two servers start in the same microsecond
    (await reader.fact<string>(
      'pg_postmaster_start_time()',
      'SELECT pg_postmaster_start_time()::text AS fact',
    ));
  const { rows } = await session.query<{ oid: number; name: string }>(
    'SELECT d.oid, d.datname AS name FROM pg_catalog.pg_database AS d WHERE d.datname = current_database()',
  );
  return { system: system ?? 'unknown', ...rows[0]! };
}
