/** Writes the rows of a unit to files in the bucket. Doing it again writes the same objects, so it may stop anywhere. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { inTransaction } from '../pg/transaction.ts';
import { throwIfAborted } from '../setup/cancel-on-abort.ts';
import { ensureTable } from './archive-table.ts';
import type { ArchiveTarget } from './archive-target.ts';
import type { ArchiveRow } from './columns.ts';
import { readUnit } from './read-unit.ts';
import { RowChecksum } from './row-checksum.ts';
import { type ArchiveFile, type ArchiveUnit, markWritten } from './units.ts';
import { type FileLimits, LIMITS, writeParquet } from './write-parquet.ts';

interface WriteOptions {
  readonly unit: ArchiveUnit;
  readonly limits?: FileLimits | undefined;
  /** Stops it between two pages of rows. */
  readonly signal?: AbortSignal | undefined;
}

/** planned → written. */
export async function writeUnit(
  store: pg.Client,
  target: ArchiveTarget,
  { unit, limits = LIMITS, signal }: WriteOptions,
): Promise<void> {
  const { metadata } = await ensureTable(target, unit);
  const folder = await mkdtemp(join(tmpdir(), 'pgtimewarp-archive-'));
  try {
    const checksum = new RowChecksum();
    const files: ArchiveFile[] = [];
    for await (const written of writeParquet(
      counted(readUnit(store, unit), checksum, signal),
      folder,
      limits,
    )) {
      const { localPath, ...file } = written;
      const name = `r${unit.relationId}-u${unit.unit}-f${files.length}-${file.sha256.slice(0, 12)}.parquet`;
      const path = `${metadata.location}/data/${name}`;
      await target.objects.putFile(path, written);
      await rm(localPath);
      files.push({ path, ...file });
    }
    await inTransaction(store, (tx) => markWritten(tx, unit, { checksum, files }));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function* counted(
  pages: AsyncIterable<ArchiveRow[]>,
  checksum: RowChecksum,
  signal: AbortSignal | undefined,
): AsyncGenerator<ArchiveRow[]> {
  for await (const page of pages) {
    throwIfAborted(signal);
    for (const row of page) checksum.add(row);
    yield page;
  }
}
