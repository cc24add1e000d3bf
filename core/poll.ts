/**
 * One run: read what the source has committed since the last one, write it, then move the slot. This file is the run
 * from top to bottom. Its promises: peek, commit, advance (the slot moves only to what the store has committed),
 * exactly once (a run may die anywhere, be repeated or overlap another), bounded (in WAL position, rows, memory, time).
 */
import type pg from 'pg';
import { createPgoutputDecoder } from './decode/pgoutput.ts';
import { createWal2jsonDecoder } from './decode/wal2json.ts';
import { TimewarpError } from './errors/timewarp-error.ts';
import { connect } from './pg/connection.ts';
import { fromDatabaseError, sqlState } from './pg/database-error.ts';
import type { TableName } from './pg/identifiers.ts';
import { inTransaction } from './pg/transaction.ts';
import { mustRelease, recordAndDrop } from './release-slot.ts';
import { type ApplyCounts, applyStream } from './run/apply-stream.ts';
import { judgeNewLeaves, type NewLeaf, readNewLeaves } from './run/check-new-leaves.ts';
import { NullConfirmer } from './run/confirm-nulls-of-run.ts';
import { detectLoss, refuseWrongEndpoint } from './run/detect-loss.ts';
import { keepColumnLists } from './run/keep-column-lists.ts';
import { keepRetention } from './run/keep-retention.ts';
import { noteCatalog } from './run/note-catalog.ts';
import { bearFailure, isPoison } from './run/poison.ts';
import { type BaselineStep, readBaselines } from './run/read-baseline.ts';
import { finishedRepairs, readRepairs } from './run/read-repairs.ts';
import { prepareStarts, type StartState } from './run/start-relations.ts';
import {
  isWaiting,
  type RelationNow,
  readRelationsNow,
  streamNames,
  tablesOfRun,
} from './run/tables-of-run.ts';
import { advanceSlot } from './slot/advance.ts';
import { type EndOfWal, readClock, readEndOfWal, readInsertLsn } from './slot/end-of-wal.ts';
import { Peek } from './slot/peek.ts';
import { publicationName } from './slot/publication.ts';
import { readConfirmedLsn, readSourceFacts, type SourceFacts } from './slot/source-facts.ts';
import {
  type Claim,
  claimNode,
  type Horizon,
  lockCheckpoint,
  releaseClaim,
  writeHorizon,
} from './store/claim.ts';
import { reportSkew } from './store/clock-skew.ts';
import type { Suspect } from './store/failures.ts';
import { openNodeGap, readOpenNodeGap, withdrawNodeGap } from './store/gaps.ts';
import { recordNoProgress } from './store/no-progress.ts';
import { requireNode, type StoredNode } from './store/nodes.ts';
import {
  endGapsOfPast,
  readTrackedRelations,
  resolveBaselines,
  startRelations,
  type TrackedRelation,
} from './store/relations.ts';
import { beginRepairs, finishRepair } from './store/repairs.ts';
import { finishRun } from './store/run-outcome.ts';
import { writeHorizonEntry } from './store/time-map.ts';
import { maxTime, nextMicrosecond } from './types/commit-time.ts';
import { type Lsn, lsnDistanceBytes, maxLsn } from './types/lsn.ts';
import type { Locker } from './types/tracking.ts';
import { CommitClock } from './versions/commit-clock.ts';

export interface PollOptions extends RunOptions {
  readonly sourceUrl: string;
  readonly storeUrl: string;
}

export interface RunOptions {
  readonly node: string;
  /** Stop at the first commit after this many rows of the stream. */
  readonly maxChanges?: number;
  /** End before this many seconds have passed. */
  readonly maxSeconds?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: PollProgress) => void;
  readonly onBaseline?: (table: string, step: BaselineStep) => void;
}

export interface PollProgress extends ApplyCounts {
  readonly appliedLsn: Lsn;
  readonly uptoLsn: Lsn;
}

export interface PollResult {
  readonly node: string;
  /** done: all that was asked for | busy: another run is active | deadline: time was up | blocked, gap: see `reason` */
  readonly outcome: 'done' | 'busy' | 'deadline' | 'blocked' | 'gap';
  readonly transactions: number;
  /** Row changes and truncates. */
  readonly changes: number;
  readonly appliedLsn: Lsn;
  /** WAL between the horizon and the source's position when the run ended. */
  readonly lagBytes: bigint;
  /** Whether the horizon reached the end of WAL as of the start of the run. */
  readonly caughtUp: boolean;
  readonly reason?: string;
  /** Transactions that tables about to be tracked wait for. */
  readonly waitingFor: readonly Locker[];
  /** Tracked tables that the source has no more. */
  readonly missing: readonly TableName[];
}

/** Rows of one peek: large, because every peek reads again all WAL that an open transaction pins. */
const PEEK_ROWS = 500_000;
/** A run without a time limit renews its lease with every batch. */
const LEASE_SECONDS = 3600;
/** SQLSTATE of a statement that ran into statement_timeout, among others. */
const QUERY_CANCELED = '57014';
/** A run reads existing rows no longer than this, so that the horizon does not stand still meanwhile. */
const BASELINE_SLICE_MS = 10_000;
/** What a run spends on forgetting at most; what is left, the next one goes on with. */
const RETENTION_MS = 30_000;
/** How often the catalog may change under a peek before we give up for this run. */
const MAX_REPEEKS = 5;

/**
 * Runs once. Throws TimewarpError when source or store cannot be reached or used; what was committed by then stays.
 * An aborted signal ends the run with INTERRUPTED at the next safe point.
 */
export async function poll(options: PollOptions): Promise<PollResult> {
  const store = await connect(options.storeUrl, { side: 'store', node: options.node });
  try {
    const node = await requireNode(store, options.node);
    const source = await connect(options.sourceUrl, { side: 'source', node: options.node });
    try {
      return await new Run(options, node, source, store).run();
    } finally {
      await source.end().catch(() => {});
    }
  } finally {
    await store.end().catch(() => {});
  }
}

/**
 * As {@link poll}, on sessions that stay the caller's: opened by `connect` for this node and used for nothing else
 * meanwhile. A run changes their settings, and one that fails may leave them in any state (see `resetSession`).
 */
export async function pollWith(
  { source, store }: { readonly source: pg.Client; readonly store: pg.Client },
  options: RunOptions,
): Promise<PollResult> {
  return new Run(options, await requireNode(store, options.node), source, store).run();
}

class Run {
  readonly #options: RunOptions;
  readonly #node: StoredNode;
  readonly #source: pg.Client;
  readonly #store: pg.Client;
  readonly #deadlineMs: number;
  /** Relations of which this run has found a silent change. */
  readonly #found = new Set<number>();
  #missing: TableName[] = [];
  readonly #counts: ApplyCounts = { transactions: 0, changes: 0 };
  /** The transaction that the run failed at, where that is known. */
  #suspect: Suspect | null = null;

  constructor(options: RunOptions, node: StoredNode, source: pg.Client, store: pg.Client) {
    this.#options = options;
    this.#node = node;
    this.#source = source;
    this.#store = store;
    this.#deadlineMs = performance.now() + (options.maxSeconds ?? Number.POSITIVE_INFINITY) * 1000;
  }

  async run(): Promise<PollResult> {
    const facts = await this.#onSource(() => readSourceFacts(this.#source, this.#node.slotName)); // before the claim
    const lease =
      this.#options.maxSeconds === undefined ? LEASE_SECONDS : Math.ceil(this.#options.maxSeconds) + 10;
    const claim = await claimNode(this.#store, this.#node.node, lease);
    if (claim === null) {
      const horizon = this.#node.horizon?.lsn ?? facts.insertLsn;
      return this.#result('busy', horizon, facts.insertLsn, false, []);
    }
    try {
      refuseWrongEndpoint(facts, this.#node);
      const loss = detectLoss(facts, this.#node, claim.horizon);
      if (this.#node.status !== 'active' && !(loss === null && (await this.#healGap(claim)))) {
        return await this.#standStill(claim, facts);
      }
      if (loss !== null) return await this.#recordLoss(claim, facts.insertLsn, loss.code, loss.reason);
      return await this.#claimed(claim);
    } finally {
      await releaseClaim(this.#store, claim).catch(() => {});
    }
  }

  /** The source that a gap said was another one is the right one again, with its slot as it was: nothing is lost. */
  async #healGap(claim: Claim): Promise<boolean> {
    if (this.#node.status !== 'gap') return false;
    if ((await readOpenNodeGap(this.#store, claim.nodeId)) !== 'SOURCE_REPLACED') return false;
    await inTransaction(this.#store, async () => {
      await lockCheckpoint(this.#store, claim);
      await withdrawNodeGap(this.#store, claim);
    });
    return true;
  }

  /** A node that waits for its operator reads nothing; the WAL that it keeps is watched. */
  async #standStill(claim: Claim, facts: SourceFacts): Promise<PollResult> {
    const blocked = this.#node.status === 'blocked';
    const released = blocked ? await this.#releaseOverBudget(claim, facts) : null;
    return this.#result(
      blocked && released === null ? 'blocked' : 'gap',
      claim.horizon.lsn,
      facts.insertLsn,
      false,
      [],
      released ?? this.#node.statusReason ?? undefined,
    );
  }

  /** @returns why the slot was dropped; null when it was not */
  async #releaseOverBudget(claim: Claim, facts: SourceFacts): Promise<string | null> {
    const why = mustRelease(this.#node, facts);
    if (why === null) return null;
    const databases = { source: this.#source, store: this.#store };
    await this.#onSource(() => recordAndDrop(databases, claim, this.#node, facts, why));
    return `the slot was dropped: ${why}`;
  }

  async #claimed(claim: Claim): Promise<PollResult> {
    let outcome: PollResult['outcome'] = 'done';
    let caughtUp = false;
    const horizonBefore = claim.horizon.lsn;
    let starts: StartState = { ready: [], waitingFor: [] };
    try {
      const relations = await readTrackedRelations(this.#store, claim.nodeId);
      const now = await this.#onSource(() => readRelationsNow(this.#source, relations));
      this.#missing = now.filter(({ facts }) => facts === null).map(({ relation }) => relation.name);
      starts = await this.#prepareStarts(now);
      const newLeaves = await this.#onSource(() => readNewLeaves(this.#source, now));
      if (this.#node.plugin === 'pgoutput') {
        const places = { source: this.#source, store: this.#store, claim };
        await this.#onSource(() => keepColumnLists(places, publicationName(this.#node.node), now));
      }
      const end = await this.#onSource(() => readEndOfWal(this.#source));
      await this.#keepRetention(claim, end.upto); // before the writes: ranges are made ahead of them
      caughtUp = await this.#catchUp(claim, relations, end);
      if (caughtUp) {
        await this.#reachHorizon(claim, starts, newLeaves, end);
        await this.#readExistingRows(claim);
      }
    } catch (error) {
      const failure = fromDatabaseError(error, 'store'); // the source's errors have been named as such before
      if (failure.code === 'CLAIM_LOST') outcome = 'busy';
      else if (failure.code === 'DEADLINE') outcome = 'deadline';
      else if (failure.code === 'HISTORY_FORKED') {
        return this.#recordLoss(claim, await this.#position(), failure.code, failure.message);
      } else {
        if (isPoison(failure)) {
          const blocked = await bearFailure(this.#store, claim, failure, this.#suspect);
          if (blocked !== null)
            return this.#result('blocked', claim.horizon.lsn, await this.#position(), false, [], blocked);
        }
        throw failure;
      }
    }
    const position = await this.#position();
    if (outcome === 'deadline' && claim.horizon.lsn === horizonBefore && position > horizonBefore)
      await recordNoProgress(this.#store, claim, position);
    if (outcome !== 'busy') {
      await finishRun(this.#store, claim, { outcome, caughtUp });
      if (this.#node.releasesSlot) {
        const facts = await readSourceFacts(this.#source, this.#node.slotName);
        const released = await this.#releaseOverBudget(claim, facts);
        if (released !== null) return this.#result('gap', claim.horizon.lsn, position, false, [], released);
      }
    }
    return this.#result(outcome, claim.horizon.lsn, position, caughtUp, starts.waitingFor);
  }

  async #prepareStarts(relations: readonly RelationNow[]): Promise<StartState> {
    const waiting = relations.filter(({ relation }) => isWaiting(relation));
    if (waiting.length === 0) return { ready: [], waitingFor: [] };
    return this.#onSource(() => prepareStarts(this.#source, this.#store, waiting));
  }

  /** Peeks until everything up to `end` has been applied. @returns false when a bound of the caller came first */
  async #catchUp(claim: Claim, relations: readonly TrackedRelation[], end: EndOfWal): Promise<boolean> {
    let followed = relations.filter((relation) => relation.status !== 'starting');
    if (followed.length === 0) return end.complete;
    let budget = this.#options.maxChanges ?? Number.POSITIVE_INFINITY;
    for (;;) {
      this.#checkStop();
      const maxRows = Math.min(PEEK_ROWS, budget);
      const counted = await this.#peekOnce(claim, followed, end.upto, maxRows);
      if (counted < maxRows) return end.complete;
      budget -= counted;
      await this.#advance(claim.horizon.lsn);
      if (budget <= 0) return false;
      const ids = new Set(followed.map((relation) => relation.relationId));
      followed = (await readTrackedRelations(this.#store, claim.nodeId)).filter((each) =>
        ids.has(each.relationId),
      );
    }
  }

  /** @returns how many rows the slot function counted against its bound */
  async #peekOnce(
    claim: Claim,
    relations: readonly TrackedRelation[],
    upto: Lsn,
    maxRows: number,
  ): Promise<number> {
    const { peek, now } = await this.#openPeek(relations, upto, maxRows);
    let nulls: NullConfirmer | null = null;
    try {
      const positions = {
        horizonBefore: claim.horizon.lsn,
        horizon: claim.horizon,
        foundNow: this.#found,
        positionNow: await this.#onSource(() => readInsertLsn(this.#source)),
      };
      const ceiling = await this.#onSource(() => readClock(this.#source));
      const { plugin } = this.#node;
      const found = await noteCatalog(now, { store: this.#store, claim, plugin, positions });
      for (const relationId of found) this.#found.add(relationId);
      const tables = await this.#onSource(() => tablesOfRun(this.#source, this.#store, now, positions));
      nulls = new NullConfirmer(
        { source: this.#source, node: this.#options.node },
        now,
        tables.columnKnownSince,
      );
      const confirmer = nulls;
      // read after the slot function has run: a position from before could be one that a dying run still moved
      const standsAt = await this.#onSource(() => readConfirmedLsn(this.#source, this.#node.slotName));
      const createDecoder = this.#node.plugin === 'wal2json' ? createWal2jsonDecoder : createPgoutputDecoder;
      const clock = new CommitClock(claim.horizon.time, ceiling);
      const delivered = await applyStream(
        {
          store: this.#store,
          claim,
          nextRows: () => this.#namingSource(() => peek.next()),
          lastRowOfTransaction: (xid) => this.#namingSource(() => peek.lastRowOfTransaction(xid)),
          decoder: createDecoder(tables.lookup, tables.types),
          clock,
          columnKnownSince: tables.columnKnownSince,
          confirmNulls: (changes) => this.#namingSource(() => confirmer.confirm(changes)),
          replay: {
            from: now.some((each) => each.facts === null) ? null : standsAt,
            maxRows,
            countsBegins: this.#node.plugin === 'wal2json',
            trackedFrom: new Map(now.map(({ relation }) => [relation.relationId, relation.trackedFrom])),
          },
          keepsRaw: relations.every((relation) => relation.excludedColumns.length === 0),
          onFailure: (suspect) => {
            this.#suspect = suspect;
          },
          checkStop: () => this.#checkStop(),
          onProgress: (counts) =>
            this.#options.onProgress?.({ ...counts, appliedLsn: claim.horizon.lsn, uptoLsn: upto }),
        },
        this.#counts,
      );
      await reportSkew(this.#store, claim, clock.skew);
      // wal2json's Begin rows count on the server and are left there (see peek.ts)
      return delivered.rows + (this.#node.plugin === 'wal2json' ? delivered.commits : 0);
    } finally {
      await nulls?.close();
      await peek.close().catch(() => {});
    }
  }

  /** wal2json is told the names of the leaves; one that appeared meanwhile means that the peek has to be repeated. */
  async #openPeek(
    relations: readonly TrackedRelation[],
    upto: Lsn,
    maxRows: number,
  ): Promise<{ peek: Peek; now: RelationNow[] }> {
    let names = await this.#onSource(() => readRelationsNow(this.#source, relations));
    for (let attempt = 0; ; attempt++) {
      const peek = await this.#onSource(() =>
        Peek.open(this.#source, {
          plugin: this.#node.plugin,
          slotName: this.#node.slotName,
          upto,
          maxRows,
          tables: streamNames(names),
          publication: publicationName(this.#node.node),
        }),
      );
      const now = await this.#onSource(() => readRelationsNow(this.#source, relations));
      if (JSON.stringify(streamNames(now)) === JSON.stringify(streamNames(names)) || attempt >= MAX_REPEEKS) {
        return { peek, now };
      }
      await peek.close();
      names = now;
    }
  }

  /** Everything up to the end of WAL as of the start is stored: move the horizon there, then the slot. */
  async #reachHorizon(
    claim: Claim,
    starts: StartState,
    newLeaves: readonly NewLeaf[],
    end: EndOfWal,
  ): Promise<void> {
    const relations = await readTrackedRelations(this.#store, claim.nodeId);
    const lsn = maxLsn(end.upto, claim.horizon.lsn);
    // A commit that came after `now`, or was clamped to a later reading of the clock, has a time beyond it already.
    const after = lsn > claim.horizon.lsn ? nextMicrosecond(claim.horizon.time) : claim.horizon.time;
    const horizon: Horizon = { lsn, time: maxTime(end.now, after) };
    const ready = starts.ready
      .filter((each) => each.startAfter <= horizon.lsn && !this.#found.has(each.relationId))
      .map((each) => each.relationId);
    const resolved = relations
      .filter(
        (each) =>
          each.baselineState === 'pending' && each.baselineLsn !== null && each.baselineLsn <= horizon.lsn,
      )
      .map((each) => each.relationId);
    await inTransaction(this.#store, async () => {
      await lockCheckpoint(this.#store, claim);
      await writeHorizonEntry(this.#store, claim, horizon, this.#counts.transactions === 0);
      await writeHorizon(this.#store, claim, horizon, true);
      const attached = await judgeNewLeaves(this.#store, claim, newLeaves);
      for (const repair of finishedRepairs(relations, horizon.lsn)) {
        if (!attached.has(repair.relationId)) await finishRepair(this.#store, claim, repair, horizon);
      }
      if (ready.length > 0) {
        await startRelations(this.#store, ready, horizon);
        await endGapsOfPast(this.#store, ready, horizon);
        await beginRepairs(this.#store, ready, horizon);
      }
      if (resolved.length > 0) await resolveBaselines(this.#store, resolved);
    });
    claim.horizon = horizon;
    await this.#advance(horizon.lsn);
  }

  /** Baselines and repairs, for a part of the time only: meanwhile the horizon stands still. */
  async #readExistingRows(claim: Claim): Promise<void> {
    const started = performance.now();
    const timeForItMs = Math.min((this.#deadlineMs - started) / 2, BASELINE_SLICE_MS);
    const options = {
      source: this.#source,
      store: this.#store,
      claim,
      plugin: this.#node.plugin,
      onSource: <T>(work: () => Promise<T>) => this.#onSource(work),
      checkStop: () => this.#checkStop(),
      mayGoOn: () => performance.now() - started < timeForItMs,
      onProgress: (table: string, step: BaselineStep) => this.#options.onBaseline?.(table, step),
    };
    await readBaselines(options);
    await readRepairs(options);
  }

  async #keepRetention(claim: Claim, upto: Lsn): Promise<void> {
    const started = performance.now();
    const timeForItMs = Math.min(RETENTION_MS, (this.#deadlineMs - started) / 4);
    const mayGoOn = (): boolean =>
      performance.now() - started < timeForItMs && this.#options.signal?.aborted !== true;
    await keepRetention({ store: this.#store, claim, upto, mayGoOn });
  }

  async #advance(committed: Lsn): Promise<void> {
    await this.#onSource(() => advanceSlot(this.#source, this.#node.slotName, committed));
  }

  async #recordLoss(claim: Claim, position: Lsn, code: string, reason: string): Promise<PollResult> {
    await inTransaction(this.#store, async () => {
      await lockCheckpoint(this.#store, claim);
      await openNodeGap(this.#store, claim, code, reason);
    });
    await finishRun(this.#store, claim, { outcome: 'gap', caughtUp: false });
    return this.#result('gap', claim.horizon.lsn, position, false, [], reason);
  }

  /** Where the source stands, also when the time of the run is over. */
  async #position(): Promise<Lsn> {
    await this.#source.query('SET statement_timeout = 5000');
    return readInsertLsn(this.#source);
  }

  #checkStop(): void {
    if (this.#options.signal?.aborted) throw new TimewarpError('INTERRUPTED', 'The run was interrupted.');
    if (performance.now() >= this.#deadlineMs)
      throw new TimewarpError('DEADLINE', 'The time for this run is used up.');
  }

  /** A statement time-out on the source is the deadline; everything else keeps its meaning. */
  async #onSource<T>(work: () => Promise<T>): Promise<T> {
    if (Number.isFinite(this.#deadlineMs)) await this.#limitStatements();
    return this.#namingSource(work);
  }

  async #namingSource<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (sqlState(error) === QUERY_CANCELED && Number.isFinite(this.#deadlineMs)) {
        throw new TimewarpError('DEADLINE', 'The time for this run is used up.', { cause: error });
      }
      throw fromDatabaseError(error, 'source');
    }
  }

  async #limitStatements(): Promise<void> {
    this.#checkStop();
    const remainingMs = Math.max(1, Math.floor(this.#deadlineMs - performance.now()));
    await this.#source.query(`SET statement_timeout = ${remainingMs}`);
  }

  #result(
    outcome: PollResult['outcome'],
    appliedLsn: Lsn,
    position: Lsn,
    caughtUp: boolean,
    waitingFor: readonly Locker[],
    reason?: string,
  ): PollResult {
    return {
      node: this.#node.node,
      outcome,
      ...this.#counts,
      appliedLsn,
      lagBytes: lsnDistanceBytes(appliedLsn, position),
      caughtUp,
      waitingFor,
      missing: this.#missing,
      ...(reason === undefined ? {} : { reason }),
    };
  }
}
