/**
 * Reads what a question needs of some keys out of the files of a relation, for the functions of the store. The bloom filters of all units
 * are asked in one wave. Then the units of the interval are read, and beyond it one after the other until the key is found.
 */
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { Queryable } from '../pg/connection.ts';
import type { ArchivedTable, ArchivedTableWanted, ArchivedWanted, ReadArchive } from '../query/archived.ts';
import type { KeyInput } from '../query/key-input.ts';
import { fromQueryError } from '../query/query-error.ts';
import { parseLsn } from '../types/lsn.ts';
import { type ArchiveRow, AT, membersOf } from './columns.ts';
import { requireAllFiles } from './known-files.ts';
import type { ObjectStore } from './object-store.ts';
import { Budget, type Limits, Ranges } from './ranges.ts';
import { intervalReader } from './read-interval.ts';
import { mayHaveKey, readKey } from './read-key.ts';
import type { RowGroupPlace } from './row-groups.ts';
import { TableReader } from './table-reader.ts';

/** A group that may have the key by its bounds. */
interface Candidate {
  readonly path: string;
  readonly file: Ranges;
  readonly group: RowGroupPlace;
  /** The unit's interval: from here, inclusive. */
  readonly from: bigint;
  /** Exclusive. */
  readonly to: bigint;
}

interface Bounds {
  readonly before: bigint;
  readonly from: bigint;
  readonly to: bigint;
}

/**
 * @param open gives the bucket; it is asked when there is something to read
 * @param limits what a page of a whole table may cost, and a question about keys
 */
export function archiveReader(
  open: () => ObjectStore,
  limits: { readonly table?: Limits; readonly keys?: Limits } = {},
): ReadArchive {
  let objects: ObjectStore | undefined;
  const readKeys = async (store: Queryable, wanted: ArchivedWanted): Promise<string> => {
    objects ??= open();
    const bounds = { before: parseLsn(wanted.before), from: parseLsn(wanted.from), to: parseLsn(wanted.to) };
    const budget = new Budget(limits.keys);
    const rows: ArchiveRow[] = [];
    const damaged: string[] = [];
    for (const pk of await canonicalKeys(store, wanted)) {
      try {
        await requireAllFiles(store, wanted);
        const candidates = await readCandidates(store, { wanted, pk, objects, budget });
        rows.push(...(await readNeeded(candidates, { pk, bounds, budget })));
      } catch (error) {
        if (!isDamage(error) || !wanted.mayBeDamaged) throw error;
        damaged.push(pk);
      }
    }
    const { relationId, before, from, to } = wanted;
    const part = {
      kind: 'keys',
      relation_id: relationId,
      before,
      from,
      to,
      rows: rows.map(membersOf),
      damaged,
    };
    return JSON.stringify(part);
  };
  const openTable = async (store: Queryable, wanted: ArchivedTableWanted): Promise<ArchivedTable> => {
    objects ??= open();
    await requireAllFiles(store, wanted);
    return new TableReader(objects, wanted, limits.table);
  };
  return Object.assign(readKeys, { openTable, readInterval: intervalReader(() => (objects ??= open())) });
}

function isDamage(error: unknown): boolean {
  return error instanceof TimewarpError && error.code === 'ARCHIVE_DAMAGED';
}

/** The keys as the history has them. A value that cannot be a key is left out: the store says so itself. */
async function canonicalKeys(store: Queryable, { relationId, pks }: ArchivedWanted): Promise<Set<string>> {
  const keys = new Set<string>();
  for (const pk of pks) {
    const key = await canonicalKey(store, relationId, pk);
    if (key !== null) keys.add(key);
  }
  return keys;
}

async function canonicalKey(store: Queryable, relationId: number, pk: KeyInput): Promise<string | null> {
  let rows: { readonly pk: string | null }[];
  try {
    ({ rows } = await store.query(
      `SELECT pgtimewarp.canonical_key(p.pk_columns, p.pk_kinds, $2::jsonb, false) AS pk
       FROM pgtimewarp.relation_periods AS p WHERE p.relation_id = $1::int`,
      [relationId, pk],
    ));
  } catch (error) {
    if (fromQueryError(error).code === 'BAD_KEY') return null;
    throw fromQueryError(error);
  }
  return rows[0]?.pk ?? null;
}

interface CandidatesOf {
  readonly wanted: ArchivedWanted;
  readonly pk: string;
  readonly objects: ObjectStore;
  readonly budget: Budget;
}

/** The groups that may have the key, in the order of the history. */
async function readCandidates(store: Queryable, of: CandidatesOf): Promise<Candidate[]> {
  const { wanted, pk, objects, budget } = of;
  const { rows } = await store.query<{
    path: string;
    sha256: string;
    bytes: string;
    group: string;
    from_lsn: string;
    to_lsn: string;
  }>(
    `SELECT f.path, f.sha256, f.bytes::text, g.place::text AS group, u.from_lsn::text, u.to_lsn::text
       FROM pgtimewarp.archive_units AS u
       JOIN pgtimewarp.archive_files AS f ON f.relation_id = u.relation_id AND f.unit = u.unit
      CROSS JOIN LATERAL jsonb_array_elements(f.groups) WITH ORDINALITY AS g (place, number)
      WHERE u.relation_id = $1::int AND u.from_lsn < $2::pg_lsn AND f.min_pk <= $3::text AND f.max_pk >= $3::text
        AND (g.place ->> 'min') COLLATE "C" <= $3::text AND (g.place ->> 'max') COLLATE "C" >= $3::text
      ORDER BY u.unit, f.min_pk, g.number`,
    [wanted.relationId, wanted.before, pk],
  );
  const candidates = rows.map(({ path, sha256, bytes, group, from_lsn, to_lsn }): Candidate => {
    const read = (start: number, end: number): Promise<Uint8Array> =>
      objects.getRange(path, sha256, [start, end]);
    return {
      path,
      file: new Ranges(Number.parseInt(bytes, 10), read, budget),
      group: JSON.parse(group) as RowGroupPlace, // our own
      from: parseLsn(from_lsn),
      to: parseLsn(to_lsn),
    };
  });
  const may = await Promise.all(candidates.map(({ file, group }) => mayHaveKey(file, group, pk)));
  return candidates.filter((_, at) => may[at]);
}

/** The rows in (from, to], the last one up to `from`, and the first one after `to`. */
async function readNeeded(
  candidates: readonly Candidate[],
  { pk, bounds, budget }: { readonly pk: string; readonly bounds: Bounds; readonly budget: Budget },
): Promise<ArchiveRow[]> {
  const { before, from, to } = bounds;
  const lsnOf = (row: ArchiveRow): bigint => BigInt(row[AT.lsn]!);
  const read = async (some: readonly Candidate[]): Promise<ArchiveRow[]> => {
    // other groups have few enough of them
    for (const { group } of some) if (group.min === pk && group.max === pk) budget.spendRows(group.rows);
    const found = await Promise.all(some.map(({ file, group }) => readKey(file, group, pk)));
    return found.flat().filter((row) => lsnOf(row) < before);
  };
  const inside = candidates.filter((each) => each.from <= to && each.to > from);
  const rows = await read(inside);
  const older = candidates.filter((each) => each.to <= from);
  const newer = candidates.filter((each) => each.from > to);
  const [former, next] = await Promise.all([
    readUntil(older.toReversed(), read, () => rows.some((row) => lsnOf(row) <= from)),
    readUntil(newer, read, () => rows.some((row) => lsnOf(row) > to)),
  ]);
  const all = [...former, ...rows, ...next].sort(
    (a, b) =>
      Number(lsnOf(a) - lsnOf(b)) || Number.parseInt(a[AT.seq]!, 10) - Number.parseInt(b[AT.seq]!, 10),
  );
  const begin = all.findLastIndex((row) => lsnOf(row) <= from);
  const end = all.findIndex((row) => lsnOf(row) > to);
  return all.slice(Math.max(0, begin), end === -1 ? all.length : end + 1);
}

/** Reads group after group until one has the key: groups of a unit that a file's end or a full group divides are read together. */
async function readUntil(
  candidates: readonly Candidate[],
  read: (some: readonly Candidate[]) => Promise<ArchiveRow[]>,
  isKnown: () => boolean,
): Promise<ArchiveRow[]> {
  if (isKnown()) return [];
  for (let at = 0; at < candidates.length; ) {
    const unit = candidates.filter((each) => each.from === candidates[at]!.from);
    const rows = await read(unit);
    if (rows.length > 0) return rows;
    at += unit.length;
  }
  return [];
}
