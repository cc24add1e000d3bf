/**
 * Tracking of a table, or its repair, starts at a horizon past the end of every transaction that had locked the table before
 * the request. Otherwise the slot could deliver half of such a transaction. This file decides when that point is reached.
 */
import type pg from 'pg';
import { inTransaction } from '../../pg/transaction.ts';
import { findLockers, stillAlive } from '../../source/catalog/start-lockers.ts';
import type { TableFacts } from '../../source/catalog/table-facts.ts';
import { readInsertLsn } from '../../source/slot/end-of-wal.ts';
import type { TrackedRelation } from '../../store/tables/read.ts';
import { writeStartConditions } from '../../store/tables/start.ts';
import { conditionsOf, NOT_LOOKED_AT, type StartConditions } from '../../store/tables/state.ts';
import { formatLsn, type Lsn, tryParseLsn } from '../../types/lsn.ts';
import type { Plugin } from '../../types/plugin.ts';
import type { Locker } from '../../types/tracking.ts';
import { toCatalogFacts } from '../catalog/catalog-facts.ts';
import { isRepairPartlyHidden } from '../catalog/compare-catalog.ts';
import { catalogToKeep, writeKeptCatalog } from '../catalog/kept-catalog.ts';
import { isWaiting, type RelationNow } from '../catalog/tables-of-run.ts';
import type { RunContext } from '../run-context.ts';

export interface StartState {
  /** Relations that may start, or whose repair may begin, at a horizon at or past the position. */
  readonly ready: readonly { readonly relationId: number; readonly startAfter: Lsn }[];
  /** Transactions that keep relations from starting. */
  readonly waitingFor: readonly Locker[];
}

/**
 * Checks for every waiting relation which transactions held a lock when a run first looked, and whether they have ended.
 * Call it before the end of WAL is read, so that a ready relation can start in this run. It also stores the catalog of each
 * starting table, so that the next comparison finds every change after the start.
 */
export async function prepareStarts(run: RunContext, relations: readonly RelationNow[]): Promise<StartState> {
  const waiting = relations.flatMap((now) => {
    const { relation, facts } = now;
    const waits = facts !== null && isWaiting(relation) && !isRepairPartlyHidden(now, run.node.plugin);
    return waits ? [{ relation, facts }] : [];
  });
  if (waiting.length === 0) return { ready: [], waitingFor: [] };
  return run.limits.onSource(() => lookAtWaiting(run, waiting));
}

async function lookAtWaiting(
  { source, store, node: { plugin }, claim: { horizon } }: RunContext,
  waiting: readonly { readonly relation: TrackedRelation; readonly facts: TableFacts }[],
): Promise<StartState> {
  const position = await readInsertLsn(source);
  const positions = { horizonBefore: position, horizon, positionNow: position, timeNow: horizon.time };
  for (const { relation, facts } of waiting) {
    if (relation.state.kind !== 'starting') continue;
    const kept = catalogToKeep(relation, facts, { plugin, positions });
    await inTransaction(store, (tx) => writeKeptCatalog(tx, kept));
  }
  const ready: { relationId: number; startAfter: Lsn }[] = [];
  const undecided: { relationId: number; relids: number[]; lockers: readonly Locker[] | null }[] = [];
  for (const { relation, facts } of waiting) {
    const { relationId } = relation;
    const conditions = isPublicationChanged(relation, facts, plugin)
      ? NOT_LOOKED_AT
      : conditionsOf(relation.state);
    const startAfter = tryParseLsn(conditions.start_after_lsn ?? '');
    if (startAfter !== null) ready.push({ relationId, startAfter });
    else undecided.push({ relationId, relids: lockedUnder(facts), lockers: conditions.lockers });
  }
  const decided = await lookAtLockers(source, undecided);
  await writeStartConditions(store, decided.conditions);
  return { ready: [...ready, ...decided.ready], waitingFor: decided.waitingFor };
}

/** The transactions that each relation waits for; for relations that wait for none, a position read after that check. */
async function lookAtLockers(
  source: pg.Client,
  undecided: readonly {
    readonly relationId: number;
    readonly relids: readonly number[];
    /** null: no run has looked yet. */
    readonly lockers: readonly Locker[] | null;
  }[],
): Promise<StartState & { readonly conditions: Map<number, StartConditions> }> {
  const conditions = new Map<number, StartConditions>();
  const ready: { relationId: number; startAfter: Lsn }[] = [];
  const waitingFor: Locker[] = [];
  if (undecided.length === 0) return { ready, waitingFor, conditions };
  const found = await findLockers(
    source,
    undecided.filter(({ lockers }) => lockers === null),
  );
  const free: number[] = [];
  for (const { relationId, lockers: known } of undecided) {
    const lockers = known ?? found.get(relationId) ?? [];
    const alive = await stillAlive(source, lockers);
    waitingFor.push(...alive);
    if (alive.length === 0) free.push(relationId);
    conditions.set(relationId, { lockers, start_after_lsn: null });
  }
  const startAfter = await readInsertLsn(source);
  for (const relationId of free) {
    ready.push({ relationId, startAfter });
    conditions.set(relationId, {
      lockers: conditions.get(relationId)!.lockers,
      start_after_lsn: formatLsn(startAfter),
    });
  }
  return { ready, waitingFor, conditions };
}

/** The OIDs under which writers lock a table. */
function lockedUnder(facts: TableFacts): number[] {
  return [facts.oid, ...facts.leaves.map((leaf) => leaf.relid)];
}

/**
 * Looks for lockers of the starting relations once more, after the end of WAL is read. A commit before that end can still be
 * invisible: it waits for a synchronous standby, and holds its locks meanwhile. The slot does not deliver it after the start,
 * so rows must not be read before it is visible.
 */
export async function lockersAtEnd(
  source: pg.Client,
  ready: StartState['ready'],
  relations: readonly RelationNow[],
): Promise<Map<number, readonly Locker[]>> {
  const facts = new Map(relations.map((now) => [now.relation.relationId, now.facts]));
  const tables = ready.flatMap(({ relationId }) => {
    const found = facts.get(relationId) ?? null;
    return found === null ? [] : [{ relationId, relids: lockedUnder(found) }];
  });
  return await findLockers(source, tables);
}

/** Transactions of {@link lockersAtEnd} that have not ended. The rows of the relation are read after they have. */
export async function stillHolding(source: pg.Client, relation: TrackedRelation): Promise<readonly Locker[]> {
  return stillAlive(source, conditionsOf(relation.state).lockers ?? []);
}

/**
 * Whether the table's entry in the publication has changed since its catalog was stored. Changes that a transaction made
 * before the table was published never arrive, even when it commits later, so the run must look for lockers again.
 */
function isPublicationChanged(relation: TrackedRelation, facts: TableFacts, plugin: Plugin): boolean {
  if (relation.state.kind !== 'starting' || relation.catalogFacts === null) return false; // a repair restarts instead, see keep-repairs-published.ts
  const before = relation.catalogFacts.published;
  const now = toCatalogFacts(facts, plugin, relation.excludedColumns).published;
  return before?.entry !== now?.entry || before?.whole !== now?.whole;
}
