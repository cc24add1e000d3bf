/**
 * Database sessions. Those of stores outlive an invocation, and serve every node whose history is in the store: what an environment
 * keeps does not grow with the nodes that it has served. Those of sources are closed after the work. A session is lent to one piece
 * of work at a time and closed if the work fails. It must answer a query before it is lent again, because the environment may have
 * slept for hours meanwhile.
 */
import type pg from 'pg';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { connect, resetSession } from '../../core/pg/connection.ts';
import { type DatabaseSide, fromDatabaseError, sideOf } from '../../core/pg/database-error.ts';
import { endSession } from '../../core/pg/end-session.ts';
import type { Credentials } from './credentials.ts';

export interface DatabaseReference {
  readonly side: DatabaseSide;
  /** Shown as `pgtimewarp/<node>`. */
  readonly node: string;
  readonly secretArn: string;
  /** Every transaction of the session is read-only. */
  readonly readOnly?: boolean;
  readonly statementTimeoutMs?: number;
}

/** The most idle sessions: those of two stores. There may be hundreds of environments, and a store has a limit of connections. */
const MAX_IDLE = 2;
/** A session that does not answer within this time counts as dead. */
const ANSWER_MS = 2_000;

export class Sessions {
  readonly #credentials: Credentials;
  readonly #idle = new Map<string, pg.Client>();

  constructor(credentials: Credentials) {
    this.#credentials = credentials;
  }

  /**
   * Lends a session to `work`. If the work fails or the signal aborts, the session is closed, by force if necessary. Throws what `work`
   * throws; errors of the session become TimewarpErrors.
   */
  async use<T>(
    reference: DatabaseReference,
    work: (session: pg.Client) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const session = (await this.#reuse(reference)) ?? (await this.#open(reference));
    const destroy = (): void => endSession(session);
    signal?.addEventListener('abort', destroy, { once: true });
    try {
      const result = await work(session);
      await this.#giveBack(reference, session);
      return result;
    } catch (error) {
      const harmless = error instanceof TimewarpError && error.action === 'client'; // only the question was wrong
      if (harmless && signal?.aborted !== true) await this.#giveBack(reference, session);
      else destroy();
      throw fromDatabaseError(error, sideOf(error) ?? reference.side);
    } finally {
      signal?.removeEventListener('abort', destroy);
    }
  }

  async #reuse(reference: DatabaseReference): Promise<pg.Client | null> {
    const session = this.#idle.get(keyOf(reference));
    if (session === undefined) return null;
    this.#idle.delete(keyOf(reference));
    try {
      // A read-only session keeps no state, and a reset would discard the query plans of its functions.
      const { readOnly, side, statementTimeoutMs, node } = reference;
      const ready = readOnly
        ? session.query('SELECT 1')
        : resetSession(session, side, statementTimeoutMs, node); // it may have served another node
      await withinMs(ANSWER_MS, ready);
      return session;
    } catch {
      endSession(session);
      return null;
    }
  }

  #open({ secretArn, side, node, readOnly, statementTimeoutMs }: DatabaseReference): Promise<pg.Client> {
    return this.#credentials.withUrl(secretArn, async (url) => {
      const limits =
        statementTimeoutMs === undefined ? {} : { answerTimeoutMs: statementTimeoutMs + ANSWER_MS };
      const session = await connect(url, {
        side,
        node,
        statementTimeoutMs: statementTimeoutMs ?? 0,
        ...limits,
      });
      if (readOnly) await session.query('SET default_transaction_read_only = on');
      return session;
    });
  }

  /** Waits until the server has closed a session of a source: after the answer, Lambda may stop the environment for hours. */
  async #giveBack(reference: DatabaseReference, session: pg.Client): Promise<void> {
    if (reference.side === 'store') this.#keep(reference, session);
    else await withinMs(ANSWER_MS, session.end()).catch(() => endSession(session));
  }

  #keep(reference: DatabaseReference, session: pg.Client): void {
    if (this.#idle.has(keyOf(reference))) {
      endSession(session);
      return;
    }
    this.#idle.set(keyOf(reference), session);
    const [oldest] = this.#idle;
    if (this.#idle.size <= MAX_IDLE || oldest === undefined) return;
    this.#idle.delete(oldest[0]);
    endSession(oldest[1]);
  }
}

function keyOf({ secretArn, readOnly = false }: DatabaseReference): string {
  return `${secretArn} ${readOnly}`;
}

async function withinMs(limitMs: number, work: Promise<unknown>): Promise<void> {
  work.catch(() => {}); // the work may fail after the limit
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer')), limitMs);
  });
  try {
    await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}
