/** A pool of sessions of the store for the HTTP API. All their transactions are read-only. */
import pg from 'pg';
import { type Queryable, sessionConfig } from '../../core/pg/connection.ts';
import { sessionSettingsSql } from '../../core/pg/session-settings.ts';

const STATEMENT_TIMEOUT_MS = 20_000;
const ANSWER_MS = 2_000;
const MAX_SESSIONS = 8;

export interface ReadPool extends AsyncDisposable {
  withStore<T>(ask: (store: Queryable) => Promise<T>): Promise<T>;
}

export function openReadPool(storeUrl: string): ReadPool {
  const pool = new pg.Pool({
    ...sessionConfig(storeUrl, { side: 'store', node: 'serve' }),
    max: MAX_SESSIONS,
    query_timeout: STATEMENT_TIMEOUT_MS + ANSWER_MS, // measured here, because a server that has gone silent cannot enforce its time-out
    onConnect: async (session) => {
      await session.query(
        `${sessionSettingsSql('store', STATEMENT_TIMEOUT_MS)}; SET default_transaction_read_only = on`,
      );
    },
  });
  pool.on('error', () => {}); // the pool replaces a session that breaks while idle
  return {
    withStore: async (ask) => {
      const session = await pool.connect();
      try {
        const result = await ask(session);
        session.release();
        return result;
      } catch (error) {
        session.release(true);
        throw error;
      }
    },
    [Symbol.asyncDispose]: () => pool.end(),
  };
}
