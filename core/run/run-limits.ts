/**
 * The time limit of a run, and the signal that ends it. No statement on the source or the store gets more time than the run
 * has left, so neither a long peek nor a lock delays the end. A statement that runs into this limit throws DEADLINE; every
 * other error names the side that it came from.
 */
import type pg from 'pg';
import { TimewarpError } from '../errors/timewarp-error.ts';
import { fromDatabaseError, fromTableQuery, sideOf, sqlState } from '../pg/database-error.ts';
import { abandonSession } from '../pg/end-session.ts';

/** SQLSTATE of a statement that ran into statement_timeout, among others. */
const QUERY_CANCELED = '57014';
/** Time for the statements at the end of a run, after its own time is over. */
const AFTER_END_MS = 5_000;
/** Each of these statements gets at least this long. */
const LAST_WORDS_MS = 500;
/** A server that does not end a statement in time has gone silent: after this long the run ends the session. */
const SILENCE_MS = 3_000;
/** The longest timer of Node and time-out of PostgreSQL (24 days). */
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

  /** The time starts now. */
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

  /** Call it when the run is over. */
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

  /** Time for a part of the run that begins now: a `share` of the time left, but at most `atMostMs`. @returns whether it is left */
  slice(share: number, atMostMs: number): () => boolean {
    const started = performance.now();
    const timeForItMs = Math.min((this.#deadlineMs - started) * share, atMostMs);
    return () => performance.now() - started < timeForItMs;
  }

  /** Runs queries of the source, and queries of the store between them, within the time of the run. */
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

  /** Limits the next statements of the store to a share of the time left. Throws DEADLINE when none is left. */
  async limitStore(share = 1): Promise<void> {
    if (!this.#isLimited) return;
    this.#checkTime();
    await limitStatements(this.#store, Math.max(1, this.#leftMs * share));
  }

  /** Like `onSource`, but works also after the time of the run is over: for queries at its end. */
  async atEnd<T>(work: () => Promise<T>): Promise<T> {
    return this.namingSource(async () => {
      await limitStatements(this.#source, this.#leftForEndMs);
      return work();
    });
  }

  /** Writes to the store how the run ended. When the store does not answer in time, it gives up without an error. */
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

  /** Whether a statement of the store failed with this error because it ran into the limit. */
  isTimeUp(error: unknown): boolean {
    if (!this.#isLimited) return false;
    if (this.#isCut) return true;
    if (error instanceof TimewarpError)
      return error.code === 'DEADLINE' || error.facts.sqlstate === QUERY_CANCELED;
    return sqlState(error) === QUERY_CANCELED;
  }

  /**
   * Turns a statement time-out on the source into DEADLINE, and marks other errors with their side. An error that the store
   * raised meanwhile stays an error of the store.
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
