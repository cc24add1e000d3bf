/**
 * Watches sessions for silence. A connection can go silent without an end: a NAT gateway forgets it, a host fails over, a process
 * is stopped. Neither TCP nor the server reports that, and a query without a limit would never end. So if a query gets no answer,
 * another session asks the server about it. While the server works on the query, the watch goes on. If the server has answered,
 * waits for us or is gone, the watch ends the session.
 */
import type { Socket } from 'node:net';
import type pg from 'pg';
import { abandonSession, endSession, streamOf } from './end-session.ts';

export const WATCH_EVERY_MS = 10_000;
/** How long the other session may take to answer. */
const ANSWER_MS = 10_000;
/** One look can be wrong: so many in a row must say the same. */
const LOOKS = 2;

/** Opens another session with the server of the watched one. It is not watched itself. */
export type OpenBeside = () => Promise<pg.Client>;

interface WatchOptions {
  /** The process ID of the server process of the session. */
  readonly pid: number;
  readonly openBeside: OpenBeside;
  readonly everyMs?: number;
}

/** Watches a session until it ends. */
export function watchSession(
  session: pg.Client,
  { pid, openBeside, everyMs = WATCH_EVERY_MS }: WatchOptions,
): void {
  const watch = new SessionWatch(session, pid, openBeside);
  const timer = setInterval(() => void watch.look(), everyMs).unref();
  session.once('end', () => clearInterval(timer));
}

type Verdict = 'works' | 'ended' | 'waits for us' | 'no answer';

class SessionWatch {
  readonly #session: pg.Client;
  readonly #pid: number;
  readonly #openBeside: OpenBeside;
  readonly #stream: Socket;
  #bytes = -1;
  #suspicious = 0;
  #isLooking = false;

  constructor(session: pg.Client, pid: number, openBeside: OpenBeside) {
    this.#session = session;
    this.#pid = pid;
    this.#openBeside = openBeside;
    this.#stream = streamOf(session);
  }

  async look(): Promise<void> {
    const bytes = this.#stream.bytesRead + this.#stream.bytesWritten;
    const { readyForQuery } = this.#session as unknown as { readyForQuery: boolean };
    if (readyForQuery || this.#stream.isPaused() || bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#suspicious = 0;
      return;
    }
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      const verdict = await this.#ask();
      if (this.#bytes !== this.#stream.bytesRead + this.#stream.bytesWritten) return; // the answer has arrived meanwhile
      if (verdict === 'works') this.#suspicious = 0;
      else if (verdict === 'ended' || ++this.#suspicious >= LOOKS)
        await abandonSession(this.#session, 'it has gone silent');
    } finally {
      this.#isLooking = false;
    }
  }

  async #ask(): Promise<Verdict> {
    return this.#beside<Verdict>('no answer', async (beside) => {
      const { rows } = await beside.query<{ state: string | null; wait: string | null }>(
        'SELECT state, wait_event_type AS wait FROM pg_catalog.pg_stat_activity WHERE pid = $1::int',
        [this.#pid],
      );
      const row = rows[0];
      if (row === undefined || row.state?.startsWith('idle') === true) return 'ended';
      return row.wait === 'Client' ? 'waits for us' : 'works';
    });
  }

  async #beside<T>(otherwise: T, work: (beside: pg.Client) => Promise<unknown>): Promise<T> {
    let beside: pg.Client | undefined;
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<T>((resolve) => {
      timer = setTimeout(() => resolve(otherwise), ANSWER_MS);
    });
    const asking = (async (): Promise<T> => {
      beside = await this.#openBeside();
      return (await work(beside)) as T;
    })();
    try {
      return await Promise.race([asking, limit]);
    } catch {
      return otherwise;
    } finally {
      clearTimeout(timer);
      asking.catch(() => {}).finally(() => endSession(beside));
      endSession(beside);
    }
  }
}
