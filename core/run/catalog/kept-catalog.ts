/**
 * What the store holds of a table's definition: its columns, its leaves, its virtual columns, and the catalog that the next
 * run compares with. {@link catalogToKeep} computes it without a query; {@link writeKeptCatalog} writes all of it together.
 */
import { isDeepStrictEqual } from 'node:util';
import type { StoreTransaction } from '../../pg/transaction.ts';
import { columnsNow } from '../../setup/columns-now.ts';
import type { TableFacts } from '../../source/catalog/table-facts.ts';
import { type StoredDefinition, writeCatalogFacts } from '../../store/tables/facts.ts';
import { type LeafNow, writeLeaves } from '../../store/tables/leaves.ts';
import type { TrackedRelation } from '../../store/tables/read.ts';
import { type VirtualColumns, writeVirtualColumns } from '../../store/tables/virtual-columns.ts';
import type { CatalogFacts, FormerColumn, FormerLeaf, FormerType } from '../../types/catalog-facts.ts';
import { formatLsn, parseLsn } from '../../types/lsn.ts';
import type { Plugin } from '../../types/plugin.ts';
import { toCatalogFacts } from './catalog-facts.ts';
import { leavesNow, type RunPositions, virtualColumns } from './tables-of-run.ts';

export type CatalogPositions = Pick<RunPositions, 'horizonBefore' | 'horizon' | 'positionNow' | 'timeNow'>;

export interface KeptCatalog {
  readonly relationId: number;
  readonly definition: StoredDefinition;
  /** New leaves are judged from here on. */
  readonly horizon: RunPositions['horizon'];
  readonly leaves: readonly LeafNow[];
  readonly virtualColumns: VirtualColumns;
}

export interface KeepOptions {
  readonly plugin: Plugin;
  readonly positions: CatalogPositions;
  /** See `leavesNow`. */
  readonly attached?: ReadonlySet<number>;
}

/** The definition of the table as the catalog has it now, in the form in which the store keeps it. */
export function catalogToKeep(
  relation: TrackedRelation,
  facts: TableFacts,
  { plugin, positions, attached }: KeepOptions,
): KeptCatalog {
  const now = toCatalogFacts(facts, plugin, relation.excludedColumns);
  const isFirstLook = relation.catalogFacts === null || relation.state.kind === 'starting';
  return {
    relationId: relation.relationId,
    definition: {
      relid: facts.oid,
      columns: columnsNow(relation, facts, positions),
      persistence: facts.persistence,
      replicaIdentity: facts.replicaIdentity,
      isPartitioned: facts.relkind === 'p',
      compared: factsToCompare(relation, now, positions),
    },
    horizon: positions.horizon,
    leaves: leavesNow({ relation, facts }, attached),
    virtualColumns: {
      relationId: relation.relationId,
      names: virtualColumns(facts).filter((name) => !relation.excludedColumns.includes(name)),
      since: isFirstLook ? null : positions.horizon,
      until: { lsn: positions.positionNow, time: positions.timeNow },
    },
  };
}

/** Whether the store holds this already. The order of JSON members does not count, since jsonb does not keep it. */
export function isKeptAlready(
  relation: TrackedRelation,
  { definition, leaves }: KeptCatalog,
  attached: ReadonlySet<number>,
): boolean {
  return (
    relation.relid === definition.relid &&
    leaves.length === attached.size &&
    leaves.every(({ relid }) => attached.has(relid)) &&
    isDeepStrictEqual(relation.columns, definition.columns) &&
    isDeepStrictEqual(relation.catalogFacts, definition.compared)
  );
}

export async function writeKeptCatalog(store: StoreTransaction, kept: KeptCatalog): Promise<void> {
  await writeCatalogFacts(store, kept.relationId, kept.definition);
  await writeLeaves(store, kept);
  await writeVirtualColumns(store, kept.virtualColumns);
}

/** The catalog as it is now, with the former names under which changes may still arrive. */
function factsToCompare(
  { catalogFacts: before, state, keyColumns }: TrackedRelation,
  now: CatalogFacts,
  positions: CatalogPositions,
): CatalogFacts {
  // A run finds what changed between the request and the start in the first comparison after the start.
  if (state.kind === 'starting') return { ...now, obstacle: null, key: keyColumns };
  if (before === null) return now;
  const formerLeaves = leavesToKeep(before, now, positions);
  const formerColumns = columnsToKeep(before, now);
  const formerTypes = typesToKeep(before, now, positions);
  return {
    ...now,
    ...(formerLeaves.length === 0 ? {} : { formerLeaves }),
    ...(formerColumns.length === 0 ? {} : { formerColumns }),
    ...(formerTypes.length === 0 ? {} : { formerTypes }),
  };
}

/**
 * Former names of leaves, as long as changes may arrive under them. A leaf may have been renamed after the end of the peek
 * that notes it, so a former name is kept until the horizon is past the position of this look.
 */
function leavesToKeep(
  before: CatalogFacts,
  now: CatalogFacts,
  { horizonBefore, positionNow }: CatalogPositions,
): FormerLeaf[] {
  const kept = (before.formerLeaves ?? []).filter(({ until_lsn }) => parseLsn(until_lsn) > horizonBefore);
  const renamed = before.leaves.filter(({ schema, name, relid }) =>
    now.leaves.some((leaf) => leaf.relid === relid && (leaf.schema !== schema || leaf.name !== name)),
  );
  return [
    ...kept,
    ...renamed.map(({ schema, name, relid }) => ({ schema, name, relid, until_lsn: formatLsn(positionNow) })),
  ];
}

/** Former column names that no column has now. A column that gets such a name later is a different column. */
function columnsToKeep(before: CatalogFacts, now: CatalogFacts): FormerColumn[] {
  const former = new Map<string, number>();
  for (const { name, attnum } of [...(before.formerColumns ?? []), ...before.columns])
    former.set(name, before.oid === now.oid ? attnum : 0);
  for (const { name } of now.columns) former.delete(name);
  return [...former].map(([name, attnum]) => ({ name, attnum }));
}

/** Types of dropped columns, as long as changes with values of these types may arrive. */
function typesToKeep(
  before: CatalogFacts,
  now: CatalogFacts,
  { horizonBefore, positionNow }: CatalogPositions,
): FormerType[] {
  const kept = (before.formerTypes ?? []).filter(({ until_lsn }) => parseLsn(until_lsn) > horizonBefore);
  const present = new Set((now.types ?? []).map((type) => type.oid));
  const gone = (before.types ?? []).filter((type) => !present.has(type.oid));
  return [...kept, ...gone.map((type) => ({ ...type, until_lsn: formatLsn(positionNow) }))];
}
