/**
 * Where the row groups of a file lie, with their indexes. The store keeps this beside each file, so that a key is found without reading the
 * footer of the file.
 */
import { open } from 'node:fs/promises';
import {
  asyncBufferFromFile,
  type ColumnChunk,
  type CompressionCodec,
  type FileMetaData,
  parquetMetadataAsync,
} from 'hyparquet';
import { deserializeTCompactProtocol } from 'hyparquet/src/thrift.js';
import { COLUMNS, parquetSchema } from './columns.ts';

/** An offset and a length in bytes. */
type Span = readonly [offset: number, length: number];

/** A column of a group. Without an index it has one page. */
export interface ColumnPlace {
  readonly codec: CompressionCodec;
  readonly data: number;
  readonly dictionary?: number;
  readonly bytes: number;
  readonly values: number;
  readonly index?: Span;
}

export interface RowGroupPlace {
  /** Keys in the order of bytes. */
  readonly min: string;
  readonly max: string;
  readonly rows: number;
  /** The bits of the bloom filter of the keys. */
  readonly bloom: Span;
  /** The bounds of the pages of keys. */
  readonly keys?: Span;
  /** In the order of COLUMNS. */
  readonly columns: readonly ColumnPlace[];
}

/** The first and the last key of a group. */
export type KeyBounds = readonly [min: string, max: string];

/** A block of the bloom filter (Parquet format, "BloomFilter"). */
export const BLOOM_BLOCK = 32;

/** More than the header of a bloom filter has. */
const BLOOM_HEADER = 64;

/** Reads the places from the footer of a file on this machine. @param bounds of each group */
export async function readRowGroups(path: string, bounds: readonly KeyBounds[]): Promise<RowGroupPlace[]> {
  const { row_groups: groups } = await parquetMetadataAsync(await asyncBufferFromFile(path));
  const file = await open(path);
  try {
    const places: RowGroupPlace[] = [];
    for (const [at, { columns, num_rows }] of groups.entries()) {
      const [min, max] = bounds[at]!;
      const [key] = columns as [ColumnChunk];
      const header = new Uint8Array(BLOOM_HEADER);
      await file.read(header, 0, BLOOM_HEADER, Number(key.meta_data!.bloom_filter_offset!));
      const keys = span(key.column_index_offset, key.column_index_length);
      places.push({
        ...{ min, max, rows: Number(num_rows), bloom: bloomSpan(key, header) },
        ...(keys === null ? {} : { keys }),
        columns: columns.map(columnPlace),
      });
    }
    return places;
  } finally {
    await file.close();
  }
}

function bloomSpan({ meta_data: meta }: ColumnChunk, header: Uint8Array): Span {
  const reader = { view: new DataView(header.buffer), offset: 0 };
  const { field_1: bytes } = deserializeTCompactProtocol(reader) as { field_1: number };
  return [Number(meta!.bloom_filter_offset!) + reader.offset, bytes];
}

function columnPlace({
  meta_data: meta,
  offset_index_offset,
  offset_index_length,
}: ColumnChunk): ColumnPlace {
  const { codec, data_page_offset, dictionary_page_offset, total_compressed_size, num_values } = meta!;
  const index = span(offset_index_offset, offset_index_length);
  return {
    ...{
      codec,
      data: Number(data_page_offset),
      bytes: Number(total_compressed_size),
      values: Number(num_values),
    },
    ...(dictionary_page_offset === undefined ? {} : { dictionary: Number(dictionary_page_offset) }),
    ...(index === null ? {} : { index }),
  };
}

function span(offset: bigint | undefined, length: number | undefined): Span | null {
  return offset === undefined || length === undefined ? null : [Number(offset), length];
}

/** The metadata of a file that has only this group. */
export function metadataOf({ rows, columns }: RowGroupPlace): FileMetaData {
  const [, ...elements] = parquetSchema();
  return {
    version: 2,
    schema: parquetSchema(),
    num_rows: BigInt(rows),
    metadata_length: 0,
    row_groups: [
      {
        total_byte_size: 0n,
        num_rows: BigInt(rows),
        columns: columns.map(({ codec, data, dictionary, bytes, values, index }, at) => ({
          file_offset: 0n,
          meta_data: {
            ...{ type: elements[at]!.type!, codec, encodings: [], path_in_schema: [COLUMNS[at]!.name] },
            ...{
              num_values: BigInt(values),
              total_uncompressed_size: 0n,
              total_compressed_size: BigInt(bytes),
            },
            data_page_offset: BigInt(data),
            ...(dictionary === undefined ? {} : { dictionary_page_offset: BigInt(dictionary) }),
          },
          ...(index === undefined
            ? {}
            : { offset_index_offset: BigInt(index[0]), offset_index_length: index[1] }),
        })),
      },
    ],
  };
}
