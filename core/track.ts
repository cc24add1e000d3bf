/**
 * Begins and ends the tracking of a table. Beginning takes runs of the node: until the start is fixed, and until every
 * existing row is decided. Interrupted, it leaves the rest to later runs; repeated, it goes on.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { TimewarpError } from './errors/timewarp-error.ts';
import { connect } from './pg/connection.ts';
import { fromDatabaseError } from './pg/database-error.ts';
import { formatTableName, quoteIdentifier, type TableName } from './pg/identifiers.ts';
import { inPatientTransaction, inTransaction } from './pg/transaction.ts';
import { type PollResult, poll } from './poll.ts';
import { describeTable } from './setup/describe-table.ts';
import { nearestTable } from './setup/near-miss.ts';
import { purgeRelation } from './setup/purge.ts';
import { whyNotTrackable } from './setup/trackable.ts';
import { refuseOtherSettings } from './setup/tracked-otherwise.ts';
import { publicationOf } from './slot/publication.ts';
import { ensurePublished, removeFromPublication } from './slot/publication-tables.ts';
import { readTableFacts, type TableFacts } from './slot/table-facts.ts';
import { readTableNames } from './slot/table-names.ts';
import { requireWritable } from './store/migrate.ts';
import { requireNode, type StoredNode } from './store/nodes.ts';
import { lockHorizon } from './store/repairs.ts';
import { readOtherRetention, requireWindow, setTableRetention } from './store/retention.ts';
import { endRelation, insertRelation, type RelationEntry, readRelationEntry } from './store/tracking.ts';
import { PRINTED_AS_NULL } from './types/plugin.ts';

export interface TrackOptions {
  readonly sourceUrl: string;
  readonly storeUrl: string;
  readonly node: string;
  readonly table: TableName;
  /** Undefined: none, or what a table that is tracked already leaves out. */
  readonly exclude?: readonly string[] | undefined;
  /** The numeric and float columns never hold NaN or Infinity: a NULL that wal2json prints is one. Default: false. */
  readonly noNan?: boolean | undefined;
  /** Undefined: it is read, or as it is with a table that is tracked already. */
  readonly baseline?: boolean | undefined;
  /** `30d`; null: the node's, or what a table that is tracked already has. */
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
  /** As the table is tracked: see TrackOptions. */
  readonly noNan: boolean;
  /** What being tracked means for the table's owner and applications, in whole sentences. */
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
 * Tracks a table and waits until it is tracked in full (with `baseline: false`: until its start is fixed).
 * Throws TimewarpError: TABLE_UNKNOWN, NO_PRIMARY_KEY, KEY_TYPE_REFUSED, TABLE_NOT_TRACKABLE, RELATION_GAP (it needs
 * a rebaseline), BAD_FLAGS (a column that cannot be excluded), TABLE_UNREADABLE, PUBLICATION_RIGHTS, NODE_GAP, INTERRUPTED and what
 * `poll` throws.
 */
export async function track(options: TrackOptions): Promise<TrackResult> {
  const store = await connect(options.storeUrl, { side: 'store', node: options.node });
  try {
    await requireWritable(store);
    const node = await requireNode(store, options.node);
    const before = await readRelationEntry(store, options.node, options.table);
    const alreadyTracked = before !== null && before.status !== 'untracked';
    await requireWindow(store, options.retention);
    const notes = alreadyTracked ? await settle(options, store) : await ask(options, node, store);
    return { ...(await bringIn(options, store)), alreadyTracked, notes };
  } catch (error) {
    throw fromDatabaseError(error, 'store');
  } finally {
    await store.end().catch(() => {});
  }
}

/** Makes a table that is tracked already what is asked for, or refuses. @returns what has changed, in whole sentences */
async function settle(options: TrackOptions, store: pg.Client): Promise<string[]> {
  await refuseOtherSettings(store, options.node, options.table, options);
  if (options.retention === null) return [];
  const { node, table, retention } = options;
  const before = await inTransaction(store, async () => {
    const stored = await readOtherRetention(store, node, table, retention);
    if (stored !== null) await setTableRetention(store, node, table, retention);
    return stored;
  });
  return before === null
    ? []
    : [`The retention of ${formatTableName(table)} is ${retention} from now on; it was ${before}.`];
}

/** Ends tracking. History stays, unless `purge` asks for its removal. */
export async function untrack(options: {
  readonly sourceUrl: string;
  readonly storeUrl: string;
  readonly node: string;
  readonly table: TableName;
  readonly purge: boolean;
}): Promise<UntrackResult> {
  const store = await connect(options.storeUrl, { side: 'store', node: options.node });
  try {
    await requireWritable(store);
    const node = await requireNode(store, options.node);
    const entry = await readRelationEntry(store, options.node, options.table);
    if (entry === null || (entry.status === 'untracked' && !options.purge)) {
      throw new TimewarpError(
        'TABLE_NOT_TRACKED',
        `${formatTableName(options.table)} is not tracked by node "${options.node}".`,
      );
    }
    if (entry.status !== 'untracked') await endTracking(options, node, store);
    if (options.purge) await inPatientTransaction(store, () => purgeRelation(store, entry.relationId));
    return { table: formatTableName(options.table), relationId: entry.relationId, purged: options.purge };
  } catch (error) {
    throw fromDatabaseError(error, 'store');
  } finally {
    await store.end().catch(() => {});
  }
}

/**
 * The horizon is locked over both steps: a run sees the table untracked, or published. One that is under way ends as
 * `busy`, and the next one goes on.
 */
async function endTracking(
  options: { readonly sourceUrl: string; readonly node: string; readonly table: TableName },
  node: StoredNode,
  store: pg.Client,
): Promise<void> {
  const publication = publicationOf(node);
  const source =
    publication === null
      ? null
      : await connect(options.sourceUrl, {
          ...{ side: 'source', node: options.node },
          statementTimeoutMs: UNPUBLISHING_MS,
        });
  try {
    await inTransaction(store, async () => {
      const { horizon } = await lockHorizon(store, options.node);
      const entry = await readRelationEntry(store, options.node, options.table, { forUpdate: true });
      if (entry === null || entry.status === 'untracked') return; // untracked by somebody else meanwhile
      if (source !== null) await unpublish(source, publication!, options.table);
      await endRelation(store, entry.relationId, horizon);
    });
  } finally {
    await source?.end().catch(() => {});
  }
}

/** Checks the table, publishes it where the plugin needs that, and makes its entry. @returns notes, see TrackResult */
async function ask(options: TrackOptions, node: StoredNode, store: pg.Client): Promise<string[]> {
  const exclude = options.exclude ?? [];
  const source = await connect(options.sourceUrl, { side: 'source', node: options.node });
  try {
    const publication = publicationOf(node);
    const [facts = null] = await readTableFacts(source, [options.table], publication);
    const obstacle = whyNotTrackable(facts, options.table);
    if (obstacle !== null) throw facts === null ? await suggest(source, obstacle, options.table) : obstacle;
    refuseExclusions(facts!, exclude);
    const listed = publication === null ? null : await ensurePublished(source, publication, facts!, exclude);
    await inPatientTransaction(store, () => insertEntry(options, facts!, store));
    const doubtful =
      node.plugin === 'wal2json' && !node.numbersAsText && !options.noNan
        ? doubtfulColumns(facts!, exclude)
        : [];
    return [
      ...(listed === null ? [] : [meaningOfList(options.table, publication!)]),
      ...(doubtful.length === 0 ? [] : [meaningOfNulls(options.table, doubtful)]),
    ];
  } catch (error) {
    throw fromDatabaseError(error, 'source');
  } finally {
    await source.end().catch(() => {});
  }
}

/** What the server refuses of a table that is published with a list of columns (seen on 15 and 18). */
function meaningOfList(table: TableName, publication: string): string {
  const name = formatTableName(table);
  return (
    `The publication lists the columns of ${name}, so that excluded ones do not leave the source. The server then refuses ` +
    `to drop a listed column or change its type (before that: ALTER PUBLICATION ${quoteIdentifier(publication)} DROP TABLE ${name}; ` +
    `afterwards: pgtimewarp rebaseline ${name}), and, after REPLICA IDENTITY FULL or another primary key, UPDATE ` +
    'and DELETE until the next run.'
  );
}

/** What wal2json before 2.6 cannot tell apart. */
function meaningOfNulls(table: TableName, columns: readonly string[]): string {
  const name = formatTableName(table);
  return (
    `wal2json before 2.6 prints NaN as it prints NULL, so that some NULLs of ${columns.join(', ')} will be called incomplete. ` +
    `If these never hold NaN or infinity: pgtimewarp untrack ${name} --purge; pgtimewarp track ${name} --no-nan`
  );
}

async function suggest(source: pg.Client, error: TimewarpError, wanted: TableName): Promise<TimewarpError> {
  const nearest = nearestTable(wanted, await readTableNames(source));
  if (nearest === null) return error;
  return new TimewarpError(error.code, `${error.message} Did you mean ${formatTableName(nearest)}?`, {
    facts: error.facts,
  });
}

async function insertEntry(options: TrackOptions, facts: TableFacts, store: pg.Client): Promise<void> {
  const present = await readRelationEntry(store, options.node, options.table, { forUpdate: true });
  if (present !== null && present.status !== 'untracked') return; // asked for twice at the same time
  await insertRelation(store, {
    nodeId: options.node,
    name: options.table,
    ...describeTable(facts),
    baseline: options.baseline ?? true,
    retention: options.retention,
    excludedColumns: options.exclude ?? [],
    noNan: options.noNan ?? false,
  });
}

/** Runs until the table has started and its existing rows are decided. */
async function bringIn(
  options: TrackOptions,
  store: pg.Client,
): Promise<Omit<TrackResult, 'alreadyTracked' | 'notes'>> {
  const report = options.onProgress ?? (() => {});
  const table = formatTableName(options.table);
  for (let runs = 0; ; runs++) {
    const entry = await readRelationEntry(store, options.node, options.table);
    if (entry === null) throw new TimewarpError('TABLE_NOT_TRACKED', `${table} was untracked meanwhile.`);
    if (entry.status === 'needs_rebaseline') throw await whyNotGoingOn(options, entry);
    if (options.noNan && entry.noNanRefuted !== null) throw noNanIsFalse(table, entry.noNanRefuted);
    if (isBroughtIn(entry)) {
      report({ phase: 'done', message: `${table} is tracked` });
      return {
        table,
        relationId: entry.relationId,
        trackedFrom: entry.trackedFrom!,
        baseline: entry.baselineState as TrackResult['baseline'],
        baselineRows: entry.baselineRows,
        noNan: entry.noNan,
      };
    }
    if (options.signal?.aborted) throw interrupted(table);
    if (runs > 0 && entry.readFailure !== null)
      throw new TimewarpError('TABLE_UNREADABLE', entry.readFailure);
    if (entry.status === 'untracked')
      throw new TimewarpError('TABLE_NOT_TRACKED', `${table} was untracked meanwhile.`);
    report({
      phase: entry.trackedFrom === null ? 'starting' : 'resolving',
      message: entry.trackedFrom === null ? `starting ${table}` : `deciding the rows of ${table}`,
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
    refuseMissing(run, options.table);
    await reactTo(run, report, options.signal);
  }
}

/**
 * What a table with a gap is told: the gap may have been recorded by any run before this one, so the source says whether
 * the table is there to be read again.
 */
async function whyNotGoingOn(options: TrackOptions, entry: RelationEntry): Promise<TimewarpError> {
  const source = await connect(options.sourceUrl, { side: 'source', node: options.node });
  try {
    const [facts = null] = await readTableFacts(source, [options.table]);
    if (facts === null) return gone(options.table);
    const why = entry.statusReason ?? 'its rows changed without a trace in the log';
    return new TimewarpError('RELATION_GAP', `${formatTableName(options.table)} has a gap: ${why}.`);
  } catch (error) {
    throw fromDatabaseError(error, 'source');
  } finally {
    await source.end().catch(() => {});
  }
}

/** Throws TABLE_UNKNOWN when the run has found that the source has the table no more: waiting would not end. */
export function refuseMissing(run: PollResult, wanted: TableName): void {
  if (run.missing.some((each) => each.schema === wanted.schema && each.name === wanted.name)) {
    throw gone(wanted);
  }
}

function gone(wanted: TableName): TimewarpError {
  const table = formatTableName(wanted);
  return new TimewarpError('TABLE_UNKNOWN', `${table} has been dropped or renamed on the source.`, {
    remedy: `pgtimewarp untrack ${table}`,
  });
}

/** What a run's end means for a command that waits for runs: pauses, reports, or throws. */
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
  return entry.trackedFrom !== null && entry.baselineState !== 'pending';
}

function interrupted(table: string): TimewarpError {
  return new TimewarpError('INTERRUPTED', `Interrupted; ${table} stays asked for, later runs go on with it.`);
}

function refuseExclusions(facts: TableFacts, exclude: readonly string[]): void {
  for (const name of exclude) {
    const column = facts.columns.find((each) => each.name === name);
    const table = formatTableName(facts);
    if (column === undefined)
      throw new TimewarpError('BAD_FLAGS', `${table} has no column "${name}" to exclude.`);
    if (column.isKey)
      throw new TimewarpError(
        'BAD_FLAGS',
        `"${name}" is part of the key of ${table} and cannot be excluded.`,
      );
  }
}

function doubtfulColumns({ columns }: TableFacts, excluded: readonly string[]): string[] {
  return columns
    .filter(
      ({ typeOid, notNull, generated }) => PRINTED_AS_NULL.has(typeOid) && !notNull && generated !== 'v',
    )
    .map(({ name }) => name)
    .filter((name) => !excluded.includes(name));
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
