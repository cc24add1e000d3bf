/**
 * Rows → Parquet files in a folder, in bounded memory: rows wait until a row group is full, and a full group goes to disk. The same
 * rows give the same bytes. No key is in two files.
 */
import { createHash, hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import zlib from 'node:zlib';
import { fileWriter, ParquetWriter } from 'hyparquet-writer';
import { type ArchiveRow, type ArchiveValue, AT, COLUMNS, parquetSchema, toValue } from './columns.ts';
import { type KeyBounds, type RowGroupPlace, readRowGroups } from './row-groups.ts';

export interface FileLimits {
  readonly groupRows: number;
  /** Letters of the rows that wait for their group. */
  readonly groupLetters: number;
  /** A file ends with the first key after this size. */
  readonly fileBytes: number;
}

export const LIMITS: FileLimits = {
  groupRows: 40_000, // larger groups compress hardly better, and take memory in proportion
  groupLetters: 16 * 1024 * 1024,
  fileBytes: 224 * 1024 * 1024, // with the group that passes it, a file has about 256 MiB
};

const PAGE_BYTES = 16 * 1024;
const ZSTD_LEVEL = 3;

/** A file on this machine. Positions are decimal numbers, times microseconds. */
export interface WrittenFile {
  readonly localPath: string;
  readonly sha256: string;
  readonly bytes: number;
  readonly rows: number;
  readonly minPk: string;
  readonly maxPk: string;
  readonly minLsn: bigint;
  readonly maxLsn: bigint;
  readonly minTs: bigint;
  readonly maxTs: bigint;
  readonly groups: readonly RowGroupPlace[];
}

/** Yields each file when it is complete. */
export async function* writeParquet(
  pages: AsyncIterable<readonly ArchiveRow[]>,
  folder: string,
  limits: FileLimits = LIMITS,
): AsyncGenerator<WrittenFile> {
  let file: ParquetFile | null = null;
  let count = 0;
  for await (const page of pages) {
    for (const row of page) {
      if (file?.isFull === true && file.lastPk !== row[AT.pk]) {
        yield await file.finish();
        file = null;
      }
      file ??= new ParquetFile(join(folder, `${count++}.parquet`), limits);
      file.add(row);
    }
  }
  if (file !== null) yield await file.finish();
}

class ParquetFile {
  readonly #path: string;
  readonly #limits: FileLimits;
  readonly #bytes: ReturnType<typeof fileWriter>;
  readonly #writer: ParquetWriter;
  #group: ArchiveRow[] = [];
  #letters = 0;
  #rows = 0;
  readonly #bounds: KeyBounds[] = [];
  #lsns: readonly [bigint, bigint] | null = null;
  #times: readonly [bigint, bigint] | null = null;
  lastPk = '';

  constructor(path: string, limits: FileLimits) {
    this.#path = path;
    this.#limits = limits;
    this.#bytes = fileWriter(path);
    this.#writer = new ParquetWriter({
      writer: this.#bytes,
      schema: parquetSchema(),
      codec: 'ZSTD',
      compressors: {
        ZSTD: (input) =>
          zlib.zstdCompressSync(input, { params: { [zlib.constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL } }),
      },
      createdBy: 'pgtimewarp',
    });
  }

  get isFull(): boolean {
    return this.#bytes.offset >= this.#limits.fileBytes;
  }

  add(row: ArchiveRow): void {
    this.lastPk = row[AT.pk]!;
    this.#lsns = widen(this.#lsns, BigInt(row[AT.lsn]!));
    this.#times = widen(this.#times, BigInt(row[AT.ts]!));
    this.#group.push(row);
    this.#rows += 1;
    for (const text of row) this.#letters += text?.length ?? 0;
    if (this.#group.length >= this.#limits.groupRows || this.#letters >= this.#limits.groupLetters)
      this.#writeGroup();
  }

  async finish(): Promise<WrittenFile> {
    this.#writeGroup();
    await this.#writer.finish();
    const { size } = await stat(this.#path);
    return {
      localPath: this.#path,
      sha256: await sha256OfFile(this.#path),
      bytes: size,
      rows: this.#rows,
      minPk: this.#bounds[0]![0],
      maxPk: this.lastPk,
      minLsn: this.#lsns![0],
      maxLsn: this.#lsns![1],
      minTs: this.#times![0],
      maxTs: this.#times![1],
      groups: await readRowGroups(this.#path, this.#bounds),
    };
  }

  #writeGroup(): void {
    const rows = this.#group;
    if (rows.length === 0) return;
    this.#bounds.push([rows[0]![AT.pk]!, rows.at(-1)![AT.pk]!]);
    const columnData = COLUMNS.map(({ name, type }, at) => ({
      name,
      data: rows.map((row): ArchiveValue => toValue(type, row[at]!)),
      ...(name === 'pk' ? { bloomFilter: true, columnIndex: true } : {}),
    }));
    // the writer works at once, because its target never answers with a promise
    void this.#writer.write({ columnData, rowGroupSize: rows.length, pageSize: PAGE_BYTES });
    this.#group = [];
    this.#letters = 0;
  }
}

function widen(known: readonly [bigint, bigint] | null, value: bigint): readonly [bigint, bigint] {
  if (known === null) return [value, value];
  const [min, max] = known;
  return [value < min ? value : min, value > max ? value : max];
}

export async function sha256OfFile(path: string): Promise<string> {
  const digest = createHash('sha256');
  await pipeline(createReadStream(path), digest);
  return digest.digest('hex');
}

export const sha256 = (bytes: Uint8Array): string => hash('sha256', bytes, 'hex');
