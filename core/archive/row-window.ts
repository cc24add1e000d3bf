/**
 * The rows of a row group, window after window. Pages of a column that two windows share are read from the bucket once: of each column the
 * last part that was read is kept.
 */
import { type AsyncBuffer, parquetReadObjects } from 'hyparquet';
import { readColumnIndex, readOffsetIndex } from 'hyparquet/src/indexes.js';
import { TimewarpError } from '../errors/timewarp-error.ts';
import { type ArchiveRow, CHANGE_NAMES, COLUMNS, parquetSchema, toText } from './columns.ts';
import { COMPRESSORS, PARSERS } from './read-parquet.ts';
import { type ColumnPlace, metadataOf, type RowGroupPlace } from './row-groups.ts';

export class RowWindow {
  readonly #file: SequentialFile;
  readonly #group: RowGroupPlace;

  readonly #path: string;

  constructor(file: AsyncBuffer, group: RowGroupPlace, path: string) {
    this.#file = new SequentialFile(file, group);
    this.#group = group;
    this.#path = path;
  }

  /** The place of a row before which every row has a key up to `after`. */
  async placeAfter(after: string): Promise<number> {
    return this.#reading(async () => {
      const { keys, columns, rows } = this.#group;
      const offsets = columns[0]!.index;
      if (keys === undefined || offsets === undefined) return 0;
      const [bounds, places] = await Promise.all(
        [keys, offsets].map(async ([start, length]) => ({
          view: new DataView(await this.#file.slice(start, start + length)),
          offset: 0,
        })),
      );
      const { max_values: greatest } = readColumnIndex(bounds!, parquetSchema()[1]!, {
        stringFromBytes: (bytes: Uint8Array) => bytes, // texts are compared by their bytes
      });
      const key = Buffer.from(after);
      const page = greatest.findIndex((max) => Buffer.compare(max as unknown as Uint8Array, key) > 0);
      return page === -1 ? rows : Number(readOffsetIndex(places!).page_locations[page]!.first_row_index);
    });
  }

  /** The rows from one place up to another; what is not read of them is null. Throws ARCHIVE_DAMAGED when the bytes are not those of such a group. */
  async read(rowStart: number, rowEnd: number, columns = CHANGE_NAMES): Promise<ArchiveRow[]> {
    return this.#reading(async () => {
      const rows = await parquetReadObjects({
        ...{ file: this.#file, metadata: metadataOf(this.#group), rowStart, rowEnd },
        ...{ parsers: PARSERS, compressors: COMPRESSORS, useOffsetIndex: true },
        columns: [...columns],
      });
      if (rows.length !== rowEnd - rowStart) throw new Error(`${rows.length} rows were read`);
      return rows.map((row) => COLUMNS.map(({ name }) => toText(row[name])));
    });
  }

  async #reading<T>(read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      if (error instanceof TimewarpError) throw error;
      throw new TimewarpError('ARCHIVE_DAMAGED', `A row group of ${this.#path} cannot be read.`, {
        cause: error,
      });
    }
  }
}

/** A part of a column. */
interface Held {
  readonly start: number;
  readonly bytes: Uint8Array;
}

/** A file that is read forwards, column by column. What is no part of a column with pages, such as an index, is kept as it was read. */
class SequentialFile implements AsyncBuffer {
  readonly byteLength: number;
  readonly #file: AsyncBuffer;
  readonly #columns: readonly { readonly place: ColumnPlace; held: Promise<Held> | null }[];
  readonly #others = new Map<string, Promise<ArrayBuffer>>();

  constructor(file: AsyncBuffer, { columns }: RowGroupPlace) {
    this.byteLength = file.byteLength;
    this.#file = file;
    this.#columns = columns
      .filter(({ index }) => index !== undefined)
      .map((place) => ({ place, held: null }));
  }

  slice(start: number, end = this.byteLength): Promise<ArrayBuffer> {
    const column = this.#columns.find(
      ({ place }) => start >= begin(place) && end <= begin(place) + place.bytes,
    );
    if (column === undefined) return this.#whole(start, end);
    const { data } = column.place;
    if (start >= data) return this.#forwards(column, start, end);
    if (end <= data) return this.#whole(start, end);
    return Promise.all([this.#whole(start, data), this.#forwards(column, data, end)]).then(joined);
  }

  #whole(start: number, end: number): Promise<ArrayBuffer> {
    const name = `${start} ${end}`;
    const known = this.#others.get(name) ?? Promise.resolve(this.#file.slice(start, end));
    this.#others.set(name, known);
    return known;
  }

  async #forwards(column: { held: Promise<Held> | null }, start: number, end: number): Promise<ArrayBuffer> {
    column.held = this.#extended(column.held, start, end);
    const { bytes } = await column.held;
    return bytes.slice(0, end - start).buffer as ArrayBuffer;
  }

  /** What is held from `start` on, and what follows up to `end`. */
  async #extended(former: Promise<Held> | null, start: number, end: number): Promise<Held> {
    const held = await former;
    const known =
      held !== null && held.start <= start && start < held.start + held.bytes.length
        ? held.bytes.subarray(start - held.start)
        : new Uint8Array();
    if (start + known.length >= end) return { start, bytes: known };
    const more = await this.#file.slice(start + known.length, end);
    return { start, bytes: new Uint8Array(joined([known, more])) };
  }
}

/** Where a column begins: with its dictionary, if it has one. */
function begin({ dictionary, data }: ColumnPlace): number {
  return dictionary ?? data;
}

function joined(parts: readonly (ArrayBuffer | Uint8Array)[]): ArrayBuffer {
  const arrays = parts.map((part) => (part instanceof Uint8Array ? part : new Uint8Array(part)));
  const all = new Uint8Array(arrays.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const each of arrays) {
    all.set(each, at);
    at += each.length;
  }
  return all.buffer;
}
