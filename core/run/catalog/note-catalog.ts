/**
 * Compares the catalog with what it said at the last run and records what the log did not tell: a gap from the horizon
 * on, in one store transaction with the facts that it was concluded from, so that no finding is lost or made twice.
 */

import { isDeepStrictEqual } from 'node:util';
import type pg from 'pg';
import type { Queryable } from '../../pg/connection.ts';
import { formatTableName, type TableName } from '../../pg/identifiers.ts';
import { inTransaction, type StoreTransaction } from '../../pg/transaction.ts';
import { columnsNow } from '../../setup/columns-now.ts';
import type { TableFacts } from '../../source/catalog/table-facts.ts';
import { whyNotInLog, whyNotTrackable } from '../../source/catalog/trackable.ts';
import { writeHealthEvent } from '../../store/health-events.ts';
import { type Claim, lockCheckpoint } from '../../store/node/claim.ts';
import { writeCatalogFacts } from '../../store/tables/facts.ts';
import { recordRelationLoss } from '../../store/tables/gap.ts';
import { readLeaves, writeLeaves } from '../../store/tables/leaves.ts';
import type { TrackedRelation } from '../../store/tables/read.ts';
import { lockTracked } from '../../store/tables/read.ts';
import { askRepair, giveRepairUp } from '../../store/tables/repair.ts';
import { isInGap, isUnderRepair } from '../../store/tables/state.ts';
import { writeVirtualColumns } from '../../store/tables/virtual-columns.ts';
import type { CatalogFacts, FormerColumn, FormerLeaf, FormerType } from '../../types/catalog-facts.ts';
import { formatLsn, parseLsn } from '../../types/lsn.ts';
import type { Plugin } from '../../types/plugin.ts';
import { isPublishedWhole, toCatalogFacts } from './catalog-facts.ts';
import { detectSilentChanges, type SilentChange, type SilentChangeCode } from './detect-silent-changes.ts';
import { followKey, isKeyOfHistory } from './key-of-history.ts';
import {
  leavesNow,
  type RelationNow,
  type RunPositions,
  streamNames,
  virtualColumns,
} from './tables-of-run.ts';

type CatalogPositions = Pick<RunPositions, 'horizonBefore' | 'horizon' | 'positionNow' | 'timeNow'>;

const NONE: ReadonlySet<number> = new Set();

/** After these there is nothing to read again before somebody has done something. */
const NEED_SOMEBODY: ReadonlySet<SilentChangeCode> = new Set(['TABLE_GONE', 'NOT_IN_LOG', 'KEY_CHANGED']);

export interface NoteCatalogOptions {
  readonly store: pg.Client;
  readonly claim: Claim;
  readonly plugin: Plugin;
  readonly positions: CatalogPositions;
  /** Whether the peek left out rows that came under the name. */
  readonly hasLeftOut: (table: TableName) => boolean;
}

/**
 * Call it after the slot function has run, so that the catalog is younger than every change of the peek.
 * @returns relations of which something was found
 */
export async function noteCatalog(
  relations: readonly RelationNow[],
  options: NoteCatalogOptions,
): Promise<Set<number>> {
  const found = new Set<number>();
  const attached = await readAttached(options.store, relations);
  for (const now of relations) {
    const catalog = catalogNow(now, options.plugin);
    const changes = [...changesSince(now, catalog), ...rowsLeftOut(now, options)];
    if (changes.length > 0 || isUnheard(now, options.plugin)) found.add(now.relation.relationId);
    const leaves = attached.get(now.relation.relationId) ?? NONE;
    if (changes.length === 0 && !isOther(now, catalog, leaves, options)) continue;
    await inTransaction(options.store, (tx) => record(tx, now, changes, leaves, options));
  }
  return found;
}

/** Whether rows read from the table now could be others than those of its history for a reason that the log does not tell. */
export function silentChanges(now: RelationNow, plugin: Plugin): SilentChange[] {
  return changesSince(now, catalogNow(now, plugin));
}

/** In the form in which it is kept; null: the table is gone. */
function catalogNow({ relation, facts }: RelationNow, plugin: Plugin): CatalogFacts | null {
  return facts === null ? null : toCatalogFacts(facts, plugin, relation.excludedColumns);
}

function changesSince({ relation }: RelationNow, now: CatalogFacts | null): SilentChange[] {
  const { catalogFacts, excludedColumns, name, state } = relation;
  return detectSilentChanges(name, catalogFacts, now, excludedColumns).filter(
    ({ code }) =>
      !(isInGap(state) && isTold(code, catalogFacts?.published, now?.published, isUnderRepair(state))),
  );
}

/**
 * Rows that wal2json could not tell are lost, whatever the catalog says of the table by now. Where their key can be told
 * again, the table is read again; a table that waits for somebody is told once.
 */
function rowsLeftOut(
  now: RelationNow,
  { hasLeftOut, plugin }: Pick<NoteCatalogOptions, 'hasLeftOut' | 'plugin'>,
): SilentChange[] {
  const { relation, facts } = now;
  const { kind } = relation.state;
  if (kind === 'starting' || kind === 'gap' || !streamNames([now]).some(hasLeftOut)) return [];
  const table = formatTableName(relation.name);
  return [
    {
      code: 'ROWS_LEFT_OUT',
      reason: `the log had no key of rows of ${table} that were updated or deleted`,
      repairsItself: facts !== null && whyNotTrackable(facts, relation.name, plugin) === null,
    },
  ];
}

/** What stays until somebody does something was told at the beginning of its gap. */
function isTold(
  code: SilentChangeCode,
  before: PublishedThen,
  now: PublishedThen,
  isRepaired: boolean,
): boolean {
  switch (code) {
    case 'TABLE_GONE':
      return !isRepaired; // what has been read of it must not become history at a horizon where it is gone
    case 'UNPUBLISHED':
    case 'PUBLISHED_IN_PART':
      return before?.entry === now?.entry && before?.whole === now?.whole;
    case 'PUBLISHED_AGAIN':
      return isRepaired && before?.whole !== true;
    default:
      return false;
  }
}

type PublishedThen = CatalogFacts['published'];

/** Nothing is to be read again as long as the log does not tell everything, and nobody is to be waited for before it does. */
export function isUnheard({ relation, facts }: RelationNow, plugin: Plugin): boolean {
  if (!isUnderRepair(relation.state) || facts === null) return false;
  return plugin === 'pgoutput' && !isPublishedWhole(facts, relation.excludedColumns);
}

/**
 * Keeps what the catalog says of a relation and of its leaves: the one goes with the other.
 * @param attached see `leavesNow`
 */
export async function writeFactsNow(
  store: StoreTransaction,
  relation: TrackedRelation,
  facts: TableFacts,
  plugin: Plugin,
  positions: CatalogPositions,
  attached?: ReadonlySet<number>,
): Promise<void> {
  await writeCatalogFacts(store, relation.relationId, {
    relid: facts.oid,
    columns: columnsNow(relation, facts, positions),
    persistence: facts.persistence,
    replicaIdentity: facts.replicaIdentity,
    isPartitioned: facts.relkind === 'p',
    compared: factsToKeep(
      relation,
      facts,
      toCatalogFacts(facts, plugin, relation.excludedColumns),
      positions,
    ),
  });
  await writeLeaves(store, relation.relationId, positions.horizon, leavesNow({ relation, facts }, attached));
  await writeVirtualColumns(store, {
    relationId: relation.relationId,
    names: virtualColumns(facts).filter((name) => !relation.excludedColumns.includes(name)),
    since: relation.catalogFacts === null || relation.state.kind === 'starting' ? null : positions.horizon,
    until: { lsn: positions.positionNow, time: positions.timeNow },
  });
}

/** The catalog as it is now, with the names of before that still mean something. */
function factsToKeep(
  { catalogFacts, state, keyColumns }: TrackedRelation,
  facts: TableFacts,
  now: CatalogFacts,
  positions: CatalogPositions,
): CatalogFacts {
  // what came between the asking and the start is found by the run after it
  if (state.kind === 'starting') return { ...now, obstacle: null, key: keyColumns };
  if (catalogFacts === null) return now;
  const formerLeaves = leavesToKeep(catalogFacts, facts, positions);
  const formerColumns = columnsToKeep(catalogFacts, now);
  const formerTypes = typesToKeep(catalogFacts, now, positions);
  return {
    ...now,
    ...(formerLeaves.length === 0 ? {} : { formerLeaves }),
    ...(formerColumns.length === 0 ? {} : { formerColumns }),
    ...(formerTypes.length === 0 ? {} : { formerTypes }),
  };
}

/**
 * The names that leaves had before, as long as changes may come under them: a leaf may have been renamed after the end
 * of the peek that it is noted at.
 */
function leavesToKeep(
  before: CatalogFacts,
  facts: TableFacts,
  { horizonBefore, positionNow }: CatalogPositions,
): FormerLeaf[] {
  const kept = (before.formerLeaves ?? []).filter(({ until_lsn }) => parseLsn(until_lsn) > horizonBefore);
  const renamed = before.leaves.filter(({ schema, name, relid }) =>
    facts.leaves.some((leaf) => leaf.relid === relid && (leaf.schema !== schema || leaf.name !== name)),
  );
  return [
    ...kept,
    ...renamed.map(({ schema, name, relid }) => ({ schema, name, relid, until_lsn: formatLsn(positionNow) })),
  ];
}

/** The names that columns had and no column has now: a column that gets one of them is not the one that had it. */
function columnsToKeep(before: CatalogFacts, now: CatalogFacts): FormerColumn[] {
  const former = new Map<string, number>();
  for (const { name, attnum } of [...(before.formerColumns ?? []), ...before.columns])
    former.set(name, before.oid === now.oid ? attnum : 0);
  for (const { name } of now.columns) former.delete(name);
  return [...former].map(([name, attnum]) => ({ name, attnum }));
}

/** The types of columns that are gone, as long as changes with values of them may come. */
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

/** The OIDs of the leaves that the store takes for attached, by relation. */
async function readAttached(
  store: Queryable,
  relations: readonly RelationNow[],
): Promise<Map<number, Set<number>>> {
  const attached = new Map<number, Set<number>>();
  const ids = relations.map(({ relation }) => relation.relationId);
  for (const leaf of await readLeaves(store, ids)) {
    if (!leaf.attached) continue;
    const ofRelation = attached.get(leaf.relationId) ?? new Set();
    attached.set(leaf.relationId, ofRelation.add(leaf.relid));
  }
  return attached;
}

/** Whatever the order of members: jsonb does not keep it. */
function isOther(
  { relation, facts }: RelationNow,
  catalog: CatalogFacts | null,
  attached: ReadonlySet<number>,
  { positions }: Pick<NoteCatalogOptions, 'positions'>,
): boolean {
  if (facts === null || catalog === null) return false;
  return (
    relation.relid !== facts.oid ||
    facts.leaves.length !== attached.size ||
    !facts.leaves.every(({ relid }) => attached.has(relid)) ||
    !isDeepStrictEqual(relation.columns, columnsNow(relation, facts, positions)) ||
    !isDeepStrictEqual(relation.catalogFacts, factsToKeep(relation, facts, catalog, positions))
  );
}

async function record(
  store: StoreTransaction,
  { relation, facts }: RelationNow,
  changes: readonly SilentChange[],
  attached: ReadonlySet<number>,
  { claim, plugin, positions }: NoteCatalogOptions,
): Promise<void> {
  await lockCheckpoint(store, claim);
  if (!(await lockTracked(store, relation.relationId))) return; // untracked meanwhile
  if (changes.length > 0) {
    const reason = changes.map((change) => change.reason).join('; ');
    const opened = await recordRelationLoss(store, claim, relation.relationId, reason);
    if (canBeReadAgain({ relation, facts }, changes, plugin)) {
      await askRepair(store, relation.relationId);
      await followKey(store, relation, facts!);
    } else if (changes.some(({ code }) => NEED_SOMEBODY.has(code))) {
      await giveRepairUp(store, relation.relationId, reason);
    }
    if (!opened) {
      const event = { severity: 'warn', code: changes[0]!.code, message: reason } as const;
      await writeHealthEvent(store, { nodeId: claim.nodeId, ...event });
    }
  }
  if (facts === null) return;
  await writeFactsNow(store, relation, facts, plugin, positions, attached);
}

/** Whether runs can read the table again without anybody's decision: the log tells of it, under the key of its history. */
function canBeReadAgain(
  { relation, facts }: RelationNow,
  changes: readonly SilentChange[],
  plugin: Plugin,
): boolean {
  return (
    facts !== null &&
    changes.every((change) => change.repairsItself) &&
    whyNotInLog(facts, relation.name, plugin) === null &&
    isKeyOfHistory(relation, facts)
  );
}
