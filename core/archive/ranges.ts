/**
 * Parts of an object, within what one question may cost. Parts that are asked for at the same moment and lie near each other come with
 * one request.
 */
import { setImmediate as soon } from 'node:timers/promises';
import type { AsyncBuffer } from 'hyparquet';
import { TimewarpError } from '../errors/timewarp-error.ts';

/** Reads bytes from `start` up to `end`, without the last one. Throws ARCHIVE_DAMAGED if the object is missing or is another one. */
export type ReadRange = (start: number, end: number) => Promise<Uint8Array>;

export interface Limits {
  readonly requests: number;
  readonly bytes: number;
  /** Versions of keys. Missing: the caller bounds them itself. */
  readonly rows?: number;
  /** Parts that are at most so many bytes from each other are read together: a request costs more than these. */
  readonly gap: number;
}

/** Of a question about keys that are named. */
export const KEY_LIMITS: Limits = { requests: 2_000, bytes: 64 * 1024 * 1024, rows: 100_000, gap: 4 * 1024 };

/** What a question has cost so far. */
export class Budget {
  readonly #limits: Limits;
  requests = 0;
  bytes = 0;
  rows = 0;

  constructor(limits: Limits = KEY_LIMITS) {
    this.#limits = limits;
  }

  get gap(): number {
    return this.#limits.gap;
  }

  /** Whether more than half of it is spent. */
  get isHalfSpent(): boolean {
    return this.requests * 2 > this.#limits.requests || this.bytes * 2 > this.#limits.bytes;
  }

  renew(): void {
    this.requests = 0;
    this.bytes = 0;
    this.rows = 0;
  }

  /** Before they are read, because small files may have very many. Throws ARCHIVE_TOO_MUCH. */
  spendRows(rows: number): void {
    this.rows += rows;
    const { rows: most = Number.POSITIVE_INFINITY } = this.#limits;
    if (this.rows <= most) return;
    throw new TimewarpError(
      'ARCHIVE_TOO_MUCH',
      `The answer needs more than ${most.toLocaleString('en')} versions of the archive.`,
    );
  }

  /** Throws ARCHIVE_TOO_MUCH. */
  spend(bytes: number): void {
    this.requests += 1;
    this.bytes += bytes;
    const { requests: most, bytes: mostBytes } = this.#limits;
    if (this.requests <= most && this.bytes <= mostBytes) return;
    throw new TimewarpError(
      'ARCHIVE_TOO_MUCH',
      `The answer needs more than ${most} requests or ${mostBytes / 1024 / 1024} MiB of the archive.`,
    );
  }
}

interface Waiting {
  readonly start: number;
  readonly end: number;
  readonly resolve: (bytes: ArrayBuffer | Promise<ArrayBuffer>) => void;
}

/** An object as hyparquet reads it. */
export class Ranges implements AsyncBuffer {
  readonly byteLength: number;
  readonly #read: ReadRange;
  readonly #budget: Budget;
  #waiting: Waiting[] = [];

  constructor(byteLength: number, read: ReadRange, budget: Budget) {
    this.byteLength = byteLength;
    this.#read = read;
    this.#budget = budget;
  }

  slice(start: number, end = this.byteLength): Promise<ArrayBuffer> {
    return new Promise((resolve) => {
      if (this.#waiting.length === 0) void soon().then(() => this.#flush());
      this.#waiting.push({ start, end, resolve });
    });
  }

  #flush(): void {
    const sorted = this.#waiting.sort((a, b) => a.start - b.start);
    this.#waiting = [];
    for (let at = 0; at < sorted.length; ) {
      let next = at;
      let end = sorted[at]!.end;
      while (next < sorted.length && sorted[next]!.start <= end + this.#budget.gap) {
        end = Math.max(end, sorted[next]!.end);
        next += 1;
      }
      this.#fetch(sorted.slice(at, next), end);
      at = next;
    }
  }

  #fetch(parts: readonly Waiting[], end: number): void {
    const from = parts[0]!.start;
    const whole = this.#readWithin(from, end);
    for (const { start, end: until, resolve } of parts)
      resolve(whole.then((bytes) => bytes.slice(start - from, until - from).buffer as ArrayBuffer));
  }

  async #readWithin(start: number, end: number): Promise<Uint8Array> {
    this.#budget.spend(end - start);
    return this.#read(start, end);
  }
}
