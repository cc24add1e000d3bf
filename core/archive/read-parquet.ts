/** Reads a file of the archive from disk, one row group at a time. */
import zlib from 'node:zlib';
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { type ArchiveRow, COLUMNS, toText } from './columns.ts';

/** Times stay microseconds: a Date would cut them. */
export const PARSERS = { timestampFromMicroseconds: (micros: bigint): bigint => micros };
export const COMPRESSORS = { ZSTD: (input: Uint8Array): Uint8Array => zlib.zstdDecompressSync(input) };

const OPTIONS = { parsers: PARSERS, compressors: COMPRESSORS };

/** Yields the rows as they were written. Throws when the file is none of the archive. */
export async function* readParquet(path: string): AsyncGenerator<ArchiveRow[]> {
  const file = await asyncBufferFromFile(path);
  const metadata = await parquetMetadataAsync(file, { parsers: PARSERS });
  let rowStart = 0;
  for (const group of metadata.row_groups) {
    const rowEnd = rowStart + Number(group.num_rows);
    const rows = await parquetReadObjects({ file, metadata, rowStart, rowEnd, ...OPTIONS });
    yield rows.map((row) => COLUMNS.map(({ name }) => toText(row[name])));
    rowStart = rowEnd;
  }
}
