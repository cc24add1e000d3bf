/**
 * What questions about an interval of positions need of the archive: its changes with the version before each of them, or how many changes
 * each commit made. Both are bounded: an interval with more is refused.
 */
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { Queryable } from '../pg/connection.ts';
import type { ArchivedInterval, ReadArchive } from '../query/archived.ts';
import { parseLsn } from '../types/lsn.ts';
import { type ArchiveRow, AT, membersOf } from './columns.ts';
import { formerVersions, type ReachedGroup } from './former-versions.ts';
import {
  intervalRows,
  lettersOf,
  MOST_CHANGES,
  MOST_LETTERS,
  type Positions,
  tooManyChanges,
} from './interval-rows.ts';
import { readGroupsAfter, requireAllFiles } from './known-files.ts';
import type { ObjectStore } from './object-store.ts';
import { Budget, Ranges } from './ranges.ts';
import { PAGE_LIMITS, TableReader } from './table-reader.ts';

/** Counts of more commits are refused. */
const MOST_COUNTS = 100_000;

interface Interval {
  readonly groups: readonly ReachedGroup[];
  readonly positions: Positions;
}

/** Pages of one question need the same interval: so many answers are kept for each session of the store. */
const KEPT = 4;

/** Reads what {@link ReadArchive.readInterval} promises. */
export function intervalReader(open: () => ObjectStore): ReadArchive['readInterval'] {
  const kept = new WeakMap<Queryable, Map<string, Promise<string>>>();
  return (store, kind, wanted) => {
    const own = kept.get(store) ?? new Map<string, Promise<string>>();
    kept.set(store, own);
    const name = JSON.stringify([kind, wanted.relationId, wanted.before, wanted.from, wanted.to]);
    const known = own.get(name);
    if (known !== undefined) return known;
    const reading = (kind === 'changes' ? readChanges : readCounts)(store, open(), wanted);
    own.set(name, reading);
    reading.catch(() => own.delete(name));
    for (const oldest of [...own.keys()].slice(0, Math.max(0, own.size - KEPT))) own.delete(oldest);
    return reading;
  };
}

/** All changes of the interval, and of each of their keys the version before it; if a TRUNCATE lies in it, of all keys. */
async function readChanges(
  store: Queryable,
  objects: ObjectStore,
  wanted: ArchivedInterval,
): Promise<string> {
  const { groups, positions } = await openInterval(store, objects, wanted);
  const rows: ArchiveRow[] = [];
  let letters = 0;
  for await (const some of intervalRows(groups.filter(isInside(positions)), positions)) {
    rows.push(...some);
    letters += lettersOf(some);
    if (rows.length > MOST_CHANGES || letters > MOST_LETTERS) throw tooManyChanges();
  }
  const { has_truncates: hasTruncates, has_gaps: hasGaps } = await askStore(store, wanted);
  const former = hasTruncates
    ? await allFormer(store, objects, wanted)
    : await formerVersions(
        groups.filter(({ from }) => from <= positions.lower),
        keysWithFormer(rows, hasGaps),
        positions.lower,
      );
  const all = new Map<string, ArchiveRow>();
  for (const row of [...rows, ...former]) all.set(`${row[AT.lsn]} ${row[AT.seq]} ${row[AT.pk]}`, row);
  if (all.size > MOST_CHANGES || letters + lettersOf(former) > MOST_LETTERS) throw tooManyChanges();
  return partOf(wanted, 'changes', [...all.values()].map(membersOf));
}

/** How many changes of each kind each commit made: rows {valid_from_lsn, op, number}. */
async function readCounts(store: Queryable, objects: ObjectStore, wanted: ArchivedInterval): Promise<string> {
  const { groups, positions } = await openInterval(store, objects, wanted);
  const counts = new Map<string, { valid_from_lsn: string; op: string; number: number }>();
  const columns = ['pk', 'valid_from_lsn', 'op', 'xid'];
  for await (const rows of intervalRows(groups.filter(isInside(positions)), positions, columns))
    for (const row of rows) {
      if (row[AT.xid] === null) continue; // a row that was read belongs to no commit
      const [lsn, op] = [row[AT.lsn]!, row[AT.op]!];
      const known = counts.get(`${lsn} ${op}`);
      if (known === undefined) counts.set(`${lsn} ${op}`, { valid_from_lsn: lsn, op, number: 1 });
      else known.number += 1;
      if (counts.size <= MOST_COUNTS) continue;
      throw new TimewarpError('ARCHIVE_TOO_MUCH', `The interval has more than ${MOST_COUNTS} commits.`);
    }
  return partOf(wanted, 'counts', [...counts.values()]);
}

function partOf({ relationId, before, from, to }: ArchivedInterval, kind: string, rows: object[]): string {
  return JSON.stringify({ relation_id: relationId, before, from, to, kind, rows, damaged: [] });
}

async function openInterval(
  store: Queryable,
  objects: ObjectStore,
  wanted: ArchivedInterval,
): Promise<Interval> {
  await requireAllFiles(store, wanted);
  const budget = new Budget(PAGE_LIMITS);
  const groups = (await readGroupsAfter(store, { ...wanted, after: '' })).map((group) => {
    const read = (start: number, end: number): Promise<Uint8Array> =>
      objects.getRange(group.path, group.sha256, [start, end]);
    return { ...group, file: new Ranges(group.bytes, read, budget) };
  });
  const [before, to] = [parseLsn(wanted.before), parseLsn(wanted.to)];
  const positions = { lower: parseLsn(wanted.from), upper: to < before ? to : before - 1n };
  return { groups, positions };
}

const isInside =
  ({ lower, upper }: Positions) =>
  ({ from, to }: ReachedGroup): boolean =>
    from <= upper && to > lower + 1n;

/** An insert shows that there was no row before it, unless a deletion was lost in a gap. */
function keysWithFormer(rows: readonly ArchiveRow[], hasGaps: boolean): Set<string> {
  const first = new Map<string, ArchiveRow>();
  for (const row of rows) {
    const known = first.get(row[AT.pk]!);
    if (known === undefined || isEarlier(row, known)) first.set(row[AT.pk]!, row);
  }
  return new Set([...first].filter(([, row]) => hasGaps || row[AT.op] !== 'I').map(([pk]) => pk));
}

function isEarlier(a: ArchiveRow, b: ArchiveRow): boolean {
  const [one, other] = [BigInt(a[AT.lsn]!), BigInt(b[AT.lsn]!)];
  return one < other || (one === other && Number.parseInt(a[AT.seq]!, 10) < Number.parseInt(b[AT.seq]!, 10));
}

/** TRUNCATEs and gaps stay in the store. */
async function askStore(
  store: Queryable,
  { relationId, before, from, to }: ArchivedInterval,
): Promise<{ readonly has_truncates: boolean; readonly has_gaps: boolean }> {
  const { rows } = await store.query<{ has_truncates: boolean; has_gaps: boolean }>(
    `SELECT EXISTS (SELECT FROM pgtimewarp.relation_events AS e
                     WHERE e.relation_id = p.relation_id AND e.op = 'T' AND e.lsn > $2::pg_lsn AND e.lsn <= $3::pg_lsn
                       AND e.lsn < $4::pg_lsn) AS has_truncates,
            EXISTS (SELECT FROM pgtimewarp.history_gaps AS g
                     WHERE g.node_id = p.node_id AND (g.relation_id IS NULL OR g.relation_id = p.relation_id)) AS has_gaps
       FROM pgtimewarp.relation_periods AS p WHERE p.relation_id = $1::int`,
    [relationId, from, to, before],
  );
  return rows[0]!;
}

/** The last version of every key up to the beginning of the interval, and what decides whether a row that was read was there. */
async function allFormer(
  store: Queryable,
  objects: ObjectStore,
  { relationId, before, from }: ArchivedInterval,
): Promise<ArchiveRow[]> {
  const reader = new TableReader(objects, { relationId, before, lsn: from });
  const rows: ArchiveRow[] = [];
  let letters = 0;
  for await (const some of reader.allRows(store)) {
    rows.push(...some);
    letters += lettersOf(some);
    if (rows.length > MOST_CHANGES || letters > MOST_LETTERS) throw tooManyChanges();
  }
  return rows;
}
