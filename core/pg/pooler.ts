/**
 * Finds out whether a pooler may change the server process of a session between transactions. One session alone cannot tell: a
 * pooler mostly gives an idle session the process that it had before. So readPooling() opens two sessions, marks their processes
 * and looks at both in several transactions, while one of them has a transaction open and while not. If the pooler exchanges
 * processes, one session finds the mark of the other.
 */
import type pg from 'pg';
import { type ConnectOptions, connect, connectBeside } from './connection.ts';
import { MARK_SQL, markOf } from './same-session.ts';

/**
 * none: the server itself answers | session: a pooler that keeps the process of each session |
 * transaction: a pooler that changes it between transactions | unknown: the server could not be checked
 */
export type Pooling = 'none' | 'session' | 'transaction' | 'unknown';

const PATIENCE_MS = 5_000;

/** Never throws; a side that cannot be reached is `unknown`. Uses two connections for some milliseconds. */
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
  // the pooler has only one process for both sessions
  if (!(await look(session)).isOurs) return true;
  await other.query('BEGIN');
  const meanwhile = [await look(other), await look(session)];
  await other.query('ROLLBACK');
  // a pooler that uses its processes in turn returns to the first one now at the latest
  const afterwards = [await look(session), await look(session)];
  return [...meanwhile, ...afterwards].some(({ isOurs }) => !isOurs);
}

interface Look {
  /** Whether the process has the mark of the session. */
  readonly isOurs: boolean;
  /** Whether the process is the one that answered the login. */
  readonly isServerItself: boolean;
}

/** Outside a transaction, the query runs in one of its own. */
async function look(session: pg.Client): Promise<Look> {
  const { rows } = await session.query<{ mark: string | null; pid: number }>(
    `SELECT ${MARK_SQL} AS mark, pg_catalog.pg_backend_pid() AS pid`,
  );
  const { mark, pid } = rows[0]!;
  const { processID } = session as pg.Client & { readonly processID: number | null };
  return { isOurs: mark === markOf(session), isServerItself: pid === processID };
}
