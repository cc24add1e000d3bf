/**
 * Finds silent changes: changes of a table between two runs that the log does not contain. Pure: it compares the catalog of
 * the last run with the catalog now. These operations rewrite no row and lose none, so they are no silent change: a column
 * added without default, dropped, renamed or widened, VACUUM FULL, CLUSTER, TRUNCATE, REINDEX, new labels of an enum,
 * rights, comments, statistics. Everything else that can change what rows print, or what the log contains of them, is one.
 * A name that moves from one column to another is one, too: the history of a row that is not written again holds the value
 * of the former column under that name.
 */
import { formatTableName, type TableName } from '../../pg/identifiers.ts';
import type {
  CatalogColumn,
  CatalogFacts,
  CatalogLeaf,
  CatalogNamespace,
} from '../../types/catalog-facts.ts';

export type SilentChangeCode =
  | 'TABLE_GONE'
  /** The log no longer contains the changes of the table, or not their keys. */
  | 'NOT_IN_LOG'
  | 'KEY_CHANGED'
  | 'UNPUBLISHED'
  | 'PUBLISHED_IN_PART'
  | 'PUBLISHED_AGAIN'
  /** The rows may differ from those of the history: a repair reads them. */
  | 'TABLE_CHANGED'
  | 'ROWS_LEFT_OUT';

export interface SilentChange {
  readonly code: SilentChangeCode;
  /** One sentence without a full stop, for people. */
  readonly reason: string;
  /** A run can ask for the repair without a person. */
  readonly repairsItself: boolean;
}

const REPAIR_THEMSELVES: ReadonlySet<SilentChangeCode> = new Set([
  'TABLE_CHANGED',
  'PUBLISHED_AGAIN',
  'ROWS_LEFT_OUT',
]);

const TEXT_LIKE = new Set([25, 1043]); // text and varchar hold the same bytes and print the same text

export interface Comparison {
  /** The name under which the table is tracked. */
  readonly name: TableName;
  /** The catalog at the last run; null: there was none. */
  readonly before: CatalogFacts | null;
  /** The catalog of this run; null: the source has no table of that name. */
  readonly now: CatalogFacts | null;
  /** Columns that are not tracked. */
  readonly excluded?: readonly string[];
}

export function detectSilentChanges({ name, before, now, excluded = [] }: Comparison): SilentChange[] {
  const table = formatTableName(name);
  if (now === null) return [found('TABLE_GONE', `${table} is gone from the source: dropped or renamed`)];
  const obstacles = obstacleChanges(table, before, now);
  const publication = publicationChanges(table, before, now);
  if (before === null) return [...obstacles, ...publication];
  if (before.oid !== now.oid) {
    const recreated = found(
      'TABLE_CHANGED',
      `${table} was recreated: OID ${now.oid} instead of ${before.oid}`,
    );
    return [...obstacles, recreated, ...keyChanges(table, before, now)];
  }
  const tracked = now.columns.filter((column) => !excluded.includes(column.name));
  return [
    ...obstacles,
    ...publication,
    ...nameChanges(table, before, now),
    ...keyChanges(table, before, now),
    ...columnChanges(table, before, { ...now, columns: tracked }),
    ...leafChanges(before.leaves, now.leaves),
  ];
}

/** The reason why the log does not contain the table's changes has appeared, changed or gone. */
function obstacleChanges(table: string, before: CatalogFacts | null, now: CatalogFacts): SilentChange[] {
  const [then, obstacle] = [before?.obstacle, now.obstacle];
  if (typeof obstacle === 'string')
    return then === obstacle ? [] : [found('NOT_IN_LOG', withoutFullStop(obstacle))];
  return typeof then === 'string'
    ? [
        found(
          'TABLE_CHANGED',
          `the log contains the changes of ${table} again; before: ${withoutFullStop(then)}`,
        ),
      ]
    : [];
}

/** pgoutput delivers only what the publication shows. */
function publicationChanges(table: string, before: CatalogFacts | null, now: CatalogFacts): SilentChange[] {
  if (now.published === undefined) return [];
  if (now.published === null) return [found('UNPUBLISHED', `${table} was taken out of the publication`)];
  if (!now.published.whole) {
    return [found('PUBLISHED_IN_PART', `the publication does not show every change of ${table}`)];
  }
  const [then, { entry, changedBy }] = [before?.published, now.published];
  if (then === undefined) return []; // the first look
  return then?.whole === true && then.entry === entry && then.changedBy === changedBy
    ? []
    : [found('PUBLISHED_AGAIN', `${table} was not published in full for a time`)];
}

/**
 * Changes made under another name are lost: wal2json selects tables by name. A table with another name than before may have
 * had a third name in between. A new owner also writes a new version of the row type's entry, and a rename could hide
 * behind that.
 */
function nameChanges(table: string, before: CatalogFacts, now: CatalogFacts): SilentChange[] {
  const places = [
    { what: table, old: before, now },
    ...pairs(before.leaves, now.leaves).map(([old, leaf]) => ({
      ...{ what: `the partition ${formatTableName(leaf)}`, old, now: leaf },
    })),
  ];
  for (const { what, old, now: it } of places) {
    if (old.namedBy !== undefined && old.namedBy !== it.namedBy)
      return [found('TABLE_CHANGED', `${what} had another name for a time, or another owner`)];
    if (isRenamedSchema(old.namespace, it.namespace))
      return [found('TABLE_CHANGED', `the schema of ${what} was renamed, and has its name back`)];
  }
  return [];
}

/** A change of rights writes a new version of the schema's entry, too: it is no rename. */
function isRenamedSchema(old: CatalogNamespace | undefined, now: CatalogNamespace | undefined): boolean {
  if (old === undefined || now === undefined || old.changedBy === now.changedBy) return false;
  return old.rights === now.rights;
}

function keyChanges(table: string, before: CatalogFacts, now: CatalogFacts): SilentChange[] {
  if (before.key.length === 0 || now.key.length === 0) return []; // obstacleChanges() reports a missing key
  const [oldKey, key] = [before.key.join(', '), now.key.join(', ')];
  if (oldKey !== key) {
    const code = before.oid === now.oid && isSameKey(before, now) ? 'TABLE_CHANGED' : 'KEY_CHANGED';
    return [found(code, `the primary key of ${table} is (${key}) instead of (${oldKey})`)];
  }
  const hasNewKey = (old: CatalogFacts | CatalogLeaf, it: CatalogFacts | CatalogLeaf): boolean =>
    old.keyConstraint !== undefined && old.keyConstraint !== null && old.keyConstraint !== it.keyConstraint;
  if (before.oid === now.oid && hasNewKey(before, now)) {
    return [found('TABLE_CHANGED', `the primary key of ${table} was dropped and added again`)];
  }
  const leaf = pairs(before.leaves, now.leaves).find(([old, each]) => hasNewKey(old, each))?.[1];
  return leaf === undefined
    ? []
    : [
        found(
          'TABLE_CHANGED',
          `the primary key of the partition ${formatTableName(leaf)} was dropped and added again`,
        ),
      ];
}

/** Whether the key has the same columns, under other names. */
function isSameKey(before: CatalogFacts, now: CatalogFacts): boolean {
  const numbers = ({ key, columns }: CatalogFacts): string =>
    key.map((name) => columns.find((column) => column.name === name)?.attnum).join();
  return numbers(before) === numbers(now);
}

/** @param now with the tracked columns only */
function columnChanges(table: string, before: CatalogFacts, now: CatalogFacts): SilentChange[] {
  const file = fileChange(before, now);
  const changes: SilentChange[] = [];
  for (const column of now.columns) {
    const where = `the column "${column.name}" of ${table}`;
    const old = before.columns.find((each) => each.attnum === column.attnum);
    if (old !== undefined) {
      if (isRewritten(old, column, file)) {
        const types = `${old.typeName} to ${column.typeName}`;
        changes.push(found('TABLE_CHANGED', `${where} was rewritten (${types})`));
      } else if (old.name !== column.name && isTakenOver(column, before)) {
        changes.push(found('TABLE_CHANGED', `${where} has the name of a former column`));
      }
    } else if (column.generated === 's') {
      changes.push(found('TABLE_CHANGED', `${where} was added with values that are generated`));
    } else if (column.hasMissing) {
      changes.push(found('TABLE_CHANGED', `${where} was added with a default`));
    } else if (file !== 'same' && column.generated === '') {
      changes.push(found('TABLE_CHANGED', `${where} was added and the table rewritten`));
    } else if (isTakenOver(column, before)) {
      changes.push(found('TABLE_CHANGED', `${where} was added under the name of a former column`));
    }
  }
  const type = typePrintedDifferently(before, now);
  if (type !== null)
    changes.push(found('TABLE_CHANGED', `values of the type ${type} in ${table} print another text`));
  if (changes.length === 0 && file === 'rewritten' && canHaveBeenUnlogged(now))
    changes.push(found('TABLE_CHANGED', `${table} was rewritten`));
  return changes;
}

/**
 * A rewrite may be ALTER TABLE SET UNLOGGED and back: no log contains the changes in between. Other rewrites that keep the
 * columns (pg_repack, another access method) lose nothing, but look the same. PostgreSQL refuses SET UNLOGGED for a table
 * that is itself in a publication, but not for the partitions of such a table.
 */
function canHaveBeenUnlogged({ published, relkind }: CatalogFacts): boolean {
  return published === undefined || relkind === 'p';
}

/**
 * same: the file is the same | copied: the same rows in a new file; the copy fills in the defaults of added columns without
 * a trace | rewritten: by ALTER TABLE | unclear: without a TOAST table, copied and rewritten look the same
 */
type FileChange = 'same' | 'copied' | 'rewritten' | 'unclear';

function fileChange(before: CatalogFacts, now: CatalogFacts): FileChange {
  let change: FileChange = 'same';
  for (const [old, it] of [[before, now] as const, ...pairs(before.leaves, now.leaves)]) {
    if (old.filenode === it.filenode) continue;
    if (old.toast === undefined || (old.toast === 0 && it.toast === 0)) change = 'unclear';
    else if (old.toast !== it.toast) return 'rewritten';
    else if (change === 'same') change = 'copied';
  }
  return change;
}

/** Whether another column had the name. A virtual column has no stored values, so a repair could not read it. */
function isTakenOver({ name, attnum, generated }: CatalogColumn, before: CatalogFacts): boolean {
  if (generated === 'v') return false;
  return [...before.columns, ...(before.formerColumns ?? [])].some(
    (each) => each.name === name && each.attnum !== attnum,
  );
}

/** Whether the column may hold other values than before. */
function isRewritten(old: CatalogColumn, now: CatalogColumn, file: FileChange): boolean {
  if (
    old.baseTypeOid !== now.baseTypeOid &&
    !(TEXT_LIKE.has(old.baseTypeOid) && TEXT_LIKE.has(now.baseTypeOid))
  ) {
    return true; // even without a rewrite, the same bytes can print another text (timestamp and timestamptz)
  }
  if (file === 'same' || file === 'copied' || old.describedBy === now.describedBy) return false;
  if (file === 'rewritten' || old.typeName !== now.typeName) return true;
  // ALTER TYPE writes a new entry for the default. VACUUM FULL fills in an added constant, but keeps that entry.
  const isDefaultKept = typeof old.defaultOid === 'number' && old.defaultOid === now.defaultOid;
  return !isDefaultKept;
}

/** The name of a type whose values print another text than before; null: there is none. */
function typePrintedDifferently(before: CatalogFacts, now: CatalogFacts): string | null {
  const old = new Map((before.types ?? []).map((type) => [type.oid, type]));
  for (const type of now.types ?? []) {
    const parts = old.get(type.oid)?.parts;
    if (parts === undefined) continue;
    const [then, since] = [new Set(parts), new Set(type.parts)];
    const gone = parts.some((part) => !since.has(part));
    if (gone || type.parts.some((part) => !part.startsWith('+') && !then.has(part))) return type.typname;
  }
  return null;
}

function leafChanges(before: readonly CatalogLeaf[], now: readonly CatalogLeaf[]): SilentChange[] {
  const present = new Set(now.map((leaf) => leaf.relid));
  const oldNames = new Map(before.map((leaf) => [formatTableName(leaf), leaf.relid]));
  const changes = before
    .filter((leaf) => !present.has(leaf.relid))
    .map((leaf) => found('TABLE_CHANGED', `the partition ${formatTableName(leaf)} was detached or dropped`));
  for (const [old, leaf] of pairs(before, now)) {
    if (old.attachedBy !== leaf.attachedBy) {
      const reason = `the partition ${formatTableName(leaf)} was detached and attached again`;
      changes.push(found('TABLE_CHANGED', reason));
    }
  }
  for (const leaf of now) {
    if (leaf.namedBy === undefined) continue; // pgoutput identifies tables by OID
    const former = oldNames.get(formatTableName(leaf));
    if (former !== undefined && former !== leaf.relid && present.has(former)) {
      const reason = `the name ${formatTableName(leaf)} went from one partition to another`;
      changes.push(found('TABLE_CHANGED', reason));
    }
  }
  return changes;
}

/** Leaves that both catalogs have, by OID. */
function pairs(
  before: readonly CatalogLeaf[],
  now: readonly CatalogLeaf[],
): (readonly [old: CatalogLeaf, now: CatalogLeaf])[] {
  const old = new Map(before.map((leaf) => [leaf.relid, leaf]));
  return now.flatMap((leaf) => {
    const same = old.get(leaf.relid);
    return same === undefined ? [] : [[same, leaf] as const];
  });
}

function withoutFullStop(sentence: string): string {
  return sentence.replace(/\.$/, '');
}

function found(code: SilentChangeCode, reason: string): SilentChange {
  return { code, reason, repairsItself: REPAIR_THEMSELVES.has(code) };
}
