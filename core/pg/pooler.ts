/**
 * Whether the server process behind a session may change from transaction to transaction. Nothing that a session says tells
 * that: a pooler gives an idle one mostly the process that it had. So two sessions are opened, and looked at in several
 * transactions, with one of them in the middle of a transaction and not: with the fewest other users of the pooler,
 * one meets the mark of the other.
 */
import type pg from 'pg';
import { type ConnectOptions, connect, connectBeside } from './connection.ts';
import { MARK_SQL, markOf } from './same-session.ts';

/**
 * none: the server itself answers | session: a pooler that keeps process and session together |
 * transaction: one that does not | unknown: it could not be found out
 */
export type Pooling = 'none' | 'session' | 'transaction' | 'unknown';

const PATIENCE_MS = 5_000;

/** Never throws; a side that cannot be reached is `unknown`. Takes 2 connections for some milliseconds. */
export async function readPooling(
  url: string,
  { side, node }: Pick<ConnectOptions, 'side' | 'node'>,
): Promise<Pooling> {
  const options = { side, node, answerTimeoutMs: PATIENCE_MS, isWatched: false };
  const open: pg.Client[] = [];
  try {
    const session = await connect(url, options);
    open.push(session);
    const first = await look(session);
    const other = await connectBeside(session, options);
    open.push(other);
    if (await isExchanged(session, other)) return 'transaction';
    return first.isServerItself ? 'none' : 'session';
  } catch {
    return 'unknown';
  } finally {
    await Promise.all(open.map((each) => each.end().catch(() => {})));
  }
}

async function isExchanged(session: pg.Client, other: pg.Client): Promise<boolean> {
  // the pooler has one process for both
  if (!(await look(session)).isOurs) return true;
  await other.query('BEGIN');
  const meanwhile = [await look(other), await look(session)];
  await other.query('ROLLBACK');
  // one that takes its processes in turn gives this one back at the latest now
  const afterwards = [await look(session), await look(session)];
  return [...meanwhile, ...afterwards].some(({ isOurs }) => !isOurs);
}

interface Look {
  /** The process carries the mark of the session. */
  readonly isOurs: boolean;
  /** The process is the one that answered the login. */
  readonly isServerItself: boolean;
}

/** Outside of a transaction: in one of its own. */
async function look(session: pg.Client): Promise<Look> {
  const { rows } = await session.query<{ mark: string | null; pid: number }>(
    `SELECT ${MARK_SQL} AS mark, pg_catalog.pg_backend_pid() AS pid`,
  );
  const { mark, pid } = rows[0]!;
  const { processID } = session as pg.Client & { readonly processID: number | null };
  return { isOurs: mark === markOf(session), isServerItself: pid === processID };
}
