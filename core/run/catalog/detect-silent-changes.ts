/**
 * What happened to a table between two runs that the log does not tell. Pure: the catalog before, the catalog now,
 * findings out. A short list of changes rewrites no row and loses none: a column added without default, dropped, renamed
 * or widened, VACUUM FULL, CLUSTER, TRUNCATE, REINDEX, new labels of an enum, rights, comments, statistics. Everything
 * else that can change what rows print, or what the log tells of them, is a finding. A name that goes from one column to
 * another is one: rows that nobody writes to keep, in their history, what the former column held.
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
  /** The log does not tell of it any more, or not by its key. */
  | 'NOT_IN_LOG'
  | 'KEY_CHANGED'
  | 'UNPUBLISHED'
  | 'PUBLISHED_IN_PART'
  | 'PUBLISHED_AGAIN'
  /** Rows may be others than before: they are read again. */
  | 'TABLE_CHANGED'
  | 'ROWS_LEFT_OUT';

export interface SilentChange {
  readonly code: SilentChangeCode;
  /** One sentence without a full stop, for people. */
  readonly reason: string;
  /** The table can be read again without anybody's decision. */
  readonly repairsItself: boolean;
}

const REPAIR_THEMSELVES: ReadonlySet<SilentChangeCode> = new Set([
  'TABLE_CHANGED',
  'PUBLISHED_AGAIN',
  'ROWS_LEFT_OUT',
]);

const TEXT_LIKE = new Set([25, 1043]); // text and varchar hold the same bytes and print the same text

/**
 * @param name what the table is tracked as
 * @param before the catalog at the last run, null when there was none
 * @param now the catalog of this run, null when the source has no table of that name
 * @param excluded columns that are not tracked
 */
export function detectSilentChanges(
  name: TableName,
  before: CatalogFacts | null,
  now: CatalogFacts | null,
  excluded: readonly string[] = [],
): SilentChange[] {
  const table = formatTableName(name);
  if (now === null) return [found('TABLE_GONE', `${table} is gone from the source: dropped or renamed`)];
  const obstacles = obstacleChanges(table, before, now);
  const publication = publicationChanges(table, before, now);
  if (before === null) return [...obstacles, ...publication];
  if (before.oid !== now.oid) {
    const anew = found('TABLE_CHANGED', `${table} was made anew: OID ${now.oid} instead of ${before.oid}`);
    return [...obstacles, anew, ...keyChanges(table, before, now)];
  }
  return [
    ...obstacles,
    ...publication,
    ...nameChanges(table, before, now),
    ...keyChanges(table, before, now),
    ...columnChanges(table, before, now, excluded),
    ...leafChanges(before.leaves, now.leaves),
  ];
}

/** What stood in the way of the log, or stands there now. */
function obstacleChanges(table: string, before: CatalogFacts | null, now: CatalogFacts): SilentChange[] {
  const [then, obstacle] = [before?.obstacle, now.obstacle];
  if (typeof obstacle === 'string')
    return then === obstacle ? [] : [found('NOT_IN_LOG', withoutFullStop(obstacle))];
  return typeof then === 'string'
    ? [found('TABLE_CHANGED', `the log tells of ${table} again; before: ${withoutFullStop(then)}`)]
    : [];
}

/** What is not published does not come. */
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
 * What happened under another name is lost, and nobody says how many names there were: what has another name now may have had
 * a third one in between. A new owner makes another entry for the row type too; a rename could hide behind it.
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

/** Other rights explain why the entry of a schema is another one. */
function isRenamedSchema(old: CatalogNamespace | undefined, now: CatalogNamespace | undefined): boolean {
  if (old === undefined || now === undefined || old.changedBy === now.changedBy) return false;
  return old.rights === now.rights;
}

function keyChanges(table: string, before: CatalogFacts, now: CatalogFacts): SilentChange[] {
  if (before.key.length === 0 || now.key.length === 0) return []; // an obstacle, before or now
  const [oldKey, key] = [before.key.join(', '), now.key.join(', ')];
  if (oldKey !== key) {
    const code = before.oid === now.oid && isSameKey(before, now) ? 'TABLE_CHANGED' : 'KEY_CHANGED';
    return [found(code, `the primary key of ${table} is (${key}) instead of (${oldKey})`)];
  }
  const anew = (old: CatalogFacts | CatalogLeaf, it: CatalogFacts | CatalogLeaf): boolean =>
    old.keyConstraint !== undefined && old.keyConstraint !== null && old.keyConstraint !== it.keyConstraint;
  if (before.oid === now.oid && anew(before, now)) {
    return [found('TABLE_CHANGED', `the primary key of ${table} was dropped and added again`)];
  }
  const leaf = pairs(before.leaves, now.leaves).find(([old, each]) => anew(old, each))?.[1];
  return leaf === undefined
    ? []
    : [
        found(
          'TABLE_CHANGED',
          `the primary key of the partition ${formatTableName(leaf)} was dropped and added again`,
        ),
      ];
}

/** Whether the columns of the key are the same ones, under other names. */
function isSameKey(before: CatalogFacts, now: CatalogFacts): boolean {
  const numbers = ({ key, columns }: CatalogFacts): string =>
    key.map((name) => columns.find((column) => column.name === name)?.attnum).join();
  return numbers(before) === numbers(now);
}

function columnChanges(
  table: string,
  before: CatalogFacts,
  now: CatalogFacts,
  excluded: readonly string[],
): SilentChange[] {
  const file = fileChange(before, now);
  const changes: SilentChange[] = [];
  for (const column of now.columns) {
    if (excluded.includes(column.name)) continue;
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
  const type = printedOtherwise(before, now);
  if (type !== null)
    changes.push(found('TABLE_CHANGED', `values of the type ${type} in ${table} print another text`));
  if (changes.length === 0 && file === 'rewritten' && canHaveBeenUnlogged(now))
    changes.push(found('TABLE_CHANGED', `${table} was rewritten`));
  return changes;
}

/**
 * Rows of that time are in no log. Of other rewrites that leave the columns alone (pg_repack, another access method) nothing
 * is lost, but they look the same. PostgreSQL refuses UNLOGGED for a table that is published itself, not for the
 * partitions of one.
 */
function canHaveBeenUnlogged({ published, relkind }: CatalogFacts): boolean {
  return published === undefined || relkind === 'p';
}

/**
 * same: no other file | copied: the same rows in another one, where defaults of added columns have been filled in without a
 * trace | rewritten: by ALTER TABLE | unclear: no TOAST table tells
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

/** Whether another column had the name. A virtual one is not tracked: reading it again would not help. */
function isTakenOver({ name, attnum, generated }: CatalogColumn, before: CatalogFacts): boolean {
  if (generated === 'v') return false;
  return [...before.columns, ...(before.formerColumns ?? [])].some(
    (each) => each.name === name && each.attnum !== attnum,
  );
}

/** Whether values under the column may be others than before. */
function isRewritten(old: CatalogColumn, now: CatalogColumn, file: FileChange): boolean {
  if (
    old.baseTypeOid !== now.baseTypeOid &&
    !(TEXT_LIKE.has(old.baseTypeOid) && TEXT_LIKE.has(now.baseTypeOid))
  ) {
    return true; // without a rewrite the same bytes can still print another text (timestamp and timestamptz)
  }
  if (file === 'same' || file === 'copied' || old.describedBy === now.describedBy) return false;
  if (file === 'rewritten' || old.typeName !== now.typeName) return true;
  // ALTER TYPE makes the default anew; VACUUM FULL, which fills a constant in and forgets it, does not
  const isDefaultKept = typeof old.defaultOid === 'number' && old.defaultOid === now.defaultOid;
  return !isDefaultKept;
}

/** The name of a type whose values print something else than before. */
function printedOtherwise(before: CatalogFacts, now: CatalogFacts): string | null {
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
    if (leaf.namedBy === undefined) continue; // pgoutput tells tables apart by their OIDs
    const former = oldNames.get(formatTableName(leaf));
    if (former !== undefined && former !== leaf.relid && present.has(former)) {
      const reason = `the name ${formatTableName(leaf)} went from one partition to another`;
      changes.push(found('TABLE_CHANGED', reason));
    }
  }
  return changes;
}

/** Leaves that are there before and now, by OID. */
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
