/** The rows of an interval of positions. A unit has the order of keys, so the positions of all its rows are read, and then the rows. */
import { TimewarpError } from '../errors/timewarp-error.ts';
import { type ArchiveRow, AT, CHANGE_NAMES } from './columns.ts';
import { RowWindow } from './row-window.ts';
import type { UnitGroup } from './unit-rows.ts';

/** So many rows are decoded at a time. */
const WINDOW_ROWS = 5_000;

/** So many groups are read at the same time. */
const GROUPS = 4;

export interface Positions {
  /** Without it. */
  readonly lower: bigint;
  /** With it. */
  readonly upper: bigint;
}

/** Yields the rows of each group, without TRUNCATEs. @param columns the columns that are read, among them `pk` and `valid_from_lsn` */
export async function* intervalRows(
  groups: readonly UnitGroup[],
  positions: Positions,
  columns = CHANGE_NAMES,
): AsyncGenerator<ArchiveRow[]> {
  for (let at = 0; at < groups.length; at += GROUPS) {
    const some = groups.slice(at, at + GROUPS);
    yield* await Promise.all(some.map((group) => rowsOfGroup(group, positions, columns)));
  }
}

async function rowsOfGroup(
  { path, file, place }: UnitGroup,
  { lower, upper }: Positions,
  columns: readonly string[],
): Promise<ArchiveRow[]> {
  const window = new RowWindow(file, place, path);
  const isInside = (row: ArchiveRow): boolean => {
    const lsn = BigInt(row[AT.lsn]!);
    return lsn > lower && lsn <= upper;
  };
  const places = await window.read(0, place.rows, ['valid_from_lsn']);
  const found: ArchiveRow[] = [];
  for (let start = 0; start < place.rows; start += WINDOW_ROWS) {
    const end = Math.min(place.rows, start + WINDOW_ROWS);
    const isWanted = places.slice(start, end).map(isInside);
    const first = isWanted.indexOf(true);
    if (first === -1) continue;
    const rows = await window.read(start + first, start + isWanted.lastIndexOf(true) + 1, columns);
    found.push(...rows.filter((row) => isInside(row) && row[AT.pk] !== ''));
    if (found.length > MOST_CHANGES) throw tooManyChanges();
  }
  return found;
}

/** A question about an interval gets at most so many changes of the archive, with the versions before them. */
export const MOST_CHANGES = 10_000;

/** Of the letters of these: they are in memory at the same time. */
export const MOST_LETTERS = 32 * 1024 * 1024;

export function lettersOf(rows: readonly ArchiveRow[]): number {
  return rows.reduce((sum, row) => row.reduce((all, text) => all + (text?.length ?? 0), sum), 0);
}

export function tooManyChanges(): TimewarpError {
  return new TimewarpError(
    'ARCHIVE_TOO_MUCH',
    `The interval has more than ${MOST_CHANGES.toLocaleString('en')} changes of a table in the archive, with the versions before them, or more than ${MOST_LETTERS / 1024 / 1024} MiB of them.`,
    { remedy: 'Ask for a shorter interval, or run the query of `pgtimewarp archive sql`.' },
  );
}
