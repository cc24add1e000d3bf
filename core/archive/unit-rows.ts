/** The rows of one unit after a key, in the order of its files: by key in the order of bytes, then by position. TRUNCATEs are left out. */
import { TimewarpError } from '../errors/timewarp-error.ts';
import { type ArchiveRow, AT } from './columns.ts';
import { compareKeys } from './compare-keys.ts';
import type { Ranges } from './ranges.ts';
import type { RowGroupPlace } from './row-groups.ts';
import { RowWindow } from './row-window.ts';

export interface UnitGroup {
  readonly path: string;
  readonly file: Ranges;
  readonly place: RowGroupPlace;
}

export interface UnitRowsOptions {
  /** In the order of keys. */
  readonly groups: readonly UnitGroup[];
  readonly after: string;
  /** So many rows are read at a time. */
  readonly rows: number;
  /** Whether the next rows are read while the caller uses the last ones. */
  readonly goesOn: boolean;
}

/** A large group is read in at least so many parts: it may have 16 MiB of values. */
const PARTS = 8;
const LARGE_BYTES = 64 * 1024;

export class UnitRows {
  readonly #options: UnitRowsOptions;
  readonly #windows: AsyncGenerator<ArchiveRow[]>;
  #rows: readonly ArchiveRow[] = [];
  #at = 0;
  #next: Promise<IteratorResult<ArchiveRow[]>> | null = null;

  constructor(options: UnitRowsOptions) {
    this.#options = options;
    this.#windows = readWindows(options);
  }

  /** The row at hand; null: no row is left. It is known after {@link fill}. */
  get head(): ArchiveRow | null {
    return this.#rows[this.#at] ?? null;
  }

  /** Passes the row at hand. @returns whether the next one is at hand; otherwise {@link fill} gets it */
  pass(): boolean {
    this.#at += 1;
    return this.#at < this.#rows.length;
  }

  /** Reads on if no row is at hand. */
  async fill(): Promise<void> {
    if (this.head !== null) return;
    const { value, done } = await (this.#next ?? this.#windows.next());
    this.#next = null;
    this.#rows = done === true ? [] : value;
    this.#at = 0;
    if (done === true || !this.#options.goesOn) return;
    this.#next = this.#windows.next();
    this.#next.catch(() => {}); // its error is thrown when the rows are needed
  }
}

async function* readWindows({ groups, after, rows: most }: UnitRowsOptions): AsyncGenerator<ArchiveRow[]> {
  let last: ArchiveRow | null = null;
  for (const { path, file, place } of groups) {
    const window = new RowWindow(file, place, path);
    const step = Math.min(most, largestStep(place));
    let start = compareKeys(place.min, after) <= 0 ? await window.placeAfter(after) : 0;
    for (; start < place.rows; start += step) {
      const rows = await window.read(start, Math.min(place.rows, start + step));
      for (const row of rows) {
        if (last !== null && !isBefore(last, row))
          throw new TimewarpError('ARCHIVE_DAMAGED', `The rows of ${path} are not in their order.`);
        last = row;
      }
      const wanted = rows.filter((row) => row[AT.pk] !== '' && compareKeys(row[AT.pk]!, after) > 0);
      if (wanted.length > 0) yield wanted;
    }
  }
}

function largestStep({ rows, columns }: RowGroupPlace): number {
  const bytes = columns.reduce((sum, column) => sum + column.bytes, 0);
  return bytes < LARGE_BYTES ? rows : Math.ceil(rows / PARTS);
}

function isBefore(a: ArchiveRow, b: ArchiveRow): boolean {
  const keys = compareKeys(a[AT.pk]!, b[AT.pk]!);
  if (keys !== 0) return keys < 0;
  const [one, other] = [BigInt(a[AT.lsn]!), BigInt(b[AT.lsn]!)];
  return one < other || (one === other && Number.parseInt(a[AT.seq]!, 10) < Number.parseInt(b[AT.seq]!, 10));
}
