/**
 * Opens the two databases of a command together, checks that they differ, and always closes them.
 */

import type { Client } from 'pg';
import { TimewarpError } from '../errors/timewarp-error.ts';
import { type ConnectOptions, connect, type Queryable } from '../pg/connection.ts';
import { fromDatabaseError, sideOf } from '../pg/database-error.ts';
import { FactReader } from '../pg/fact-reader.ts';
import { throwIfAborted } from './cancel-on-abort.ts';

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
 * The sessions of one piece of work. The abort of `over` ends them, so that the work fails at its next statement and does nothing more; one
 * that is being opened is ended when it is there.
 */
export class WorkSessions implements AsyncDisposable {
  readonly #over: AbortSignal | undefined;
  readonly #opened: Client[] = [];
  readonly #endNow = (): void => void this.#end();

  constructor(over: AbortSignal | undefined) {
    this.#over = over;
    over?.addEventListener('abort', this.#endNow);
  }

  /** Throws what `connect` throws, and the reason of the abort. */
  async open(url: string, options: ConnectOptions): Promise<Client> {
    throwIfAborted(this.#over);
    const session = await connect(url, options);
    this.#opened.push(session);
    throwIfAborted(this.#over);
    return session;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over?.removeEventListener('abort', this.#endNow);
    await this.#end();
  }

  async #end(): Promise<void> {
    await Promise.allSettled(this.#opened.map((session) => session.end()));
  }
}

/**
 * Opens both databases for `work`. Throws what `connect` throws, for the store first, and what `work` throws; errors of the sessions
 * become TimewarpErrors.
 * @param over see {@link WorkSessions}
 */
export async function withDatabases<T>(
  { sourceUrl, storeUrl, node }: DatabaseUrls,
  work: (databases: Databases) => Promise<T>,
  over?: AbortSignal,
): Promise<T> {
  await using sessions = new WorkSessions(over);
  try {
    const store = await sessions.open(storeUrl, { side: 'store', node });
    const source = await sessions.open(sourceUrl, { side: 'source', node });
    return await work({ source, store });
  } catch (error) {
    throwIfAborted(over, error);
    throw fromDatabaseError(error, sideOf(error) ?? 'store');
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
