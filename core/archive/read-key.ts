/**
 * Finds the rows of one key in a row group: a block of the bloom filter says at most times that the key is not there; the bounds of the
 * pages say which pages can have it, and only these pages are read.
 */
import { type AsyncBuffer, parquetReadObjects } from 'hyparquet';
import { sbbfContains } from 'hyparquet/src/bloom.js';
import { readColumnIndex, readOffsetIndex } from 'hyparquet/src/indexes.js';
import { xxhash64 } from 'hyparquet/src/xxhash.js';
import { TimewarpError } from '../errors/timewarp-error.ts';
import { type ArchiveRow, COLUMNS, parquetSchema, toText } from './columns.ts';
import { COMPRESSORS, PARSERS } from './read-parquet.ts';
import { BLOOM_BLOCK, metadataOf, type RowGroupPlace } from './row-groups.ts';

/** Whether the group may have the key. False is certain. */
export async function mayHaveKey(file: AsyncBuffer, { bloom }: RowGroupPlace, pk: string): Promise<boolean> {
  const [offset, length] = bloom;
  const hash = xxhash64(Buffer.from(pk));
  const blocks = BigInt(length / BLOOM_BLOCK);
  const start = offset + Number(((hash >> 32n) * blocks) >> 32n) * BLOOM_BLOCK;
  const view = new DataView(await file.slice(start, start + BLOOM_BLOCK));
  const words = new Uint32Array(BLOOM_BLOCK / 4);
  for (const at of words.keys()) words[at] = view.getUint32(at * 4, true);
  return sbbfContains(words, hash);
}

/** The rows of the key, in their order. Throws ARCHIVE_DAMAGED when the bytes are not those of such a group. */
export async function readKey(file: AsyncBuffer, group: RowGroupPlace, pk: string): Promise<ArchiveRow[]> {
  try {
    const pages = await pagesOf(file, group, pk);
    if (pages === null) return [];
    const rows = await parquetReadObjects({
      ...{ file: pages.file, metadata: metadataOf(group), rowStart: pages.start, rowEnd: pages.end },
      ...{ parsers: PARSERS, compressors: COMPRESSORS, useOffsetIndex: true },
    });
    return rows.filter((row) => row.pk === pk).map((row) => COLUMNS.map(({ name }) => toText(row[name])));
  } catch (error) {
    if (error instanceof TimewarpError) throw error;
    throw new TimewarpError('ARCHIVE_DAMAGED', 'A row group of a file cannot be read.', { cause: error });
  }
}

/** The rows of the pages that can have the key, and the file with the indexes of the group at hand. */
async function pagesOf(
  file: AsyncBuffer,
  { keys, columns, rows }: RowGroupPlace,
  pk: string,
): Promise<{ file: AsyncBuffer; start: number; end: number } | null> {
  const spans = [keys, ...columns.map(({ index }) => index)].filter((span) => span !== undefined);
  const read = await Promise.all(
    spans.map(async ([offset, length]) => [offset, await file.slice(offset, offset + length)] as const),
  );
  const indexes = new Map(read);
  const known: AsyncBuffer = {
    byteLength: file.byteLength,
    slice: (start, end) => indexes.get(start) ?? file.slice(start, end),
  };
  const [first] = columns as [(typeof columns)[0]];
  if (keys === undefined || first.index === undefined) return { file: known, start: 0, end: rows };
  const bounds = readColumnIndex(readerOf(indexes.get(keys[0])!), parquetSchema()[1]!, {
    stringFromBytes: (bytes: Uint8Array) => bytes, // texts are compared by their bytes
  });
  const { page_locations: pages } = readOffsetIndex(readerOf(indexes.get(first.index[0])!));
  const key = Buffer.from(pk);
  const has = pages.map(
    (_, at) =>
      Buffer.compare(bounds.min_values[at] as unknown as Uint8Array, key) <= 0 &&
      Buffer.compare(key, bounds.max_values[at] as unknown as Uint8Array) <= 0,
  );
  const [from, last] = [has.indexOf(true), has.lastIndexOf(true)];
  if (from === -1) return null;
  const next = pages[last + 1];
  return {
    file: known,
    start: Number(pages[from]!.first_row_index),
    end: next === undefined ? rows : Number(next.first_row_index),
  };
}

function readerOf(bytes: ArrayBuffer): { view: DataView; offset: number } {
  return { view: new DataView(bytes), offset: 0 };
}
