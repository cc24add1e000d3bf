/**
 * Joins what the store knows of the tracked tables with what the catalog says now, for one peek: which names in the
 * stream belong to which relation, and since when each column has been the column of its name.
 */
import type pg from 'pg';
import type { TableName } from '../pg/identifiers.ts';
import { readTableFacts, readTypeCatalog, type TableFacts } from '../slot/table-facts.ts';
import {
  registerLeaves,
  type StoredColumn,
  type TrackedRelation,
  writeCatalogFacts,
} from '../store/relations.ts';
import { formatLsn, LSN_ZERO, type Lsn, tryParseLsn } from '../types/lsn.ts';
import type { TypeCatalog } from '../types/pg-types.ts';
import type { DecodedTable, TableLookup } from '../types/stream.ts';
import type { ColumnKnownSince } from '../versions/fill-partial.ts';

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

/** The names under which changes of the relations come: the table's own, or its leaves'. */
export function streamNames(relations: readonly RelationNow[]): TableName[] {
  return relations.flatMap(({ relation, facts }) =>
    facts?.relkind === 'p'
      ? facts.leaves.map((leaf) => ({ schema: leaf.schema, name: leaf.name }))
      : [relation.name],
  );
}

/** Reads the catalog for the relations. */
export async function readRelationsNow(
  source: pg.Client,
  relations: readonly TrackedRelation[],
): Promise<RelationNow[]> {
  const facts = await readTableFacts(
    source,
    relations.map((relation) => relation.name),
  );
  return relations.map((relation, index) => ({ relation, facts: facts[index] ?? null }));
}

/**
 * Prepares decoding: call it after the slot function has run, so that the catalog is younger than every change.
 * @param horizonBefore where the last run ended
 * @param positionNow a position past every change of this peek
 */
export async function tablesOfRun(
  source: pg.Client,
  store: pg.Client,
  relations: readonly RelationNow[],
  positions: { readonly horizonBefore: Lsn; readonly positionNow: Lsn },
): Promise<TablesOfRun> {
  const leaves = relations.flatMap(({ relation, facts }) =>
    (facts?.leaves ?? []).map((leaf) => ({
      relationId: relation.relationId,
      name: { schema: leaf.schema, name: leaf.name },
      relid: leaf.relid,
    })),
  );
  const storedLeaves = await registerLeaves(store, leaves);
  const tables = new Map<string, DecodedTable>();
  const known = new Map<string, Lsn>();
  for (const { relation, facts } of relations) {
    const columns = facts === null ? relation.columns : columnsNow(relation.columns, facts, positions);
    for (const column of columns) {
      known.set(
        `${relation.relationId} ${column.name}`,
        tryParseLsn(column.since_lsn) ?? positions.positionNow,
      );
    }
    if (relation.status === 'starting') continue; // what came before its start is not its history
    const table = decodedTable(relation, facts);
    if (facts?.relkind === 'p') {
      for (const leaf of storedLeaves.filter((each) => each.relationId === relation.relationId)) {
        tables.set(nameKey(leaf.name.schema, leaf.name.name), {
          ...table,
          ...leaf.name,
          leafId: leaf.leafId,
        });
      }
    } else {
      tables.set(nameKey(relation.name.schema, relation.name.name), table);
    }
  }
  return {
    relations,
    lookup: (schema, name) => tables.get(nameKey(schema, name)) ?? null,
    types: await readTypeCatalog(source),
    columnKnownSince: (relationId, column) => known.get(`${relationId} ${column}`) ?? null,
  };
}

/** Stores the catalog's view where it differs from what is stored. */
export async function refreshCatalogFacts(
  store: pg.Client,
  relations: readonly RelationNow[],
  positions: { readonly horizonBefore: Lsn; readonly positionNow: Lsn },
): Promise<void> {
  for (const { relation, facts } of relations) {
    if (facts === null) continue;
    const columns = columnsNow(relation.columns, facts, positions);
    const changed =
      relation.relid !== facts.oid ||
      relation.persistence !== facts.persistence ||
      relation.replicaIdentity !== facts.replicaIdentity ||
      JSON.stringify(relation.columns) !== JSON.stringify(columns);
    if (!changed) continue;
    await writeCatalogFacts(store, relation.relationId, {
      relid: facts.oid,
      columns,
      persistence: facts.persistence,
      replicaIdentity: facts.replicaIdentity,
      isPartitioned: facts.relkind === 'p',
    });
  }
}

/**
 * The columns as they are now. A column that kept number and name keeps its position; a name that is new to us was
 * used, if ever, by a column that was gone at the last run; a name that went from one column to another did so at an
 * unknown moment before now.
 */
export function columnsNow(
  stored: readonly StoredColumn[],
  facts: TableFacts,
  positions: { readonly horizonBefore: Lsn; readonly positionNow: Lsn },
): StoredColumn[] {
  return facts.columns.map((column) => {
    const same = stored.find((each) => each.name === column.name);
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
    };
  });
}

function decodedTable(relation: TrackedRelation, facts: TableFacts | null): DecodedTable {
  const columns = facts?.columns ?? null;
  return {
    relationId: relation.relationId,
    leafId: null,
    schema: relation.name.schema,
    name: relation.name.name,
    keyColumns: relation.keyColumns,
    excludedColumns: new Set(relation.excludedColumns),
    columns: columns?.map((column) => column.name) ?? null,
    toastableColumns: new Set(
      columns?.filter((column) => column.storage !== 'p').map((column) => column.name),
    ),
    notNullColumns: new Set(columns?.filter((column) => column.notNull).map((column) => column.name)),
    generatedColumns:
      columns?.filter((column) => column.generated === 's').map((column) => column.name) ?? [],
  };
}

function nameKey(schema: string, name: string): string {
  return `${schema}\u0000${name}`;
}
