/**
 * Starts and ends the tracking of tables. `track` starts runs of the node until tracking has started and the baseline is
 * decided. When it is interrupted, later runs finish the work; when it is repeated, it continues.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { TimewarpError } from './errors/timewarp-error.ts';
import { connect } from './pg/connection.ts';
import { fromDatabaseError } from './pg/database-error.ts';
import { formatTableName, type TableName } from './pg/identifiers.ts';
import { inPatientTransaction, inTransaction } from './pg/transaction.ts';
import { type PollResult, poll } from './poll.ts';
import { readOtherRetention, requireWindow, setTableRetention } from './retention/periods.ts';
import { askTracking, whyNotAsWanted } from './setup/ask-tracking.ts';
import { throwIfAborted } from './setup/cancel-on-abort.ts';
import { WorkSessions } from './setup/databases.ts';
import { nearestTable } from './setup/near-miss.ts';
import { purgeRelation } from './setup/purge.ts';
import { refuseOtherSettings } from './setup/tracked-otherwise.ts';
import { readTableFacts } from './source/catalog/table-facts.ts';
import { readTableNames } from './source/catalog/table-names.ts';
import { publicationOf } from './source/publication/publication.ts';
import { removeFromPublication } from './source/publication/publication-tables.ts';
import { lockHorizon } from './store/node/claim.ts';
import { requireNode, type StoredNode } from './store/node/nodes.ts';
import { requireWritable } from './store/schema/migrate.ts';
import { endRelation } from './store/tables/end.ts';
import {
  isTrackedNow,
  type RelationEntry,
  readRelationEntries,
  readRelationEntry,
} from './store/tables/entries.ts';
import { type InGap, isInGap, readFailureOf, rowsFromBefore } from './store/tables/state.ts';

export interface TrackOptions extends TrackSettings {
  readonly table: TableName;
}

/** How tables are tracked, and where. */
export interface TrackSettings {
  readonly sourceUrl: string;
  readonly storeUrl: string;
  readonly node: string;
  /** Undefined: none, or the excluded columns of a table that is tracked already. */
  readonly exclude?: readonly string[] | undefined;
  /** Declares that numeric and float columns never hold NaN or Infinity, so a NULL of wal2json is NULL. Default: false. */
  readonly noNan?: boolean | undefined;
  /** Another node of the same database may track the table, too. Default: false. */
  readonly shared?: boolean | undefined;
  /** Undefined: the baseline is read; a table that is tracked already stays as it is. */
  readonly baseline?: boolean | undefined;
  /** `30d`; null: the default of the node; a table that is tracked already stays as it is. */
  readonly retention: string | null;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: TrackProgress) => void;
}

export interface TrackProgress {
  readonly phase: 'waiting' | 'starting' | 'baseline' | 'resolving' | 'done';
  readonly message: string;
  readonly rows?: number;
  readonly estimatedRows?: number;
}

export interface TrackResult {
  readonly table: string;
  readonly relationId: number;
  readonly trackedFrom: { readonly lsn: string; readonly ts: string };
  readonly baseline: 'none' | 'pending' | 'done';
  readonly baselineRows: number;
  readonly alreadyTracked: boolean;
  /** The setting of the table: see TrackSettings. */
  readonly noNan: boolean;
  /** Consequences for the table's owner and applications, in whole sentences. */
  readonly notes: readonly string[];
}

export interface UntrackResult {
  readonly table: string;
  readonly relationId: number;
  readonly purged: boolean;
}

const PAUSE_MS = 200;
const UNPUBLISHING_MS = 10_000;

/**
 * Tracks a table and waits until its baseline is decided (with `baseline: false`: until tracking has started).
 * Throws TimewarpError: TABLE_UNKNOWN, NO_PRIMARY_KEY, KEY_TYPE_REFUSED, TABLE_NOT_TRACKABLE, RELATION_GAP (it needs
 * a rebaseline), TABLE_OF_ANOTHER_NODE, BAD_FLAGS (a column that cannot be excluded), TABLE_UNREADABLE, PUBLICATION_RIGHTS, NODE_GAP, INTERRUPTED and what
 * `poll` throws.
 */
export async function track({ table, ...settings }: TrackOptions): Promise<TrackResult> {
  const [result] = await trackTables({ ...settings, tables: [table] });
  return result!;
}

/** Like {@link track}, for many tables in the same runs. If one of them cannot be tracked, it tracks none. */
export async function trackTables(
  options: TrackSettings & { readonly tables: readonly TableName[] },
): Promise<TrackResult[]> {
  const { tables } = options;
  const store = await connect(options.storeUrl, { side: 'store', node: options.node });
  try {
    await requireWritable(store);
    const node = await requireNode(store, options.node);
    const before = await readRelationEntries(store, options.node, tables);
    const isTracked = (table: TableName): boolean => isTrackedNow(before.get(formatTableName(table)));
    await requireWindow(store, options.retention);
    const notes = new Map<string, readonly string[]>();
    const wanted = tables.filter((table) => !isTracked(table));
    if (wanted.length > 0) await askAll(options, { node, store, tables: wanted, notes });
    for (const table of tables.filter(isTracked))
      notes.set(formatTableName(table), await settle({ ...options, table }, store));
    const brought = await bringIn(options, store, tables, (_, error) => {
      throw error;
    });
    return tables.map((table) => ({
      ...brought.get(formatTableName(table))!,
      alreadyTracked: isTracked(table),
      notes: notes.get(formatTableName(table)) ?? [],
    }));
  } catch (error) {
    throw fromDatabaseError(error, 'store');
  } finally {
    await store.end().catch(() => {});
  }
}

/** Changes the settings of a table that is tracked already, or refuses. @returns what has changed, in whole sentences */
export async function settle(options: TrackOptions, store: pg.Client): Promise<string[]> {
  await refuseOtherSettings(store, options.node, options.table, options);
  if (options.retention === null) return [];
  const { node, table, retention } = options;
  const before = await inTransaction(store, async (tx) => {
    const stored = await readOtherRetention(tx, node, { table, retention });
    if (stored !== null) await setTableRetention(tx, node, { table, retention });
    return stored;
  });
  return before === null
    ? []
    : [`The retention of ${formatTableName(table)} is ${retention} from now on; it was ${before}.`];
}

export interface UntrackSettings {
  readonly sourceUrl: string;
  readonly storeUrl: string;
  readonly node: string;
  readonly purge: boolean;
  /** See WorkSessions. */
  readonly over?: AbortSignal;
}

/** Ends tracking. History stays, unless `purge` asks for its removal. */
export async function untrack({
  table,
  ...settings
}: UntrackSettings & { readonly table: TableName }): Promise<UntrackResult> {
  const [result] = await untrackTables({ ...settings, tables: [table] });
  return result!;
}

/** Like {@link untrack}, one table after the other. */
export async function untrackTables(
  options: UntrackSettings & { readonly tables: readonly TableName[] },
): Promise<UntrackResult[]> {
  await using sessions = new WorkSessions(options.over);
  let source: pg.Client | null = null;
  try {
    const store = await sessions.open(options.storeUrl, { side: 'store', node: options.node });
    await requireWritable(store);
    const node = await requireNode(store, options.node);
    const results: UntrackResult[] = [];
    for (const table of options.tables) {
      const entry = await readRelationEntry(store, options.node, table);
      if (entry === null || (!isTrackedNow(entry) && !options.purge)) {
        throw new TimewarpError(
          'TABLE_NOT_TRACKED',
          `${formatTableName(table)} is not tracked by node "${options.node}".`,
        );
      }
      if (isTrackedNow(entry)) {
        if (publicationOf(node) !== null) source ??= await connectToUnpublish(sessions, options);
        await endTracking({ source, store }, node, table);
      }
      if (options.purge) await inPatientTransaction(store, (tx) => purgeRelation(tx, entry.relationId));
      results.push({ table: formatTableName(table), relationId: entry.relationId, purged: options.purge });
    }
    return results;
  } catch (error) {
    throwIfAborted(options.over, error);
    throw fromDatabaseError(error, 'store');
  }
}

function connectToUnpublish(
  sessions: WorkSessions,
  { sourceUrl, node }: UntrackSettings,
): Promise<pg.Client> {
  return sessions.open(sourceUrl, { side: 'source', node, statementTimeoutMs: UNPUBLISHING_MS });
}

/**
 * Locks the horizon over both steps, so that a run sees the table either untracked or published. A run that is under way ends
 * as `busy`, and the next one continues.
 */
async function endTracking(
  { source, store }: { readonly source: pg.Client | null; readonly store: pg.Client },
  node: StoredNode,
  table: TableName,
): Promise<void> {
  const publication = publicationOf(node);
  await inTransaction(store, async (tx) => {
    const { horizon } = await lockHorizon(tx, node.node);
    const entry = await readRelationEntry(tx, node.node, { ...table, forUpdate: true });
    if (entry === null || !isTrackedNow(entry)) return; // another command untracked it meanwhile
    if (source !== null && publication !== null) await unpublish(source, publication, table);
    await endRelation(tx, entry.relationId, horizon);
  });
}

/** Checks all tables first, then requests their tracking. */
async function askAll(
  options: TrackSettings,
  {
    node,
    store,
    tables,
    notes,
  }: {
    readonly node: StoredNode;
    readonly store: pg.Client;
    readonly tables: readonly TableName[];
    readonly notes: Map<string, readonly string[]>;
  },
): Promise<void> {
  const exclude = options.exclude ?? [];
  const source = await connect(options.sourceUrl, { side: 'source', node: options.node });
  try {
    const facts = await readTableFacts(source, tables, publicationOf(node));
    for (const [index, table] of tables.entries()) {
      const obstacle = whyNotAsWanted(facts[index] ?? null, table, { exclude, plugin: node.plugin });
      if (obstacle !== null) throw facts[index] === null ? await suggest(source, obstacle, table) : obstacle;
    }
    for (const [index, table] of tables.entries()) {
      const wanted = { ...wantedTracking(options), exclude };
      notes.set(formatTableName(table), await askTracking({ source, store }, node, facts[index]!, wanted));
    }
  } catch (error) {
    throw fromDatabaseError(error, 'source');
  } finally {
    await source.end().catch(() => {});
  }
}

/** The settings of a new table, with defaults. */
export function wantedTracking({ baseline, retention, noNan, shared }: TrackSettings): {
  readonly baseline: boolean;
  readonly retention: string | null;
  readonly noNan: boolean;
  readonly shared: boolean;
} {
  return { baseline: baseline ?? true, retention, noNan: noNan ?? false, shared: shared ?? false };
}

async function suggest(source: pg.Client, error: TimewarpError, wanted: TableName): Promise<TimewarpError> {
  const nearest = nearestTable(wanted, await readTableNames(source));
  if (nearest === null) return error;
  return new TimewarpError(error.code, `${error.message} Did you mean ${formatTableName(nearest)}?`, {
    facts: error.facts,
  });
}

export type BroughtIn = Omit<TrackResult, 'alreadyTracked' | 'notes'>;

/**
 * Starts runs until tracking of the tables has started and their baselines are decided.
 * @param onFailure called with each table that cannot get there; it may throw. An error that concerns all tables is thrown
 * @returns the other tables, by formatted name
 */
// biome-ignore lint/complexity/useMaxParams: the callback reads better as the last parameter than inside an object
export async function bringIn(
  options: TrackSettings,
  store: pg.Client,
  tables: readonly TableName[],
  onFailure: (table: TableName, error: TimewarpError) => void,
): Promise<Map<string, BroughtIn>> {
  const report = options.onProgress ?? (() => {});
  const done = new Map<string, BroughtIn>();
  const waiting = new Map(tables.map((table) => [formatTableName(table), table]));
  const fails = (table: TableName, error: TimewarpError): void => {
    waiting.delete(formatTableName(table));
    onFailure(table, error);
  };
  for (let runs = 0; ; runs++) {
    const entries = await readRelationEntries(store, options.node, [...waiting.values()]);
    let isStarting = false;
    for (const [name, table] of waiting) {
      const entry = entries.get(name) ?? null;
      const failure = await whyNotGoingOn(options, table, entry, runs);
      if (failure !== null) fails(table, failure);
      else if (isBroughtIn(entry!)) {
        done.set(name, broughtIn(name, entry!));
        waiting.delete(name);
      } else isStarting ||= entry!.trackedFrom === null;
    }
    if (waiting.size === 0) break;
    const what = waiting.size === 1 ? [...waiting.keys()][0]! : `${waiting.size} tables`;
    if (options.signal?.aborted) throw interrupted(what);
    report({
      phase: isStarting ? 'starting' : 'resolving',
      message: isStarting ? `starting ${what}` : `deciding the rows of ${what}`,
    });
    const run = await poll({
      sourceUrl: options.sourceUrl,
      storeUrl: options.storeUrl,
      node: options.node,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      onBaseline: (name, step) =>
        report({
          phase: 'baseline',
          message: `reading ${name}`,
          rows: step.rows,
          estimatedRows: step.estimatedRows,
        }),
    });
    for (const table of [...waiting.values()]) if (isMissing(run, table)) fails(table, gone(table));
    await reactTo(run, report, options.signal);
  }
  const all = tables.length === 1 ? `${formatTableName(tables[0]!)} is` : `${done.size} tables are`;
  report({ phase: 'done', message: `${all} tracked` });
  return done;
}

function broughtIn(table: string, entry: RelationEntry): BroughtIn {
  return {
    table,
    relationId: entry.relationId,
    trackedFrom: entry.trackedFrom!,
    baseline: entry.baselineState,
    baselineRows: entry.baselineRows,
    noNan: entry.noNan,
  };
}

/** Why the table cannot be tracked; null: runs continue with it, or it is done. */
// biome-ignore lint/complexity/useMaxParams: called once, in the loop that has these values
async function whyNotGoingOn(
  options: TrackSettings,
  table: TableName,
  entry: RelationEntry | null,
  runs: number,
): Promise<TimewarpError | null> {
  const name = formatTableName(table);
  const untracked = (): TimewarpError =>
    new TimewarpError('TABLE_NOT_TRACKED', `${name} was untracked meanwhile.`);
  if (entry === null) return untracked();
  const { state } = entry;
  if (isInGap(state)) return await whyInGap(options, table, state);
  if (options.noNan && entry.noNanRefuted !== null) return noNanIsFalse(name, entry.noNanRefuted);
  if (isBroughtIn(entry) || options.signal?.aborted) return null;
  const failure = readFailureOf(state);
  if (runs > 0 && failure !== null) return new TimewarpError('TABLE_UNREADABLE', failure);
  return isTrackedNow(entry) ? null : untracked();
}

/**
 * The error for a table with a gap. An earlier run may have recorded the gap, so this asks the source whether the table still
 * exists.
 */
async function whyInGap(options: TrackSettings, table: TableName, state: InGap): Promise<TimewarpError> {
  const source = await connect(options.sourceUrl, { side: 'source', node: options.node });
  try {
    const [facts = null] = await readTableFacts(source, [table]);
    if (facts === null) return gone(table);
    const why = state.reason ?? 'its rows changed, and the log does not contain the change';
    return new TimewarpError('RELATION_GAP', `${formatTableName(table)} has a gap: ${why}.`);
  } catch (error) {
    throw fromDatabaseError(error, 'source');
  } finally {
    await source.end().catch(() => {});
  }
}

/** Throws TABLE_UNKNOWN when the run did not find the table on the source: waiting would never end. */
export function refuseMissing(run: PollResult, wanted: TableName): void {
  if (isMissing(run, wanted)) throw gone(wanted);
}

function isMissing({ missing }: PollResult, wanted: TableName): boolean {
  return missing.some((each) => each.schema === wanted.schema && each.name === wanted.name);
}

function gone(wanted: TableName): TimewarpError {
  const table = formatTableName(wanted);
  return new TimewarpError('TABLE_UNKNOWN', `${table} has been dropped or renamed on the source.`, {
    remedy: `pgtimewarp untrack ${table}`,
  });
}

/** Reacts to the end of a run, for a command that waits: it pauses, reports, or throws. */
export async function reactTo(
  run: PollResult,
  report: (progress: TrackProgress) => void,
  signal?: AbortSignal,
): Promise<void> {
  if (run.outcome === 'gap' || run.outcome === 'blocked') {
    throw new TimewarpError(
      run.outcome === 'gap' ? 'NODE_GAP' : 'NODE_BLOCKED',
      `The node "${run.node}" cannot go on: ${run.reason ?? ''}.`,
    );
  }
  if (run.waitingFor.length > 0) {
    const who = run.waitingFor.map((locker) =>
      locker.pid === null ? 'a prepared transaction' : `pid ${locker.pid}`,
    );
    report({
      phase: 'waiting',
      message: `waiting for transactions that already touched the table: ${who.join(', ')}`,
    });
  } else if (run.outcome === 'busy') {
    report({ phase: 'waiting', message: 'waiting for another run' });
  } else if (run.caughtUp) return;
  await sleep(PAUSE_MS, undefined, signal === undefined ? {} : { signal }).catch(() => {});
}

function isBroughtIn(entry: RelationEntry): boolean {
  return rowsFromBefore(entry.state)?.kind === 'complete';
}

function interrupted(table: string): TimewarpError {
  return new TimewarpError('INTERRUPTED', `Interrupted; ${table} stays asked for, later runs go on with it.`);
}

function noNanIsFalse(table: string, column: string): TimewarpError {
  return new TimewarpError('NO_NAN_FALSE', `The column "${column}" of ${table} holds NaN or infinity.`, {
    facts: { table, column },
    remedy: `pgtimewarp untrack ${table}; pgtimewarp track ${table}`,
  });
}

async function unpublish(source: pg.Client, publication: string, table: TableName): Promise<void> {
  try {
    await removeFromPublication(source, publication, table);
  } catch (error) {
    throw fromDatabaseError(error, 'source');
  }
}
