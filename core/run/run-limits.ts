/**
 * The time of a run and the signal that ends it. A statement on the source is given no more time than the run has left;
 * one that ran into that limit is the deadline, and every other failure says whose it is.
 */
import type pg from 'pg';
import { TimewarpError } from '../errors/timewarp-error.ts';
import { fromDatabaseError, sideOf, sqlState } from '../pg/database-error.ts';

/** SQLSTATE of a statement that ran into statement_timeout, among others. */
const QUERY_CANCELED = '57014';
/** What a run does about its end, when its time may be over, is given this long. */
const AFTER_END_MS = 5_000;

export interface RunLimitsOptions {
  /** The run ends before this many seconds have passed. */
  readonly maxSeconds?: number;
  readonly signal?: AbortSignal;
}

export class RunLimits {
  readonly #source: pg.Client;
  readonly #signal: AbortSignal | undefined;
  readonly #deadlineMs: number;

  /** The time begins to run now. */
  constructor(source: pg.Client, { maxSeconds, signal }: RunLimitsOptions) {
    this.#source = source;
    this.#signal = signal;
    this.#deadlineMs = performance.now() + (maxSeconds ?? Number.POSITIVE_INFINITY) * 1000;
  }

  get isInterrupted(): boolean {
    return this.#signal?.aborted === true;
  }

  /** Throws INTERRUPTED or DEADLINE when the run has to stop. */
  checkStop(): void {
    if (this.isInterrupted) throw new TimewarpError('INTERRUPTED', 'The run was interrupted.');
    if (performance.now() >= this.#deadlineMs) throw deadline();
  }

  /** Whether a part of the run that begins now may go on: for `share` of the time left, and `atMostMs`. */
  slice(share: number, atMostMs: number): () => boolean {
    const started = performance.now();
    const timeForItMs = Math.min((this.#deadlineMs - started) * share, atMostMs);
    return () => performance.now() - started < timeForItMs;
  }

  /** Runs queries of the source within the time of the run. */
  async onSource<T>(work: () => Promise<T>): Promise<T> {
    return this.namingSource(async () => {
      if (Number.isFinite(this.#deadlineMs)) await this.#limitStatements();
      return work();
    });
  }

  /** As `onSource`, also when the time of the run is over: for what has to be known or done at its end. */
  async atEnd<T>(work: () => Promise<T>): Promise<T> {
    return this.namingSource(async () => {
      await this.#source.query(`SET statement_timeout = ${AFTER_END_MS}`);
      return work();
    });
  }

  /**
   * A statement time-out on the source is the deadline; everything else keeps its meaning. What the store said in
   * between stays the store's.
   */
  async namingSource<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const side = sideOf(error) ?? 'source';
      if (side === 'source' && sqlState(error) === QUERY_CANCELED && Number.isFinite(this.#deadlineMs))
        throw deadline(error);
      throw fromDatabaseError(error, side);
    }
  }

  async #limitStatements(): Promise<void> {
    this.checkStop();
    const remainingMs = Math.max(1, Math.floor(this.#deadlineMs - performance.now()));
    await this.#source.query(`SET statement_timeout = ${remainingMs}`);
  }
}

function deadline(cause?: unknown): TimewarpError {
  return new TimewarpError('DEADLINE', 'The time for this run is used up.', { cause });
}
