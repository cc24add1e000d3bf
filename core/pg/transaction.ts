/** Transactions: all or nothing, and the session is usable afterwards. */
import type { Queryable } from './connection.ts';
import { sqlState } from './database-error.ts';

/**
 * Runs `work` between BEGIN and COMMIT; rolls back and rethrows when it fails. A failing rollback (the session is gone)
 * does not hide the first error.
 */
export async function inTransaction<T>(
  session: Queryable,
  work: () => Promise<T>,
  begin = 'BEGIN',
): Promise<T> {
  await session.query(begin);
  try {
    const result = await work();
    await session.query('COMMIT');
    return result;
  } catch (error) {
    await rollBack(session);
    throw error;
  }
}

/** SQLSTATE query_canceled: a time-out that has all but run out ends a ROLLBACK too, and leaves the transaction as it was. */
const QUERY_CANCELED = '57014';
const TRIES = 20;

/** Ends a transaction that has failed, whatever is left of its time. Throws nothing: a session that is gone has none. */
export async function rollBack(session: Queryable): Promise<void> {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    try {
      await session.query('ROLLBACK');
      return;
    } catch (error) {
      if (sqlState(error) !== QUERY_CANCELED) return;
    }
  }
}
