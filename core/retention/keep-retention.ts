/**
 * The part of a run that deletes expired history, within its claim and a time limit. Every step commits by itself, and the next
 * run continues after the last step. The step waits for each lock that blocks readers, and holds it, for less than a second in
 * all.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { TimewarpError } from '../errors/timewarp-error.ts';
import { sqlState } from '../pg/database-error.ts';
import { inTransaction, type StoreTransaction } from '../pg/transaction.ts';
import { type Claim, lockCheckpoint } from '../store/node/claim.ts';
import type { Lsn } from '../types/lsn.ts';
import {
  addRangeCheck,
  advanceCutoffs,
  beginBase,
  buildBase,
  changeRanges,
  cutContexts,
  cutTimeMap,
  dropExpiredPeriod,
  dropRangeChecks,
  exchangeBase,
  hasRangeChecks,
  nextRangeAction,
  type RangeAction,
  relationsBeingArchived,
  relationsToExpire,
  relationsToPrepare,
  syncRetention,
  validateRangeCheck,
} from './periods.ts';

export interface KeepRetentionOptions {
  readonly store: pg.Client;
  readonly claim: Claim;
  /** The run is about to write positions up to here. */
  readonly upto: Lsn;
  /** Whether there is time for another step. */
  readonly mayGoOn: () => boolean;
}

export interface RetentionResult {
  /** Relations that have a window. */
  readonly relations: number;
  readonly rangesDropped: number;
  readonly mapEntriesForgotten: number;
  /** Relations that are not finished: the time was over, or readers held locks. */
  readonly unfinished: readonly number[];
}

const LOCK_NOT_AVAILABLE = '55P03';
const QUERY_CANCELED = '57014';
const DEADLOCK = '40P01';
/** The longest wait for a lock, because other sessions queue behind that wait. */
const LOCK_TIMEOUT_MS = 400;
/** The longest time to wait for such a lock and work under it. A longer scan is done earlier, without the lock. */
const LOCKED_TIMEOUT_MS = 900;
const LOCK_TRIES = 5;
const BUILD_ROWS = 50_000;
const MAP_ROWS = 50_000;
const CONTEXT_ROWS = 20_000;
const MAX_ACTIONS = 6;

/**
 * Creates ranges ahead, moves cutoffs and drops expired history, for every relation of the node with a window, its own or that of the
 * archive. Throws TRANSACTION_CONFLICT if the run must not write: see {@link dropChecks}.
 */
export async function keepRetention(options: KeepRetentionOptions): Promise<RetentionResult> {
  await dropChecks(options); // a dead run may have left them; the table may have no window any more
  const relationIds = await syncRetention(options.store, options.claim.nodeId);
  const result = { relations: relationIds.length, rangesDropped: 0, mapEntriesForgotten: 0 };
  const unfinished: number[] = [];
  if (relationIds.length === 0) return { ...result, unfinished };
  await advanceCutoffs(options.store, relationIds);
  const unprepared = await relationsToPrepare(options.store, relationIds, options.upto);
  const expiring = await relationsToExpire(options.store, relationIds);
  const archiving = await relationsBeingArchived(options.store, options.claim.nodeId);
  const due = relationIds.filter((each) => unprepared.has(each) || expiring.has(each));
  for (const [index, relationId] of due.entries()) {
    if (index > 0 && !options.mayGoOn()) {
      unfinished.push(...due.slice(index)); // writes work without ranges ahead, and the next run creates them
      break;
    }
    const prepared = !unprepared.has(relationId) || (await prepareRanges(options, relationId));
    const mayExpire = expiring.has(relationId) && !archiving.has(relationId);
    const dropped = mayExpire ? await expire(options, relationId) : 0;
    result.rangesDropped += dropped ?? 0;
    if (!prepared || dropped === null) unfinished.push(relationId);
  }
  // a copy also has the contexts and the times of the commits, which tables of the node share
  if (archiving.size > 0) return { ...result, unfinished };
  for (let seen = CONTEXT_ROWS; seen === CONTEXT_ROWS && options.mayGoOn(); )
    seen = await cutContexts(options.store, options.claim.nodeId, CONTEXT_ROWS);
  for (let forgotten = MAP_ROWS; forgotten === MAP_ROWS && options.mayGoOn(); ) {
    forgotten = await cutTimeMap(options.store, options.claim.nodeId, MAP_ROWS);
    result.mapEntriesForgotten += forgotten;
  }
  return { ...result, unfinished };
}

/** @returns whether every range that is needed exists */
async function prepareRanges(options: KeepRetentionOptions, relationId: number): Promise<boolean> {
  const { store, upto } = options;
  for (let count = 0; count < MAX_ACTIONS; count++) {
    const next = await nextRangeAction(store, relationId, upto);
    if (next === null) return true;
    const done = await shortly(options, (tx) => changeRanges(tx, relationId, next));
    if (done === 'slow' && next.action === 'split') {
      if (!(await splitLarge(options, relationId, next))) return false;
    } else if (done !== 'done') return false;
  }
  return true;
}

/** Splits a range whose rows take too long to scan under the lock: the server scans them before, for a CHECK constraint. */
async function splitLarge(
  options: KeepRetentionOptions,
  relationId: number,
  next: RangeAction,
): Promise<boolean> {
  const { store } = options;
  if (!options.mayGoOn()) return false;
  let isSplit = false;
  if ((await shortly(options, (tx) => addRangeCheck(tx, relationId, next))) !== 'done') return false;
  try {
    await validateRangeCheck(store, relationId, next.table);
    isSplit = (await shortly(options, (tx) => changeRanges(tx, relationId, next))) === 'done'; // it drops the constraint, too
  } finally {
    if (!isSplit) await dropChecks(options);
  }
  return isSplit;
}

/**
 * Drops the constraints for splits of large ranges. With one of them the store refuses new rows, which would count as a failure of
 * an innocent transaction and in the end block the node. A reader of the range can keep it from being dropped; then this throws
 * TRANSACTION_CONFLICT, the run writes nothing, and the next one tries again.
 */
async function dropChecks(options: KeepRetentionOptions): Promise<void> {
  const { store, claim } = options;
  if (!(await mayHaveChecks(store, claim.nodeId))) return;
  const patient = { ...options, mayGoOn: () => true };
  if ((await shortly(patient, (tx) => dropRangeChecks(tx, claim.nodeId))) === 'done') return;
  throw new TimewarpError(
    'TRANSACTION_CONFLICT',
    'A long transaction of the store reads a range of the history that is being closed, so nothing can be written to it.',
    {
      facts: { side: 'store' },
      remedy:
        'Do nothing: runs go on when that transaction has ended. To end it, look for the oldest one: SELECT pid, xact_start, query FROM pg_stat_activity ORDER BY xact_start;',
    },
  );
}

/** A scan that exceeded the time limit has not shown that there are none. */
async function mayHaveChecks(store: pg.Client, nodeId: string): Promise<boolean> {
  try {
    return await hasRangeChecks(store, nodeId);
  } catch (error) {
    if (sqlState(error) === QUERY_CANCELED) return true;
    throw error;
  }
}

/** @returns how many ranges were dropped; null when it could not finish */
async function expire(options: KeepRetentionOptions, relationId: number): Promise<number | null> {
  const { store, claim } = options;
  let periodDropped = false;
  await shortly(options, async (tx) => {
    periodDropped = await dropExpiredPeriod(tx, relationId);
  });
  if (periodDropped) return 1;
  let due = false;
  const begun = await shortly(options, async (tx) => {
    due = await beginBase(tx, relationId);
  });
  if (begun !== 'done') return null;
  if (!due) return 0;
  for (let built = false; !built; ) {
    if (!options.mayGoOn()) return null;
    built = await inTransaction(store, async (tx) => {
      await lockCheckpoint(tx, claim);
      return await buildBase(tx, relationId, BUILD_ROWS);
    });
  }
  for (let pauseMs = 5; ; pauseMs = Math.min(pauseMs * 2, 500)) {
    let dropped: number | null = null;
    await shortly(options, async (tx) => {
      dropped = await exchangeBase(tx, relationId);
    });
    if (dropped !== null) return dropped;
    if (!options.mayGoOn()) return null;
    await sleep(pauseMs); // waits for older readers to end
  }
}

/** Runs `work` in a transaction that blocks others for less than a second. It retries while readers hold the lock. */
async function shortly(
  { store, claim, mayGoOn }: KeepRetentionOptions,
  work: (tx: StoreTransaction) => Promise<void>,
): Promise<'done' | 'locked' | 'slow'> {
  for (let attempt = 1; ; attempt++) {
    try {
      await inTransaction(store, async (tx) => {
        await lockCheckpoint(tx, claim);
        await tx.query(
          `SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}; SET LOCAL statement_timeout = ${LOCKED_TIMEOUT_MS}`,
        );
        await work(tx);
      });
      return 'done';
    } catch (error) {
      const state = sqlState(error);
      if (state === QUERY_CANCELED) return 'slow';
      if (state !== LOCK_NOT_AVAILABLE && state !== DEADLOCK) throw error;
      if (attempt === LOCK_TRIES || !mayGoOn()) return 'locked';
      await sleep(50 * attempt);
    }
  }
}
