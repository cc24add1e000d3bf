/**
 * The versions of a row, newest first, loaded as far back as somebody looks. The API lists versions from the oldest one on, so older
 * ones are asked for by intervals of time that end where the loaded ones begin. The length of an interval follows from how many
 * versions the last one had. The loaded versions never have a hole: a version is there only if all newer ones are.
 */
import { ask } from './client.ts';
import type { Diff, Version } from './documents.ts';
import { microsOf, textOfMicros } from './instants.ts';

const PAGE = 1000;
/** Shorter intervals are tried so often; then the interval is read whole, page after page. */
const ATTEMPTS = 8;

export interface Loaded {
  /** Of everything that is known; null: nothing has been answered yet. */
  readonly frame: Diff | null;
  readonly versions: readonly Version[];
  /** How many of them were added since the first answer, because runs went on. */
  readonly added: number;
  /** Whether the oldest version is loaded. */
  readonly isWhole: boolean;
}

export const NOTHING: Loaded = { frame: null, versions: [], added: 0, isWhole: false };

export class Versions {
  readonly #path: string;
  readonly #pk: string;
  readonly #signal: AbortSignal;
  /** All versions after this time are loaded. */
  #edge = 0n;
  #start = 0n;
  #width = 0n;
  #loaded = NOTHING;

  constructor(
    row: { readonly node: string; readonly table: string; readonly pk: string },
    signal: AbortSignal,
  ) {
    this.#path = `/v1/nodes/${row.node}/tables/${encodeURIComponent(row.table)}/diff`;
    this.#pk = row.pk;
    this.#signal = signal;
  }

  get loaded(): Loaded {
    return this.#loaded;
  }

  /** The first answer: all versions if they fit into a page, else the newest ones. */
  async first(): Promise<void> {
    const frame = await this.#ask({});
    const { changes, horizon, from, next_cursor: next } = frame;
    if (next === undefined || horizon === null || from === null) {
      this.#loaded = { frame, versions: changes.toReversed(), added: 0, isWhole: true };
      return;
    }
    this.#start = microsOf(from);
    this.#edge = microsOf(horizon.ts);
    this.#width = narrower(microsOf(changes.at(-1)!.ts) - this.#start);
    this.#loaded = { ...NOTHING, frame };
    await this.older();
  }

  /** Loads at least one more version, if there is one. */
  async older(): Promise<void> {
    for (let attempt = 0; !this.#loaded.isWhole; ) {
      const from = this.#edge - this.#width;
      const interval = {
        to: textOfMicros(this.#edge),
        ...(from <= this.#start ? {} : { from: textOfMicros(from) }),
      };
      const page = await this.#ask(interval);
      if (page.next_cursor !== undefined && attempt < ATTEMPTS && this.#width > 1n) {
        const last = microsOf(page.changes.at(-1)!.ts);
        this.#width = narrower(last - (interval.from === undefined ? this.#start : from));
        attempt += 1;
        continue;
      }
      const found = [...page.changes];
      for (let cursor = page.next_cursor; cursor !== undefined; ) {
        const next = await this.#ask({ ...interval, cursor });
        found.push(...next.changes);
        cursor = next.next_cursor;
      }
      const versions = this.#loaded.versions.concat(found.reverse());
      this.#loaded = { ...this.#loaded, versions, isWhole: interval.from === undefined };
      this.#edge = from;
      this.#width = wider(this.#width, found.length);
      if (found.length > 0) return;
    }
  }

  /** What runs have added since, and what is known by now. */
  async newer(): Promise<void> {
    const { frame: before, versions, added } = this.#loaded;
    if (before === null) return;
    const frame = await this.#ask({ limit: '1' });
    const found: Version[] = [];
    if (before.horizon !== null) {
      const interval = { from: before.horizon.ts, to: frame.horizon?.ts };
      for (let cursor: string | undefined; ; ) {
        const page = await this.#ask({ ...interval, cursor });
        found.push(...page.changes);
        cursor = page.next_cursor;
        if (cursor === undefined) break;
      }
    }
    // a gap began or ended, or a baseline was read: older versions may be others
    if (before.horizon === null || frame.unknown.length !== before.unknown.length) return this.first();
    this.#loaded = {
      ...this.#loaded,
      frame,
      versions: found.length === 0 ? versions : found.reverse().concat(versions),
      added: added + found.length,
    };
  }

  #ask(parameters: Readonly<Record<string, string | undefined>>): Promise<Diff> {
    return ask<Diff>(this.#path, { pk: this.#pk, limit: `${PAGE}`, ...parameters }, this.#signal);
  }
}

/** An interval with a little fewer versions than the page that covered this one. */
const narrower = (covered: bigint): bigint => (covered * 9n) / 10n || 1n;

/** An interval with almost a page of versions, if they go on as in one of this width. */
const wider = (width: bigint, found: number): bigint =>
  found >= PAGE * 0.9
    ? width
    : (width * BigInt(Math.min(8 * PAGE, (0.95 * PAGE * PAGE) / Math.max(1, found)) | 0)) / BigInt(PAGE);
