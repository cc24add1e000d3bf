/**
 * Ends sessions in time, on both sides. A server does not notice that a connection has gone silent: it would keep the session,
 * with its locks and its slot, for hours. So the wait for a normal end is short, and a lost session is also terminated on its
 * server, from another session.
 */
import type { Socket } from 'node:net';
import type pg from 'pg';

/** The server process of a session. */
export interface ServerProcess {
  readonly pid: number;
  /** When it started: another process may have its pid by now. null: not known. */
  readonly since: string | null;
  /** Opens another session with the same server. */
  readonly openBeside: () => Promise<pg.Client>;
}

const GOODBYE_MS = 1_000;
/** Limit for terminating from another session, all steps together: the caller may be late already. */
const BESIDE_MS = 1_500;
/** If the start of a process is not known, it is terminated only if it is older than this: a younger one is another process with the same pid. */
const SILENT_FOR = '900 milliseconds';

const PROCESSES = new WeakMap<pg.Client, ServerProcess>();
const ENDINGS = new WeakMap<pg.Client, Promise<void>>();

/** Prepares a session of `connect`: its `end` becomes limited in time, and {@link abandonSession} reaches the server. */
export function endInTime(session: pg.Client): void {
  const sayGoodbye = session.end.bind(session) as () => Promise<void>;
  let ended: Promise<void> | null = null;
  let isLost = false;
  session.once('end', () => {
    isLost = ended === null;
  });
  session.end = ((): Promise<void> => {
    if (isLost || isAsking(session)) ended ??= abandonSession(session, 'it is not waited for');
    ended ??= inTime(sayGoodbye(), GOODBYE_MS).then((inTime) =>
      inTime ? undefined : abandonSession(session, 'no answer to the goodbye'),
    );
    return ended;
  }) as typeof session.end;
}

/** Records the server process of a session, as soon as and as exactly as it is known. */
export function rememberProcess(session: pg.Client, process: ServerProcess): void {
  PROCESSES.set(session, process);
}

/**
 * Ends a session without waiting for its queries. It terminates the session on its server first, if that answers in time, and
 * then on our side: code that is told of the end finds the locks and the slot free.
 */
export function abandonSession(session: pg.Client, why: string): Promise<void> {
  let ending = ENDINGS.get(session);
  if (ending === undefined) {
    const stream = streamOf(session);
    stream.pause(); // no message of the session arrives from here on
    ending = inTime(terminate(session), BESIDE_MS).then(
      () => void stream.destroy(new Error(`Connection terminated: ${why}`)),
    );
    ENDINGS.set(session, ending);
  }
  return ending;
}

/** Ends a session without waiting for the server, which may be gone. */
export function endSession(session: pg.Client | undefined): void {
  session?.end().catch(() => {});
}

export function streamOf(session: pg.Client): Socket {
  return (session as unknown as { connection: { stream: Socket } }).connection.stream;
}

async function terminate(session: pg.Client): Promise<void> {
  const process = PROCESSES.get(session);
  if (process === undefined) return;
  const beside = await process.openBeside();
  await beside.query(
    `SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
      WHERE pid = $1::int AND application_name = current_setting('application_name')
        AND CASE WHEN $2::text IS NULL THEN backend_start < clock_timestamp() - interval '${SILENT_FOR}'
                 ELSE backend_start = $2::timestamptz END`,
    [process.pid, process.since],
  );
  await beside.end();
}

/** Whether a query of the session is still running. */
function isAsking(session: pg.Client): boolean {
  const { readyForQuery } = session as unknown as { readyForQuery: boolean };
  return !readyForQuery;
}

/** @returns whether the work ended within that time, with or without an error */
async function inTime(work: Promise<unknown>, limitMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), limitMs);
  });
  const done = work.then(
    () => true as const,
    () => true as const,
  );
  try {
    return await Promise.race([done, limit]);
  } finally {
    clearTimeout(timer);
  }
}
