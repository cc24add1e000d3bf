/**
 * Runs transactions: all or nothing. The session is usable afterwards. A function that must run inside a transaction of the store
 * takes a {@link StoreTransaction}, which only this file hands out.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { Queryable } from './connection.ts';
import { sqlState } from './database-error.ts';

declare const inTransactionOfStore: unique symbol;

/** A session of the store with a transaction open, which the caller commits or rolls back. */
export type StoreTransaction = pg.Client & { readonly [inTransactionOfStore]: true };

/** For each session: changes in memory that wait for the commit of its open transaction. */
const afterCommits = new WeakMap<pg.Client, (() => void)[]>();

/**
 * Runs `work` between BEGIN and COMMIT on a session of the store; rolls back and rethrows when it fails. If the rollback fails too
 * (the session is gone), the caller still gets the first error.
 */
export async function inTransaction<T>(
  session: pg.Client,
  work: (transaction: StoreTransaction) => Promise<T>,
  begin = 'BEGIN',
): Promise<T> {
  const result = await inSourceTransaction(session, () => work(opened(session)), begin);
  committed(session);
  return result;
}

/** As {@link inTransaction}, on a session of the source. Its transactions do not change history. */
export async function inSourceTransaction<T>(
  session: Queryable,
  work: () => Promise<T>,
  begin = 'BEGIN',
): Promise<T> {
  await session.query(begin);
  try {
    const result = await work();
    await commitSession(session);
    return result;
  } catch (error) {
    await rollBack(session);
    throw error;
  }
}

/** Begins a transaction for work that {@link inTransaction} cannot enclose. The caller ends it with {@link commit} or {@link rollBack}. */
export async function beginTransaction(session: pg.Client): Promise<StoreTransaction> {
  await session.query('BEGIN');
  return opened(session);
}

export async function commit(transaction: StoreTransaction): Promise<void> {
  await commitSession(transaction);
  committed(transaction);
}

/** If a statement failed and its error was swallowed, the server answers COMMIT with ROLLBACK, and without an error. */
async function commitSession(session: Queryable): Promise<void> {
  const { command } = await session.query('COMMIT');
  if (command === 'COMMIT') return;
  throw new TimewarpError(
    'INTERNAL',
    `The server answered COMMIT with ${command}: a statement had failed before.`,
  );
}

/** Runs `action` after the commit of the transaction; never after a rollback. */
export function afterCommit(transaction: StoreTransaction, action: () => void): void {
  afterCommits.get(transaction)!.push(action);
}

function opened(session: pg.Client): StoreTransaction {
  afterCommits.set(session, []);
  return session as StoreTransaction;
}

function committed(session: pg.Client): void {
  for (const action of afterCommits.get(session)!) action();
  afterCommits.delete(session);
}

/** SQLSTATE lock_not_available. */
const LOCK_NOT_AVAILABLE = '55P03';
const PATIENCE_MS = 60_000;

/**
 * As {@link inTransaction}, for work that changes or removes tables. While a session waits for such a lock, all later sessions
 * wait behind it. So each try waits only shortly, and the work is tried again. Throws TRANSACTION_CONFLICT after a minute.
 */
export async function inPatientTransaction<T>(
  session: pg.Client,
  work: (transaction: StoreTransaction) => Promise<T>,
  patienceMs = PATIENCE_MS,
): Promise<T> {
  const patience = performance.now() + patienceMs;
  for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 2, 2_000)) {
    try {
      return await inTransaction(session, work, `BEGIN; SET LOCAL lock_timeout = '300ms'`);
    } catch (error) {
      if (sqlState(error) !== LOCK_NOT_AVAILABLE) throw error;
      if (performance.now() > patience) {
        const message =
          'Other sessions have used a table of the store for a long time, so it could not be changed or removed.';
        throw new TimewarpError('TRANSACTION_CONFLICT', message, { cause: error });
      }
      await sleep(pauseMs);
    }
  }
}

/** SQLSTATE query_canceled: a time-out may also cancel the ROLLBACK; the transaction is then still open. */
const QUERY_CANCELED = '57014';
const TRIES = 20;

/** Rolls back a failed transaction, even if its time-out is nearly over. Never throws: a lost session has no transaction. */
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
