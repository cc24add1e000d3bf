/**
 * What happened to a table between two runs that the log does not tell. Pure: the catalog before, the catalog now,
 * findings out. What rewrites no row and loses none is no finding: a column added without default, dropped, renamed or
 * widened, VACUUM FULL, TRUNCATE. A name that goes from one column to another is one: rows that nobody writes to keep,
 * in their history, what the former column held.
 */
import { formatTableName, type TableName } from '../pg/identifiers.ts';
import type { CatalogColumn, CatalogFacts, CatalogLeaf } from '../types/catalog-facts.ts';

export type SilentChangeCode =
  | 'TABLE_GONE'
  | 'TABLE_RECREATED'
  | 'TABLE_RENAMED'
  | 'KEY_LOST'
  | 'KEY_CHANGED'
  | 'IDENTITY_LOST'
  | 'ROWS_LEFT_OUT'
  | 'PERSISTENCE_CHANGED'
  | 'COLUMN_REWRITTEN'
  | 'COLUMN_FILLED'
  | 'COLUMN_DEFAULTED'
  | 'COLUMN_REPLACED'
  | 'LEAF_GONE'
  | 'LEAF_REATTACHED'
  | 'LEAF_NAME_REUSED'
  | 'UNPUBLISHED'
  | 'PUBLISHED_IN_PART'
  | 'PUBLISHED_AGAIN';

export interface SilentChange {
  readonly code: SilentChangeCode;
  /** One sentence without a full stop, for people. */
  readonly reason: string;
  /** The table can be read again without anybody's decision. */
  readonly repairsItself: boolean;
}

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
  const publication = publicationChanges(table, before, now);
  if (before === null) return publication;
  if (before.oid !== now.oid) {
    return [found('TABLE_RECREATED', `${table} was made anew: OID ${now.oid} instead of ${before.oid}`)];
  }
  return [
    ...publication,
    ...nameChanges(table, before, now),
    ...keyChanges(table, before, now),
    ...persistenceChanges(table, before, now),
    ...columnChanges(table, before, now, excluded),
    ...leafChanges(before.leaves, now.leaves),
  ];
}

/** What is not published does not come. (Of a new owner see nameChanges().) */
function publicationChanges(table: string, before: CatalogFacts | null, now: CatalogFacts): SilentChange[] {
  if (now.published === undefined) return [];
  if (now.published === null) return [found('UNPUBLISHED', `${table} was taken out of the publication`)];
  if (!now.published.whole) {
    return [found('PUBLISHED_IN_PART', `the publication does not show every change of ${table}`)];
  }
  const [then, { entry, changedBy, owner }] = [before?.published, now.published];
  if (then === undefined) return []; // the first look
  const isSame = then?.whole === true && then.entry === entry;
  return isSame && (then.changedBy === changedBy || then.owner !== owner)
    ? []
    : [found('PUBLISHED_AGAIN', `${table} was not published in full for a time`, true)];
}

/** What happened under another name is lost. A new owner is another entry for the row type too, and says nothing. */
function nameChanges(table: string, before: CatalogFacts, now: CatalogFacts): SilentChange[] {
  return before.namedBy === undefined || before.namedBy === now.namedBy || before.owner !== now.owner
    ? []
    : [found('TABLE_RENAMED', `${table} was renamed, and has its name back`)];
}

function keyChanges(table: string, before: CatalogFacts, now: CatalogFacts): SilentChange[] {
  const key = now.key.join(', ');
  if (key !== before.key.join(', ')) {
    return now.key.length === 0
      ? [found('KEY_LOST', `${table} has lost its primary key (${before.key.join(', ')})`)]
      : [
          found(
            'KEY_CHANGED',
            `the primary key of ${table} is (${key}) instead of (${before.key.join(', ')})`,
          ),
        ];
  }
  const lost = (identity: string, isKey: boolean): boolean =>
    identity === 'n' || (identity === 'i' && !isKey);
  if (
    lost(now.replicaIdentity, now.identityIsPrimaryKey) &&
    !lost(before.replicaIdentity, before.identityIsPrimaryKey)
  ) {
    return [found('IDENTITY_LOST', `the replica identity of ${table} is not its primary key any more`)];
  }
  const leaves = new Map(before.leaves.map((leaf) => [leaf.relid, leaf]));
  const leaf = now.leaves.find(
    (each) => each.replicaIdentity === 'n' && leaves.get(each.relid)?.replicaIdentity !== 'n',
  );
  return leaf === undefined
    ? []
    : [found('IDENTITY_LOST', `the partition ${formatTableName(leaf)} has REPLICA IDENTITY NOTHING`)];
}

function persistenceChanges(table: string, before: CatalogFacts, now: CatalogFacts): SilentChange[] {
  const changed = (what: string, persistence: string): SilentChange =>
    found('PERSISTENCE_CHANGED', `${what} was made ${persistence === 'u' ? 'UNLOGGED' : 'LOGGED'}`);
  if (before.persistence !== now.persistence) return [changed(table, now.persistence)];
  return pairs(before.leaves, now.leaves)
    .filter(([old, leaf]) => old.persistence !== leaf.persistence)
    .map(([, leaf]) => changed(`the partition ${formatTableName(leaf)}`, leaf.persistence));
}

function columnChanges(
  table: string,
  before: CatalogFacts,
  now: CatalogFacts,
  excluded: readonly string[],
): SilentChange[] {
  const rewritten =
    before.filenode !== now.filenode ||
    pairs(before.leaves, now.leaves).some(([old, leaf]) => old.filenode !== leaf.filenode);
  const changes: SilentChange[] = [];
  for (const column of now.columns) {
    if (excluded.includes(column.name)) continue;
    const where = `the column "${column.name}" of ${table}`;
    const old = before.columns.find((each) => each.attnum === column.attnum);
    if (old !== undefined) {
      if (isRewritten(old, column, rewritten)) {
        changes.push(
          found('COLUMN_REWRITTEN', `${where} was rewritten (${old.typeName} to ${column.typeName})`),
        );
      } else if (old.name !== column.name && isTakenOver(column, before)) {
        changes.push(found('COLUMN_REPLACED', `${where} has the name of a former column`, true));
      }
    } else if (column.generated === 's') {
      changes.push(found('COLUMN_FILLED', `${where} was added with values that are generated`));
    } else if (column.hasMissing) {
      changes.push(found('COLUMN_DEFAULTED', `${where} was added with a default`, true));
    } else if (rewritten && column.generated === '') {
      changes.push(found('COLUMN_FILLED', `${where} was added and the table rewritten`));
    } else if (isTakenOver(column, before)) {
      changes.push(found('COLUMN_REPLACED', `${where} was added under the name of a former column`, true));
    }
  }
  return changes;
}

/** Whether another column had the name. A virtual one is not tracked: reading it again would not help. */
function isTakenOver({ name, attnum, generated }: CatalogColumn, before: CatalogFacts): boolean {
  if (generated === 'v') return false;
  return [...before.columns, ...(before.formerColumns ?? [])].some(
    (each) => each.name === name && each.attnum !== attnum,
  );
}

/** Whether values under the column may be others than before. A new file alone is VACUUM FULL, CLUSTER or TRUNCATE. */
function isRewritten(old: CatalogColumn, now: CatalogColumn, fileChanged: boolean): boolean {
  if (
    old.baseTypeOid !== now.baseTypeOid &&
    !(TEXT_LIKE.has(old.baseTypeOid) && TEXT_LIKE.has(now.baseTypeOid))
  ) {
    return true; // without a rewrite the same bytes can still print another text (timestamp and timestamptz)
  }
  if (!fileChanged || old.describedBy === now.describedBy) return false;
  // VACUUM FULL fills in a constant default and forgets it: that too changes the description
  return old.typeName !== now.typeName || !(old.hasMissing && !now.hasMissing);
}

function leafChanges(before: readonly CatalogLeaf[], now: readonly CatalogLeaf[]): SilentChange[] {
  const present = new Set(now.map((leaf) => leaf.relid));
  const oldNames = new Map(before.map((leaf) => [formatTableName(leaf), leaf.relid]));
  const changes = before
    .filter((leaf) => !present.has(leaf.relid))
    .map((leaf) => found('LEAF_GONE', `the partition ${formatTableName(leaf)} was detached or dropped`));
  for (const [old, leaf] of pairs(before, now)) {
    if (old.attachedBy !== leaf.attachedBy) {
      const reason = `the partition ${formatTableName(leaf)} was detached and attached again`;
      changes.push(found('LEAF_REATTACHED', reason));
    }
  }
  for (const leaf of now) {
    const former = oldNames.get(formatTableName(leaf));
    if (former !== undefined && former !== leaf.relid && present.has(former)) {
      const reason = `the name ${formatTableName(leaf)} went from one partition to another`;
      changes.push(found('LEAF_NAME_REUSED', reason));
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

function found(code: SilentChangeCode, reason: string, repairsItself = false): SilentChange {
  return { code, reason, repairsItself };
}
