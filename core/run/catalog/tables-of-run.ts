/**
 * Joins the tracked tables of the store with the catalog as it is now, for one peek. It says which names in the stream belong
 * to which relation, and since when each column has had its name.
 */
import type pg from 'pg';
import type { TableName } from '../../pg/identifiers.ts';
import { columnsNow, hadAnotherName } from '../../setup/columns-now.ts';
import { readTableFacts, readTypeCatalog, type TableFacts } from '../../source/catalog/table-facts.ts';
import type { Horizon } from '../../store/node/claim.ts';
import type { StoredColumn } from '../../store/tables/facts.ts';
import { type LeafNow, readLeaves } from '../../store/tables/leaves.ts';
import type { LostColumn } from '../../store/tables/lost-columns.ts';
import type { TrackedRelation } from '../../store/tables/read.ts';
import { isInGap, isUnderRepair } from '../../store/tables/state.ts';
import type { CommitTime } from '../../types/commit-time.ts';
import { LSN_ZERO, type Lsn, maxLsn, parseLsn, tryParseLsn } from '../../types/lsn.ts';
import type { TypeCatalog } from '../../types/pg-types.ts';
import type { DecodedTable, TableLookup } from '../../types/stream.ts';
import type { ColumnKnownSince } from '../../versions/fill-partial.ts';

/** Where a peek stands. */
export interface RunPositions {
  /** Where the last run ended. */
  readonly horizonBefore: Lsn;
  readonly horizon: Horizon;
  /** A position past every change of this peek. */
  readonly positionNow: Lsn;
  /** The source's clock, read after the catalog. */
  readonly timeNow: CommitTime;
  /** Relations of which a silent change was found at this peek. */
  readonly foundNow: ReadonlySet<number>;
}

/** A tracked relation with the catalog's view of it; `facts` is null when the source has no table of that name. */
export interface RelationNow {
  readonly relation: TrackedRelation;
  readonly facts: TableFacts | null;
}

/** The relations as they were before the peek. */
export interface SeenRelations {
  readonly relations: readonly RelationNow[];
  /** See `readSnapshot`; from before the catalog was read. */
  readonly snapshot: string;
}

export interface TablesOfRun {
  readonly relations: readonly RelationNow[];
  readonly lookup: TableLookup;
  readonly types: TypeCatalog;
  readonly columnKnownSince: ColumnKnownSince;
  /** Whether a value that the plugin lost in the column proves that the table holds NaN or infinity, despite --no-nan. */
  readonly refutesNoNan: (lost: LostColumn) => boolean;
  readonly newLeaves: NewLeaves;
}

/** Leaves that are not judged yet (see check-new-leaves.ts), by id. */
export type NewLeaves = ReadonlyMap<
  number,
  { readonly relationId: number; readonly attachedBy: readonly string[] }
>;

/**
 * The names under which changes of the relations arrive: the table's own name, or those of its leaves. A change arrives under
 * the name that its table had when it was written, so former names of leaves are included.
 */
export function streamNames(relations: readonly RelationNow[]): TableName[] {
  const names = new Map<string, TableName>();
  for (const { relation, facts } of relations) {
    const leaves = leavesEverSeen(relation, facts);
    const own = leaves.length > 0 ? leaves : [relation.name]; // an empty list would ask for every table
    for (const { schema, name } of own) names.set(nameKey(schema, name), { schema, name });
  }
  return [...names.values()];
}

/** Leaf names under which changes may arrive. If two leaves share a name, the last one counts. */
function leavesEverSeen(
  { catalogFacts }: TrackedRelation,
  facts: TableFacts | null,
): (TableName & { readonly relid: number })[] {
  return [...(catalogFacts?.formerLeaves ?? []), ...(catalogFacts?.leaves ?? []), ...(facts?.leaves ?? [])];
}

/** Whether a relation waits for transactions to end before it starts, or before its repair begins. */
export function isWaiting({ state }: TrackedRelation): boolean {
  return state.kind === 'starting' || state.kind === 'repair_asked';
}

/**
 * The leaves of a relation as the catalog has them.
 * @param attached OIDs of the leaves that the store takes for attached; without it, all stored leaves count as attached
 */
export function leavesNow({ relation, facts }: RelationNow, attached?: ReadonlySet<number>): LeafNow[] {
  const noted = relation.state.kind === 'starting' ? null : (relation.catalogFacts?.leaves ?? null);
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
  { source, store }: { readonly source: pg.Client; readonly store: pg.Client },
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
    const columns = facts === null ? relation.columns : columnsNow(relation, facts, positions);
    const trusted = trustedSince(relation, positions);
    for (const column of columns) {
      const since = tryParseLsn(column.since_lsn) ?? positions.positionNow;
      known.set(`${relation.relationId} ${column.name}`, maxLsn(since, trusted));
    }
    if (relation.state.kind === 'starting') continue; // changes before its start are not its history
    const table = decodedTable(relation, facts, columns);
    const leaves = leavesEverSeen(relation, facts);
    if (leaves.length === 0) {
      const own = nameKey(relation.name.schema, relation.name.name);
      if (!tables.has(own)) tables.set(own, table); // it may have become a partition of another table
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
    refutesNoNan: ({ relationId, column }) =>
      relations.some(
        ({ relation, facts }) =>
          relation.relationId === relationId && relation.noNan && alwaysNotNull(relation, facts).has(column),
      ),
    newLeaves: new Map(
      storedLeaves
        .filter(({ checked }) => !checked)
        .map(({ leafId, relationId, relid }) => [
          leafId,
          { relationId, attachedBy: attachedBy(relations, relid) },
        ]),
    ),
    columnKnownSince: (relationId, column) => known.get(`${relationId} ${column}`) ?? null,
  };
}

function attachedBy(relations: readonly RelationNow[], relid: number): string[] {
  const leaf = relations.flatMap(({ facts }) => facts?.leaves ?? []).find((each) => each.relid === relid);
  return leaf?.attachedBy.split(' ') ?? [];
}

/** In a gap, no version from before the repair's beginning may fill a missing value: the log lacks changes in between. */
function trustedSince(relation: TrackedRelation, positions: RunPositions): Lsn {
  if (positions.foundNow.has(relation.relationId)) return positions.positionNow;
  const { state } = relation;
  if (!isInGap(state)) return LSN_ZERO;
  const base = isUnderRepair(state) ? state.repair.base_lsn : null;
  return base === null ? positions.positionNow : parseLsn(base);
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
    // the log has no values of a virtual column, whatever a plugin prints
    excludedColumns: new Set([...relation.excludedColumns, ...virtualColumns(facts)]),
    columns: columns?.map((column) => column.name) ?? null,
    mayBeListed: relation.excludedColumns.length > 0 && facts !== null && facts.relkind !== 'p',
    toastableColumns: new Set(
      columns?.filter((column) => column.variableLength).map((column) => column.name),
    ),
    formerNames: new Map(
      known.map(({ name, former_names = [] }) => [
        name,
        former_names.map((former) => former.name).filter((former) => former !== name),
      ]),
    ),
    renamedNow: new Set(
      known.filter((column) => hadAnotherName(relation.columns, column)).map((column) => column.name),
    ),
    notNullColumns: new Set(columns?.filter((column) => column.notNull).map((column) => column.name)),
    noNan: relation.noNan,
    nullIsNanColumns: relation.noNan ? NONE : nullIsNan(relation, facts),
    generatedColumns:
      columns?.filter((column) => column.generated === 's').map((column) => column.name) ?? [],
  };
}

const NONE: ReadonlySet<string> = new Set();

/** Columns that have been NOT NULL since the last run: their catalog entry is unchanged. */
function alwaysNotNull({ catalogFacts }: TrackedRelation, facts: TableFacts | null): ReadonlySet<string> {
  const before = new Map(catalogFacts?.columns.map((column) => [column.attnum, column.describedBy]));
  const columns = facts?.columns ?? [];
  return new Set(
    columns
      .filter(({ notNull, attnum, describedBy }) => notNull && before.get(attnum) === describedBy)
      .map(({ name }) => name),
  );
}

/** The NOT NULL columns that can hold NaN but no infinity (PostgreSQL manual, "Numeric Types": a declared precision). */
function nullIsNan(relation: TrackedRelation, facts: TableFacts | null): ReadonlySet<string> {
  const sure = alwaysNotNull(relation, facts);
  const numbers = (facts?.columns ?? []).filter(({ typeName }) => typeName.startsWith('numeric('));
  return new Set(numbers.map(({ name }) => name).filter((name) => sure.has(name)));
}

/** The names of the columns that PostgreSQL computes on reading, so that no stored row holds them. */
export function virtualColumns(facts: TableFacts | null): string[] {
  return (facts?.columns ?? []).filter(({ generated }) => generated === 'v').map(({ name }) => name);
}

function nameKey(schema: string, name: string): string {
  return `${schema}\u0000${name}`;
}
