/**
 * Joins what the store knows of the tracked tables with what the catalog says now, for one peek: which names in the
 * stream belong to which relation, and since when each column has been the column of its name.
 */
import type pg from 'pg';
import type { TableName } from '../pg/identifiers.ts';
import { readTableFacts, readTypeCatalog, type TableFacts } from '../slot/table-facts.ts';
import type { Horizon } from '../store/claim.ts';
import { type LeafNow, readLeaves } from '../store/leaves.ts';
import type { StoredColumn, TrackedRelation } from '../store/relations.ts';
import { formatLsn, LSN_ZERO, type Lsn, maxLsn, tryParseLsn } from '../types/lsn.ts';
import type { TypeCatalog } from '../types/pg-types.ts';
import type { DecodedTable, TableLookup } from '../types/stream.ts';
import type { ColumnKnownSince } from '../versions/fill-partial.ts';

/** Where a peek stands. */
export interface RunPositions {
  /** Where the last run ended. */
  readonly horizonBefore: Lsn;
  readonly horizon: Horizon;
  /** A position past every change of this peek. */
  readonly positionNow: Lsn;
  /** Relations of which a silent change was found at this peek. */
  readonly foundNow: ReadonlySet<number>;
}

/** A tracked relation with the catalog's view of it; `facts` is null when the source has no table of that name. */
export interface RelationNow {
  readonly relation: TrackedRelation;
  readonly facts: TableFacts | null;
}

export interface TablesOfRun {
  readonly relations: readonly RelationNow[];
  readonly lookup: TableLookup;
  readonly types: TypeCatalog;
  readonly columnKnownSince: ColumnKnownSince;
}

/**
 * The names under which changes of the relations come: the table's own, or its leaves', those included that leaves had
 * when the oldest change that is still to come was written: it comes under the name that its table had at that time.
 */
export function streamNames(relations: readonly RelationNow[]): TableName[] {
  const names = new Map<string, TableName>();
  for (const { relation, facts } of relations) {
    const leaves = leavesEverSeen(relation, facts);
    const own = leaves.length > 0 ? leaves : [relation.name]; // never none: that would ask for every table
    for (const { schema, name } of own) names.set(nameKey(schema, name), { schema, name });
  }
  return [...names.values()];
}

/** Names of leaves under which changes may come; of one name the last leaf counts. */
function leavesEverSeen(
  { catalogFacts }: TrackedRelation,
  facts: TableFacts | null,
): (TableName & { readonly relid: number })[] {
  return [...(catalogFacts?.formerLeaves ?? []), ...(catalogFacts?.leaves ?? []), ...(facts?.leaves ?? [])];
}

/** Whether a relation waits for transactions that may have touched it: to start, or to be read again. */
export function isWaiting(relation: TrackedRelation): boolean {
  return relation.status === 'starting' || (relation.repair !== null && relation.repair.base_lsn === null);
}

/**
 * The leaves of a relation as the catalog has them.
 * @param attached OIDs of those that the store takes for attached; without it, all that were noted
 */
export function leavesNow({ relation, facts }: RelationNow, attached?: ReadonlySet<number>): LeafNow[] {
  const noted = relation.status === 'starting' ? null : (relation.catalogFacts?.leaves ?? null);
  return (facts?.leaves ?? []).map((leaf) => ({
    name: { schema: leaf.schema, name: leaf.name },
    relid: leaf.relid,
    fromTheStart:
      noted === null ||
      (noted.some((each) => each.relid === leaf.relid) && (attached?.has(leaf.relid) ?? true)),
  }));
}

/** Reads the catalog for the relations. @param publication see `publicationOf` */
export async function readRelationsNow(
  source: pg.Client,
  relations: readonly TrackedRelation[],
  publication: string | null,
): Promise<RelationNow[]> {
  const facts = await readTableFacts(
    source,
    relations.map((relation) => relation.name),
    publication,
  );
  return relations.map((relation, index) => ({ relation, facts: facts[index] ?? null }));
}

/**
 * Prepares decoding: call it after the slot function has run, so that the catalog is younger than every change.
 */
export async function tablesOfRun(
  source: pg.Client,
  store: pg.Client,
  relations: readonly RelationNow[],
  positions: RunPositions,
): Promise<TablesOfRun> {
  const storedLeaves = await readLeaves(
    store,
    relations.map(({ relation }) => relation.relationId),
  );
  const tables = new Map<string, DecodedTable>();
  const byRelid = new Map<number, DecodedTable>();
  const known = new Map<string, Lsn>();
  for (const { relation, facts } of relations) {
    const columns = facts === null ? relation.columns : columnsNow(relation.columns, facts, positions);
    const trusted = trustedSince(relation, positions);
    for (const column of columns) {
      const since = tryParseLsn(column.since_lsn) ?? positions.positionNow;
      known.set(`${relation.relationId} ${column.name}`, maxLsn(since, trusted));
    }
    if (relation.status === 'starting') continue; // what came before its start is not its history
    const table = decodedTable(relation, facts, columns);
    const leaves = leavesEverSeen(relation, facts);
    if (leaves.length === 0) {
      const own = nameKey(relation.name.schema, relation.name.name);
      if (!tables.has(own)) tables.set(own, table); // it may have become a partition of another one
      for (const relid of new Set([relation.relid, facts?.oid])) {
        if (typeof relid === 'number' && !byRelid.has(relid)) byRelid.set(relid, table);
      }
    }
    for (const { schema, name, relid } of leaves) {
      const stored = storedLeaves.find(
        (each) => each.relationId === relation.relationId && each.relid === relid,
      );
      if (stored === undefined) continue;
      const leaf = { ...table, schema, name, leafId: stored.leafId };
      tables.set(nameKey(schema, name), leaf);
      byRelid.set(relid, leaf);
    }
  }
  return {
    relations,
    lookup: (schema, name, relid) =>
      (relid === null ? null : byRelid.get(relid)) ?? tables.get(nameKey(schema, name)) ?? null,
    types: await readTypeCatalog(
      source,
      relations.flatMap(({ relation: { catalogFacts } }) => [
        ...(catalogFacts?.formerTypes ?? []),
        ...(catalogFacts?.types ?? []),
      ]),
    ),
    columnKnownSince: (relationId, column) => known.get(`${relationId} ${column}`) ?? null,
  };
}

/** In a gap nothing of before the repair's beginning may fill a hole: the log did not tell of every change. */
function trustedSince(relation: TrackedRelation, positions: RunPositions): Lsn {
  if (positions.foundNow.has(relation.relationId)) return positions.positionNow;
  if (relation.status !== 'needs_rebaseline') return LSN_ZERO;
  return tryParseLsn(relation.repair?.base_lsn ?? '') ?? positions.positionNow;
}

/**
 * The columns as they are now. A column that kept number and name keeps its position; a name that is new to us was
 * used, if ever, by a column that was gone at the last run; a name that went from one column to another did so at an
 * unknown moment before now.
 */
export function columnsNow(
  stored: readonly StoredColumn[],
  facts: TableFacts,
  positions: Pick<RunPositions, 'horizonBefore' | 'positionNow'>,
): StoredColumn[] {
  return facts.columns.map((column) => {
    const same = stored.find((each) => each.name === column.name);
    const formerNames = namesBefore(stored, column.attnum, column.name);
    let since: Lsn;
    if (stored.length === 0) since = LSN_ZERO;
    else if (same === undefined) since = positions.horizonBefore;
    else if (same.attnum === column.attnum) since = tryParseLsn(same.since_lsn) ?? positions.positionNow;
    else since = positions.positionNow;
    return {
      attnum: column.attnum,
      name: column.name,
      type_oid: column.typeOid,
      type_name: column.typeName,
      since_lsn: formatLsn(since),
      ...(formerNames.length === 0 ? {} : { former_names: formerNames }),
    };
  });
}

function hadAnotherName(stored: readonly StoredColumn[], { attnum, name }: StoredColumn): boolean {
  return stored.some((each) => each.attnum === attnum && each.name !== name);
}

/** Of a column that is still the same one, all the names that it had before. */
function namesBefore(stored: readonly StoredColumn[], attnum: number, name: string): string[] {
  const before = stored.find((each) => each.attnum === attnum);
  if (before === undefined) return [];
  return [...new Set([...(before.former_names ?? []), before.name])].filter((each) => each !== name);
}

function decodedTable(
  relation: TrackedRelation,
  facts: TableFacts | null,
  known: readonly StoredColumn[],
): DecodedTable {
  const columns = facts?.columns ?? null;
  return {
    relationId: relation.relationId,
    leafId: null,
    schema: relation.name.schema,
    name: relation.name.name,
    keyColumns: relation.keyColumns,
    excludedColumns: new Set(relation.excludedColumns),
    columns: columns?.map((column) => column.name) ?? null,
    mayBeListed: relation.excludedColumns.length > 0 && facts !== null && facts.relkind !== 'p',
    toastableColumns: new Set(
      columns
        ?.filter((column) => column.variableLength && column.generated !== 'v')
        .map((column) => column.name),
    ),
    formerNames: new Map(known.map((column) => [column.name, column.former_names ?? []])),
    renamedNow: new Set(
      known.filter((column) => hadAnotherName(relation.columns, column)).map((column) => column.name),
    ),
    notNullColumns: new Set(columns?.filter((column) => column.notNull).map((column) => column.name)),
    generatedColumns:
      columns?.filter((column) => column.generated === 's').map((column) => column.name) ?? [],
  };
}

function nameKey(schema: string, name: string): string {
  return `${schema}\u0000${name}`;
}
