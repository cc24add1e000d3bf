/**
 * The time of a run and the signal that ends it. A statement, on the source or on the store, is given no more time than
 * the run has left, so that neither a long peek nor somebody's lock keeps it; one that ran into that limit is the deadline,
 * and every other failure says whose it is.
 */
import type pg from 'pg';
import { TimewarpError } from '../errors/timewarp-error.ts';
import { fromDatabaseError, fromTableQuery, sideOf, sqlState } from '../pg/database-error.ts';
import { abandonSession } from '../pg/end-session.ts';

/** SQLSTATE of a statement that ran into statement_timeout, among others. */
const QUERY_CANCELED = '57014';
/** What a run does about its end, when its time may be over, is given this long. */
const AFTER_END_MS = 5_000;
/** And each statement of it at least so long. */
const LAST_WORDS_MS = 500;
/** A server whose time-outs do not end its statements in time has gone silent: its session is ended on our side. */
const SILENCE_MS = 3_000;
/** Neither a timer of Node nor a time-out of PostgreSQL is longer (24 days). */
export const LONGEST_MS = 2 ** 31 - 1;

export interface RunLimitsOptions {
  /** The run ends before this many seconds have passed. */
  readonly maxSeconds?: number;
  readonly signal?: AbortSignal;
}

export class RunLimits {
  readonly #source: pg.Client;
  readonly #store: pg.Client;
  readonly #signal: AbortSignal | undefined;
  readonly #deadlineMs: number;
  readonly #cutter: NodeJS.Timeout | undefined;
  #isCut = false;

  /** The time begins to run now. */
  constructor(
    { source, store }: { readonly source: pg.Client; readonly store: pg.Client },
    { maxSeconds, signal }: RunLimitsOptions,
  ) {
    this.#source = source;
    this.#store = store;
    this.#signal = signal;
    this.#deadlineMs = performance.now() + (maxSeconds ?? Number.POSITIVE_INFINITY) * 1000;
    if (maxSeconds !== undefined)
      this.#cutter = setTimeout(() => this.#cut(), Math.min(maxSeconds * 1000 + SILENCE_MS, LONGEST_MS));
  }

  /** The run is over. */
  [Symbol.dispose](): void {
    clearTimeout(this.#cutter);
  }

  #cut(): void {
    this.#isCut = true;
    for (const session of [this.#source, this.#store]) void abandonSession(session, 'no answer in time');
  }

  get isInterrupted(): boolean {
    return this.#signal?.aborted === true;
  }

  /** Throws INTERRUPTED or DEADLINE when the run has to stop. */
  checkStop(): void {
    if (this.isInterrupted) throw new TimewarpError('INTERRUPTED', 'The run was interrupted.');
    this.#checkTime();
  }

  #checkTime(): void {
    if (performance.now() >= this.#deadlineMs) throw deadline();
  }

  /** Whether a part of the run that begins now may go on: for `share` of the time left, and `atMostMs`. */
  slice(share: number, atMostMs: number): () => boolean {
    const started = performance.now();
    const timeForItMs = Math.min((this.#deadlineMs - started) * share, atMostMs);
    return () => performance.now() - started < timeForItMs;
  }

  /** Runs queries of the source, and what the store is asked in between, within the time of the run. */
  async onSource<T>(work: () => Promise<T>): Promise<T> {
    return this.namingSource(async () => {
      if (this.#isLimited) {
        this.checkStop();
        await limitStatements(this.#source, this.#leftMs);
        await this.limitStore();
      }
      return work();
    });
  }

  /** The next statements of the store get (a share of) the time that the run has left. Throws DEADLINE when there is none. */
  async limitStore(share = 1): Promise<void> {
    if (!this.#isLimited) return;
    this.#checkTime();
    await limitStatements(this.#store, Math.max(1, this.#leftMs * share));
  }

  /** As `onSource`, also when the time of the run is over: for what has to be known or done at its end. */
  async atEnd<T>(work: () => Promise<T>): Promise<T> {
    return this.namingSource(async () => {
      await limitStatements(this.#source, this.#leftForEndMs);
      return work();
    });
  }

  /** Writes to the store how the run ended; where the store cannot be written in time, that is not worth another failure. */
  async noteAtEnd(work: () => Promise<void>): Promise<void> {
    if (!this.#isLimited) return work();
    if (this.#isCut) return;
    try {
      await limitStatements(this.#store, this.#leftForEndMs);
      await work();
    } catch (error) {
      if (!this.#isCut && sqlState(error) !== QUERY_CANCELED) throw error;
    }
  }

  /** Whether this is what a statement of the store ends with that ran into the limit. */
  isTimeUp(error: unknown): boolean {
    if (!this.#isLimited) return false;
    if (this.#isCut) return true;
    if (error instanceof TimewarpError)
      return error.code === 'DEADLINE' || error.facts.sqlstate === QUERY_CANCELED;
    return sqlState(error) === QUERY_CANCELED;
  }

  /**
   * A statement time-out on the source is the deadline; everything else keeps its meaning. What the store said in
   * between stays the store's.
   */
  async namingSource<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (this.#isCut) throw deadline(error);
      const side = sideOf(error) ?? 'source';
      if (side === 'source' && sqlState(error) === QUERY_CANCELED && this.#isLimited) throw deadline(error);
      throw side === 'source' ? fromTableQuery(error) : fromDatabaseError(error, side);
    }
  }

  get #isLimited(): boolean {
    return Number.isFinite(this.#deadlineMs);
  }

  get #leftMs(): number {
    return Math.max(1, this.#deadlineMs - performance.now());
  }

  get #leftForEndMs(): number {
    return Math.max(
      LAST_WORDS_MS,
      Math.min(AFTER_END_MS, this.#deadlineMs + AFTER_END_MS - performance.now()),
    );
  }
}

async function limitStatements(session: pg.Client, limitMs: number): Promise<void> {
  await session.query(`SET statement_timeout = ${Math.floor(Math.min(limitMs, LONGEST_MS))}`);
}

function deadline(cause?: unknown): TimewarpError {
  return new TimewarpError('DEADLINE', 'The time for this run is used up.', { cause });
}
