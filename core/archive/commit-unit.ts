/**
 * Adds the files of a unit to the Iceberg table, exactly once. The catalog accepts a commit only on the snapshot that it was made for.
 * After a conflict, an error or no answer the table is loaded again and searched for the unit; a commit is never repeated blindly.
 *
 * That a unit is there is known from a property of the table, which the commit sets, or from a summary of a snapshot, or because a
 * manifest has one of its files: maintenance may remove snapshots, and it may rewrite files.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { TimewarpError } from '../errors/timewarp-error.ts';
import { requireTable, tableId } from './archive-table.ts';
import type { ArchiveTarget } from './archive-target.ts';
import type { LoadedTable, Snapshot, TableMetadata } from './catalog.ts';
import {
  type ListEntry,
  listEntry,
  manifestPath,
  readManifestList,
  readManifestPaths,
  writeManifest,
  writeManifestList,
} from './manifests.ts';
import type { ArchiveFile, ArchiveUnit } from './units.ts';

const UNIT = 'pgtimewarp.unit';
const TRIES = 10;
const PAUSE_MS = 200;

/** @returns the id of the snapshot that added the files; null: they were there already, or there are none */
export async function commitUnit(
  target: ArchiveTarget,
  unit: ArchiveUnit,
  files: readonly ArchiveFile[],
): Promise<bigint | null> {
  if (files.length === 0) return null;
  for (let attempt = 1; attempt <= TRIES; attempt++) {
    const table = await requireTable(target, unit);
    const manifests = await currentManifests(target, table.metadata);
    if (await isThere(target, { unit, files, metadata: table.metadata, manifests })) return null;
    const added = await makeSnapshot(target, { unit, files, table, manifests });
    const outcome = await target.catalog.commit(
      tableId(unit.nodeId, unit.table),
      [
        { type: 'assert-table-uuid', uuid: table.metadata['table-uuid'] },
        { type: 'assert-ref-snapshot-id', ref: 'main', 'snapshot-id': currentId(table.metadata) },
      ],
      [
        { action: 'add-snapshot', snapshot: added },
        {
          action: 'set-snapshot-ref',
          'ref-name': 'main',
          type: 'branch',
          'snapshot-id': added['snapshot-id'],
        },
        { action: 'set-properties', updates: { [propertyOf(unit)]: placeOf(unit) } },
      ],
    );
    if (outcome === 'committed') return BigInt(added['snapshot-id']);
    await sleep(PAUSE_MS * attempt * (0.5 + Math.random()));
  }
  throw new TimewarpError(
    'ARCHIVE_UNREACHABLE',
    `The catalog did not commit unit ${unit.unit} of relation ${unit.relationId} in ${TRIES} attempts.`,
  );
}

/** The paths of the data files that the table has now. */
export async function readTablePaths(target: ArchiveTarget, { metadata }: LoadedTable): Promise<Set<string>> {
  return readPaths(target, await currentManifests(target, metadata));
}

async function readPaths(target: ArchiveTarget, manifests: readonly ListEntry[]): Promise<Set<string>> {
  const paths = new Set<string>();
  for (const entry of manifests) {
    const path = manifestPath(entry);
    if (path === null) continue;
    for (const each of readManifestPaths(await target.objects.getBytes(path))) paths.add(each);
  }
  return paths;
}

interface Looked {
  readonly unit: ArchiveUnit;
  readonly files: readonly ArchiveFile[];
  readonly metadata: TableMetadata;
  readonly manifests: readonly ListEntry[];
}

async function isThere(
  target: ArchiveTarget,
  { unit, files, metadata, manifests }: Looked,
): Promise<boolean> {
  const [last, lastTo] = (metadata.properties?.[propertyOf(unit)] ?? '0').split(':');
  const lastUnit = Number.parseInt(last!, 10);
  if (lastUnit > unit.unit) return true;
  const name = nameOf(unit);
  const summary = metadata.snapshots?.find((each) => each.summary?.[UNIT] === name)?.summary;
  const toLsn = lastUnit === unit.unit ? lastTo : summary?.['pgtimewarp.archived-to-lsn'];
  if (toLsn !== undefined) {
    if (toLsn === unit.toLsn) return true;
    throw new TimewarpError(
      'ARCHIVE_FOREIGN',
      `The table has a unit ${name} that ends at ${toLsn}, where this store's ends at ${unit.toLsn}.`,
    );
  }
  const paths = await readPaths(target, manifests);
  return files.some(({ path }) => paths.has(path));
}

const propertyOf = ({ relationId }: ArchiveUnit): string => `pgtimewarp.r${relationId}.unit`;
const placeOf = ({ unit, toLsn }: ArchiveUnit): string => `${unit}:${toLsn}`;
const nameOf = ({ relationId, unit }: ArchiveUnit): string => `r${relationId}-u${unit}`;

/** null: the table is empty, which some catalogs say with -1. */
function currentId(metadata: TableMetadata): bigint | null {
  const id = BigInt(metadata['current-snapshot-id'] ?? -1);
  return id === -1n ? null : id;
}

function currentSnapshot(metadata: TableMetadata): Snapshot | undefined {
  const id = currentId(metadata);
  return metadata.snapshots?.find((each) => BigInt(each['snapshot-id']) === id);
}

async function currentManifests(target: ArchiveTarget, metadata: TableMetadata): Promise<ListEntry[]> {
  const snapshot = currentSnapshot(metadata);
  return snapshot === undefined
    ? []
    : readManifestList(await target.objects.getBytes(snapshot['manifest-list']));
}

async function makeSnapshot(
  target: ArchiveTarget,
  { unit, files, table, manifests }: Omit<Looked, 'metadata'> & { readonly table: LoadedTable },
) {
  const { metadata } = table;
  const id = randomBytes(8).readBigUInt64BE() >> 1n;
  const parentId = currentId(metadata);
  const sequenceNumber = BigInt(metadata['last-sequence-number'] ?? 0) + 1n;
  const folder = `${metadata.location}/metadata`;
  const path = `${folder}/${nameOf(unit)}-${id}-m0.avro`;
  const listPath = `${folder}/snap-${id}-1-${nameOf(unit)}.avro`;
  const manifest = writeManifest(files, id);
  const entry = listEntry({ path, length: manifest.length, snapshotId: id, sequenceNumber, files });
  await target.objects.putBytes(path, manifest);
  await target.objects.putBytes(
    listPath,
    writeManifestList([entry, ...manifests], { id, parentId, sequenceNumber }),
  );
  const summary = { ...summaryOf(unit), ...counts(currentSnapshot(metadata), files) };
  return {
    'snapshot-id': id,
    ...(parentId === null ? {} : { 'parent-snapshot-id': parentId }),
    'sequence-number': sequenceNumber,
    'timestamp-ms': Date.now(),
    'manifest-list': listPath,
    'schema-id': metadata['current-schema-id'] ?? 0,
    summary,
  };
}

function summaryOf(unit: ArchiveUnit): Record<string, string> {
  return {
    operation: 'append',
    [UNIT]: nameOf(unit),
    'pgtimewarp.archived-to-lsn': unit.toLsn,
    'pgtimewarp.archived-to-ts': unit.toTs,
  };
}

/** What Iceberg's own writers count; readers may use it to plan. */
function counts(before: Snapshot | undefined, files: readonly ArchiveFile[]): Record<string, string> {
  const added = {
    'data-files': BigInt(files.length),
    records: files.reduce((sum, { rows }) => sum + BigInt(rows), 0n),
    'files-size': files.reduce((sum, { bytes }) => sum + BigInt(bytes), 0n),
  };
  const all: Record<string, string> = {};
  for (const [name, count] of Object.entries(added)) {
    const known = before === undefined ? '0' : before.summary?.[`total-${name}`];
    all[`added-${name}`] = count.toString();
    if (known !== undefined) all[`total-${name}`] = (BigInt(known) + count).toString();
  }
  return all;
}
