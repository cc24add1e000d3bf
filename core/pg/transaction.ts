/** Transactions: all or nothing, and the session is usable afterwards. */
import type { Queryable } from './connection.ts';

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
    await session.query('ROLLBACK').catch(() => {});
    throw error;
  }
}
