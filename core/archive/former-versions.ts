/**
 * The last version of many keys up to a position. Units are asked from the newest to the oldest until each key is found. Where many keys may
 * be in a row group, its bloom filter and its rows are read as a whole.
 */
import { type ArchiveRow, AT } from './columns.ts';
import { compareKeys } from './compare-keys.ts';
import type { KnownGroup } from './known-files.ts';
import { mayHaveKey, readKey } from './read-key.ts';
import { RowWindow } from './row-window.ts';
import type { UnitGroup } from './unit-rows.ts';

/** More keys than this are found faster in the whole filter, or in all rows. */
const FEW = 8;
const WINDOW_ROWS = 5_000;

export type ReachedGroup = KnownGroup & UnitGroup;

/** @param groups of units that begin up to the position. Keys without a version are left out. */
export async function formerVersions(
  groups: readonly ReachedGroup[],
  keys: ReadonlySet<string>,
  upto: bigint,
): Promise<ArchiveRow[]> {
  const found: ArchiveRow[] = [];
  const missing = new Set(keys);
  const units = [...new Set(groups.map(({ unit }) => unit))].sort((a, b) => b - a);
  for (const unit of units) {
    if (missing.size === 0) break;
    const own = groups.filter((group) => group.unit === unit);
    const read = await Promise.all(own.map((group) => versionsIn(group, [...missing], upto)));
    const last = new Map<string, ArchiveRow>();
    for (const row of read.flat()) last.set(row[AT.pk]!, row); // groups, and rows in them, are in their order
    for (const [pk, row] of last) {
      found.push(row);
      missing.delete(pk);
    }
  }
  return found;
}

async function versionsIn(
  group: ReachedGroup,
  missing: readonly string[],
  upto: bigint,
): Promise<ArchiveRow[]> {
  const { place, path } = group;
  const possible = missing.filter((pk) => compareKeys(place.min, pk) <= 0 && compareKeys(pk, place.max) <= 0);
  if (possible.length === 0) return [];
  const filter = possible.length > FEW ? await wholeFilter(group) : group.file;
  const may = await Promise.all(possible.map((pk) => mayHaveKey(filter, place, pk)));
  const keys = possible.filter((_, at) => may[at]);
  const rows =
    keys.length > FEW
      ? await allRowsOf(new RowWindow(group.file, place, path), place.rows, new Set(keys))
      : (await Promise.all(keys.map((pk) => readKey(group.file, place, pk)))).flat();
  return rows.filter((row) => BigInt(row[AT.lsn]!) <= upto);
}

/** The file as far as the bloom filter is concerned, which is read at once. */
async function wholeFilter({ file, place: { bloom } }: ReachedGroup) {
  const [offset, length] = bloom;
  const bytes = await file.slice(offset, offset + length);
  return {
    byteLength: file.byteLength,
    slice: (start: number, end?: number): ArrayBuffer =>
      bytes.slice(start - offset, (end ?? offset + length) - offset),
  };
}

async function allRowsOf(window: RowWindow, count: number, keys: ReadonlySet<string>): Promise<ArchiveRow[]> {
  const rows: ArchiveRow[] = [];
  for (let start = 0; start < count; start += WINDOW_ROWS) {
    const some = await window.read(start, Math.min(count, start + WINDOW_ROWS));
    rows.push(...some.filter((row) => keys.has(row[AT.pk]!)));
  }
  return rows;
}
