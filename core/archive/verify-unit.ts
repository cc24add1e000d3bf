/**
 * Reads the files of a unit back from the bucket. They must be the objects that were written, the table must have them, and count and
 * checksum of their rows must be those of the store, as long as the store has all rows of the unit.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { asyncBufferFromFile } from 'hyparquet';
import type pg from 'pg';
import { TimewarpError } from '../errors/timewarp-error.ts';
import { throwIfAborted } from '../setup/cancel-on-abort.ts';
import { requireTable } from './archive-table.ts';
import type { ArchiveTarget } from './archive-target.ts';
import { AT } from './columns.ts';
import { readTablePaths } from './commit-unit.ts';
import { mayHaveKey, readKey } from './read-key.ts';
import { readParquet } from './read-parquet.ts';
import { checksumOfUnit } from './read-unit.ts';
import { RowChecksum } from './row-checksum.ts';
import { type KeyBounds, readRowGroups } from './row-groups.ts';
import { type ArchiveFile, type ArchiveUnit, isWholeInStore, markVerified, readFiles } from './units.ts';
import { sha256OfFile } from './write-parquet.ts';

/** So many keys of each group are looked for. */
const SAMPLES = 8;

interface VerifyOptions {
  readonly unit: ArchiveUnit;
  /** Stops it between two files. */
  readonly signal?: AbortSignal | undefined;
}

/** committed → verified. Throws ARCHIVE_DAMAGED, INTERRUPTED. */
export async function verifyUnit(
  store: pg.Client,
  target: ArchiveTarget,
  { unit, signal }: VerifyOptions,
): Promise<void> {
  const files = await readFiles(store, unit);
  if (files.length > 0) await requireListed(target, unit, files);
  const folder = await mkdtemp(join(tmpdir(), 'pgtimewarp-archive-'));
  const read = new RowChecksum();
  try {
    for (const file of files) {
      throwIfAborted(signal);
      const localPath = join(folder, 'file.parquet');
      await target.objects.getFile(file.path, localPath);
      if ((await sha256OfFile(localPath)) !== file.sha256)
        throw new TimewarpError('ARCHIVE_DAMAGED', `${file.path} is not what was written.`);
      await requireFindable(file, localPath, read);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  requireEqual(unit, read.equals(unit.checksum!), 'what was written');
  const isEqual = read.equals(await checksumOfUnit(store, unit));
  // asked afterwards: retention may have dropped rows meanwhile
  requireEqual(unit, isEqual || !(await isWholeInStore(store, unit)), 'the store');
  await markVerified(store, unit);
}

/** Adds the rows of a file to the checksum. The store must know where its groups lie, and keys of each group must be found by that. */
async function requireFindable(file: ArchiveFile, localPath: string, checksum: RowChecksum): Promise<void> {
  const buffer = await asyncBufferFromFile(localPath);
  const bounds: KeyBounds[] = [];
  let isFound = true;
  for await (const rows of readParquet(localPath)) {
    for (const row of rows) checksum.add(row);
    bounds.push([rows[0]![AT.pk]!, rows.at(-1)![AT.pk]!]);
    const group = file.groups[bounds.length - 1];
    const step = Math.max(1, Math.floor(rows.length / SAMPLES));
    for (let at = rows.length - 1; at >= 0 && isFound && group !== undefined; at -= step) {
      const pk = rows[at]![AT.pk]!;
      const wanted = rows.filter((row) => row[AT.pk] === pk);
      isFound =
        (await mayHaveKey(buffer, group, pk)) && isDeepStrictEqual(await readKey(buffer, group, pk), wanted);
    }
  }
  if (isFound && isDeepStrictEqual(await readRowGroups(localPath, bounds), [...file.groups])) return;
  throw new TimewarpError(
    'ARCHIVE_DAMAGED',
    `Keys of ${file.path} are not found by what the store knows of the file.`,
  );
}

function requireEqual(unit: ArchiveUnit, isEqual: boolean, what: string): void {
  if (isEqual) return;
  throw new TimewarpError(
    'ARCHIVE_DAMAGED',
    `The rows in the files of unit ${unit.unit} of relation ${unit.relationId} differ from ${what}.`,
  );
}

async function requireListed(
  target: ArchiveTarget,
  unit: ArchiveUnit,
  files: readonly ArchiveFile[],
): Promise<void> {
  const paths = await readTablePaths(target, await requireTable(target, unit));
  const missing = files.find(({ path }) => !paths.has(path));
  if (missing !== undefined)
    throw new TimewarpError('ARCHIVE_DAMAGED', `The Iceberg table does not have ${missing.path}.`);
}
