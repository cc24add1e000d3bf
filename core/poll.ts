/**
 * One run: read what the source has committed since the last one, write it, then move the slot. This file is the run
 * from top to bottom. Its promises: peek, commit, advance (the slot moves only to what the store has committed),
 * exactly once (a run may die anywhere, be repeated or overlap another), bounded (in WAL position, rows, memory, time).
 */
import type pg from 'pg';
import { answered, connect, connectBeside } from './pg/connection.ts';
import { fromDatabaseError, sideOf } from './pg/database-error.ts';
import type { TableName } from './pg/identifiers.ts';
import { keepRetention } from './retention/keep-retention.ts';
import { followTables } from './run/catalog/follow-tables.ts';
import { keepColumnLists } from './run/catalog/keep-column-lists.ts';
import { letWritesThrough } from './run/catalog/let-writes-through.ts';
import { isUnheard } from './run/catalog/note-catalog.ts';
import {
  isWaiting,
  type RelationNow,
  readRelationsNow,
  type SeenRelations,
} from './run/catalog/tables-of-run.ts';
import { decide } from './run/horizon/decide.ts';
import { reachHorizon } from './run/horizon/reach-horizon.ts';
import { readNewLeaves } from './run/leaves/check-new-leaves.ts';
import { detectLoss, type Loss, refuseWrongEndpoint } from './run/loss/detect-loss.ts';
import { recordLoss, releaseOverBudget, withdrawFalseGap } from './run/loss/record-loss.ts';
import { keepRepairsPublished } from './run/rows/keep-repairs-published.ts';
import { type BaselineStep, readBaselines } from './run/rows/read-baseline.ts';
import { readRepairs } from './run/rows/read-repairs.ts';
import { lockersAtEnd, prepareStarts, type StartState } from './run/rows/start-relations.ts';
import type { ApplyCounts, RunContext } from './run/run-context.ts';
import { LONGEST_MS, RunLimits, type RunLimitsOptions } from './run/run-limits.ts';
import { reachedEnd } from './run/stream/end-of-stream.ts';
import { peekAndApply } from './run/stream/peek-and-apply.ts';
import { PeekSize } from './run/stream/peek-size.ts';
import { bearFailure, isPoison } from './run/stream/poison.ts';
import { askForLess } from './run/stream/smaller-peek.ts';
import { publicationOf } from './source/publication/publication.ts';
import { advanceSlot } from './source/slot/advance.ts';
import { type EndOfWal, readEndOfWal, readInsertLsn, readSnapshot } from './source/slot/end-of-wal.ts';
import { readSourceFacts, type SourceFacts } from './source/slot/source-facts.ts';
import { type Claim, releaseClaim, renewLease } from './store/node/claim.ts';
import type { Suspect } from './store/node/failures.ts';
import { recordNoProgress } from './store/node/no-progress.ts';
import { requireNode, type StoredNode, writeDatabaseName } from './store/node/nodes.ts';
import { finishRun } from './store/node/run-outcome.ts';
import { type TakenNode, takeNode } from './store/node/take-node.ts';
import { readAgain, readTrackedRelations, type TrackedRelation } from './store/tables/read.ts';
import { LSN_ZERO, type Lsn, lsnDistanceBytes } from './types/lsn.ts';
import { maybeSameSystem } from './types/server-identity.ts';
import type { Locker } from './types/tracking.ts';

export interface PollOptions extends RunOptions {
  readonly sourceUrl: string;
  readonly storeUrl: string;
}

export interface RunOptions extends RunLimitsOptions {
  readonly node: string;
  /** Stop at the first commit after this many rows of the stream. */
  readonly maxChanges?: number;
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
  /** Tables that are tracked from this run on: they match a pattern that is followed. */
  readonly followed: readonly TableName[];
}

/** A run without a time limit renews its lease. */
const LEASE_SECONDS = 120;
const RENEW_LEASE_MS = 30_000;
/** How long a server may take to let us in. */
const CONNECT_MS = 10_000;
/** A server that has not answered so long after its own limit has gone silent. */
const SILENCE_MS = 1_000;
/** A run whose time is over before it has begun says so itself. */
const SHORTEST_MS = 1_000;
/** A run reads existing rows no longer than this, so that the horizon does not stand still meanwhile. */
const BASELINE_SLICE_MS = 10_000;
/** What a run spends on forgetting at most; what is left, the next one goes on with. */
const RETENTION_MS = 30_000;
const RETENTION_SHARE = 1 / 4;

/**
 * Runs once. Throws TimewarpError when source or store cannot be reached or used; what was committed by then stays.
 * An aborted signal ends the run with INTERRUPTED at the next safe point.
 */
export async function poll(options: PollOptions): Promise<PollResult> {
  const begun = performance.now();
  /** What is left of its time for a run that has to connect first. */
  const limits = (): { connectTimeoutMs?: number; statementTimeoutMs?: number; maxSeconds?: number } => {
    if (options.maxSeconds === undefined) return {};
    const leftMs = Math.ceil(Math.max(SHORTEST_MS, options.maxSeconds * 1000 - (performance.now() - begun)));
    return {
      connectTimeoutMs: Math.min(leftMs, CONNECT_MS),
      statementTimeoutMs: Math.min(leftMs, LONGEST_MS - SILENCE_MS),
      maxSeconds: leftMs / 1000,
    };
  };
  const { node } = options;
  let opened: pg.Client[] = [];
  try {
    const store = await connect(options.storeUrl, { side: 'store', node, ...limits() });
    opened = [store];
    const { statementTimeoutMs } = limits();
    const silentMs = statementTimeoutMs && statementTimeoutMs + SILENCE_MS;
    const stored = await answered(store, () => requireNode(store, node), silentMs);
    const source = await connect(options.sourceUrl, { side: 'source', node, ...limits() });
    opened = [source, store];
    return await new Run({ ...options, ...limits() }, stored, source, store).run();
  } catch (error) {
    throw fromDatabaseError(error, sideOf(error) ?? 'store');
  } finally {
    await Promise.allSettled(opened.map((session) => session.end()));
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
  try {
    return await new Run(options, await requireNode(store, options.node), source, store).run();
  } catch (error) {
    throw fromDatabaseError(error, sideOf(error) ?? 'store');
  }
}

class Run {
  readonly #options: RunOptions;
  #node: StoredNode;
  readonly #source: pg.Client;
  readonly #store: pg.Client;
  readonly #limits: RunLimits;
  readonly #counts: ApplyCounts = { transactions: 0, changes: 0 };
  #missing: TableName[] = [];
  #followed: TableName[] = [];
  /** The last position of the source that is known. */
  #seen: Lsn | null = null;
  /** The transaction that the run failed at, where that is known. */
  #suspect: Suspect | null = null;

  constructor(options: RunOptions, node: StoredNode, source: pg.Client, store: pg.Client) {
    this.#options = options;
    this.#node = node;
    this.#source = source;
    this.#store = store;
    this.#limits = new RunLimits({ source, store }, options);
  }

  async run(): Promise<PollResult> {
    try {
      return await this.#run();
    } finally {
      this.#limits[Symbol.dispose]();
    }
  }

  async #run(): Promise<PollResult> {
    const [source, store, limits] = [this.#source, this.#store, this.#limits];
    const { maxSeconds } = this.#options;
    const lease = maxSeconds === undefined ? LEASE_SECONDS : Math.ceil(maxSeconds) + 10;
    let taken: TakenNode | null;
    try {
      await limits.limitStore();
      taken = await takeNode(store, this.#node.node, lease);
    } catch (error) {
      if (limits.isTimeUp(error)) return this.#unclaimed('deadline', await this.#position());
      throw error;
    }
    if (taken === null) return this.#unclaimed('busy', await this.#position());
    const { claim } = taken;
    this.#node = taken.node;
    await using _lease = maxSeconds === undefined ? this.#keepLease(claim) : null;
    try {
      const facts = await limits.onSource(() => readSourceFacts(source, taken.node.slotName));
      this.#seen = facts.insertLsn;
      refuseWrongEndpoint(facts, taken.node, claim.horizon);
      const node = await this.#followRename(taken.node, facts);
      const run = {
        node,
        source,
        store,
        claim,
        limits,
        counts: this.#counts,
        found: new Set<number>(),
        endMarks: new Map(),
      };
      const loss = detectLoss(facts, node, claim.horizon);
      if (node.status !== 'active' && !(loss === null && (await withdrawFalseGap(run)))) {
        return await this.#standStill(run, facts);
      }
      if (loss !== null) return await this.#endInGap(run, facts.insertLsn, loss);
      return await this.#claimed(run);
    } catch (error) {
      if (limits.isTimeUp(error)) return this.#result('deadline', claim.horizon.lsn, await this.#position());
      throw error;
    } finally {
      await releaseClaim(store, claim).catch(() => {});
    }
  }

  /** Renews the lease on a session of its own, opened when a run lasts. */
  #keepLease(claim: Claim): AsyncDisposable {
    let beside: Promise<pg.Client> | null = null;
    const timer = setInterval(() => {
      beside ??= connectBeside(this.#store, { side: 'store', node: this.#node.node });
      beside
        .then((session) => renewLease(session, claim))
        .catch(() => {
          beside = null; // the next time, with another one
        });
    }, RENEW_LEASE_MS).unref();
    return {
      [Symbol.asyncDispose]: async () => {
        clearInterval(timer);
        await beside?.then((session) => session.end()).catch(() => {});
      },
    };
  }

  /** The database of the node may have got another name; what it is follows from the slot. */
  async #followRename(node: StoredNode, facts: SourceFacts): Promise<StoredNode> {
    if (node.database === facts.database || !maybeSameSystem(facts, node)) return node;
    await writeDatabaseName(this.#store, node.node, facts.database);
    this.#node = { ...node, database: facts.database };
    return this.#node;
  }

  async #claimed(run: RunContext): Promise<PollResult> {
    const { claim, store, limits } = run;
    const publication = publicationOf(run.node);
    let outcome: PollResult['outcome'] = 'done';
    let caughtUp = false;
    const horizonBefore = claim.horizon.lsn;
    const waitingFor: Locker[] = [];
    try {
      const onSource = <T>(work: () => Promise<T>): Promise<T> => limits.onSource(work);
      this.#followed = await followTables({ source: run.source, store, node: run.node, onSource });
      let relations = await readTrackedRelations(store, claim.nodeId);
      const snapshot = await limits.onSource(() => readSnapshot(run.source));
      const now = await limits.onSource(async () => {
        const seen = await readRelationsNow(run.source, relations, publication);
        if (publication === null) return seen;
        const again = async (): Promise<RelationNow[]> => {
          relations = await readTrackedRelations(store, claim.nodeId);
          return await readRelationsNow(run.source, relations, publication);
        };
        const present = (await letWritesThrough(run, publication, seen)) ? await again() : seen;
        return (await keepRepairsPublished(run, publication, present)) ? await again() : present;
      });
      this.#missing = now.filter(({ facts }) => facts === null).map(({ relation }) => relation.name);
      const starts = await this.#prepareStarts(run, now);
      waitingFor.push(...starts.waitingFor);
      const newLeaves = await limits.onSource(() => readNewLeaves(run.source, now, run.node.plugin));
      if (publication !== null && (await limits.onSource(() => keepColumnLists(run, publication, now)))) {
        relations = await readTrackedRelations(store, claim.nodeId);
      }
      const end = await limits.onSource(() => readEndOfWal(run.source));
      const lateLockers = await limits.onSource(() => lockersAtEnd(run.source, starts.ready, now));
      await this.#keepRetention(run, end.upto); // before the writes: ranges are made ahead of them
      caughtUp = await this.#catchUp(run, relations, { relations: now, snapshot }, end);
      if (caughtUp) {
        await limits.limitStore();
        caughtUp = await reachHorizon(run, { end, starts, lateLockers, newLeaves });
        await this.#advance(run);
        await decide(run, limits.slice(1 / 2, BASELINE_SLICE_MS));
        await this.#readExistingRows(run, waitingFor);
      }
    } catch (error) {
      const failure = fromDatabaseError(error, 'store'); // the source's errors have been named as such before
      if (failure.code === 'CLAIM_LOST') outcome = 'busy';
      else if (limits.isTimeUp(failure)) outcome = 'deadline';
      else if (failure.code === 'HISTORY_FORKED' || failure.code === 'SLOT_MISSING') {
        const loss = { code: failure.code, reason: failure.message };
        return this.#endInGap(run, await this.#position(), loss);
      } else {
        if (isPoison(failure)) {
          const blocked = await bearFailure(store, claim, failure, this.#suspect);
          if (blocked !== null)
            return this.#result('blocked', claim.horizon.lsn, await this.#position(), { reason: blocked });
        }
        throw failure;
      }
    }
    const position = await this.#position();
    if (outcome !== 'busy') {
      await limits.noteAtEnd(async () => {
        if (outcome === 'deadline' && claim.horizon.lsn === horizonBefore && position > horizonBefore)
          await recordNoProgress(store, claim, position);
        await finishRun(store, claim, { outcome, caughtUp });
      });
      if (run.node.releasesSlot) {
        const reason = await limits.atEnd(async () =>
          releaseOverBudget(run, await readSourceFacts(run.source, run.node.slotName)),
        );
        if (reason !== null) return this.#result('gap', claim.horizon.lsn, position, { reason });
      }
    }
    return this.#result(outcome, claim.horizon.lsn, position, { caughtUp, waitingFor });
  }

  async #prepareStarts(run: RunContext, relations: readonly RelationNow[]): Promise<StartState> {
    const { plugin } = run.node;
    const waiting = relations.filter((now) => isWaiting(now.relation) && !isUnheard(now, plugin));
    if (waiting.length === 0) return { ready: [], waitingFor: [] };
    return run.limits.onSource(() =>
      prepareStarts(run.source, run.store, plugin, waiting, run.claim.horizon),
    );
  }

  async #keepRetention({ store, claim, limits }: RunContext, upto: Lsn): Promise<void> {
    const inTime = limits.slice(RETENTION_SHARE, RETENTION_MS);
    await limits.limitStore(RETENTION_SHARE);
    try {
      await keepRetention({ store, claim, upto, mayGoOn: () => inTime() && !limits.isInterrupted });
    } catch (error) {
      if (!limits.isTimeUp(error)) throw error; // forgetting can wait; what is to be read cannot
    }
  }

  /** Peeks until everything up to `end` has been applied. @returns false when a bound of the caller came first */
  async #catchUp(
    run: RunContext,
    relations: readonly TrackedRelation[],
    before: SeenRelations,
    end: EndOfWal,
  ): Promise<boolean> {
    const { claim } = run;
    let seen: SeenRelations | null = {
      ...before,
      relations: before.relations.filter(({ relation }) => relation.state.kind !== 'starting'),
    };
    let followed = relations.filter(({ state }) => state.kind !== 'starting');
    if (followed.length === 0) return end.complete;
    let budget = this.#options.maxChanges ?? Number.POSITIVE_INFINITY;
    let looks = 0;
    const size = new PeekSize(claim.failures > 0);
    const onFailure = (suspect: Suspect): void => {
      this.#suspect = suspect;
    };
    for (;;) {
      run.limits.checkStop();
      const maxRows = Math.min(size.rows, budget);
      const peek = { relations: followed, upto: end.upto, maxRows, onFailure };
      try {
        const counted = await peekAndApply(run, {
          ...peek,
          seen,
          onProgress: (counts) =>
            this.#options.onProgress?.({ ...counts, appliedLsn: claim.horizon.lsn, uptoLsn: end.upto }),
        });
        const reached = counted.rows < maxRows ? await reachedEnd(run, end, looks++) : null;
        if (reached !== null) return reached;
        budget -= counted.rows;
        size.learn(counted.rows, counted.bytes);
        await this.#advance(run);
        if (budget <= 0) return false;
      } catch (error) {
        if (!(await askForLess(run, error, size, peek))) throw error;
      }
      seen = null;
      followed = await readAgain(run.store, claim.nodeId, followed);
    }
  }

  /** The slot follows what the store has committed, never the other way round. */
  async #advance({ source, node, claim, limits }: RunContext): Promise<void> {
    await limits.onSource(() => advanceSlot(source, node.slotName, claim.horizon.lsn));
  }

  /** Baselines and repairs, for a part of the time only: meanwhile the horizon stands still. */
  async #readExistingRows(
    { source, store, claim, node, limits }: RunContext,
    waitingFor: Locker[],
  ): Promise<void> {
    const options = {
      source,
      store,
      claim,
      plugin: node.plugin,
      onSource: <T>(work: () => Promise<T>) => limits.onSource(work),
      checkStop: () => limits.checkStop(),
      mayGoOn: limits.slice(1 / 2, BASELINE_SLICE_MS),
      onProgress: (table: string, step: BaselineStep) => this.#options.onBaseline?.(table, step),
      onWaiting: (lockers: readonly Locker[]) => void waitingFor.push(...lockers),
    };
    await readBaselines(options);
    await readRepairs(options);
  }

  /** A node that waits for its operator reads nothing; the WAL that it keeps is watched. */
  async #standStill(run: RunContext, facts: SourceFacts): Promise<PollResult> {
    const { node, claim } = run;
    const blocked = node.status === 'blocked';
    const released = blocked ? await run.limits.onSource(() => releaseOverBudget(run, facts)) : null;
    const outcome = blocked && released === null ? 'blocked' : 'gap';
    const reason = released ?? node.statusReason ?? undefined;
    return this.#result(outcome, claim.horizon.lsn, facts.insertLsn, { reason });
  }

  async #endInGap(run: RunContext, position: Lsn, { code, reason }: Loss): Promise<PollResult> {
    await recordLoss(run, { code, reason });
    await finishRun(run.store, run.claim, { outcome: 'gap', caughtUp: false });
    return this.#result('gap', run.claim.horizon.lsn, position, { reason });
  }

  /** Where the source stands, also when the time of the run is over. */
  async #position(): Promise<Lsn> {
    try {
      this.#seen = await this.#limits.atEnd(() => readInsertLsn(this.#source));
    } catch (error) {
      if (!this.#limits.isTimeUp(error)) throw error; // it does not answer: what is known is from before
    }
    return this.#seen ?? this.#node.horizon?.lsn ?? LSN_ZERO;
  }

  /** A run that has not come to its claim knows of the horizon what was stored when it began. */
  #unclaimed(outcome: 'busy' | 'deadline', position: Lsn): PollResult {
    return this.#result(outcome, this.#node.horizon?.lsn ?? position, position);
  }

  #result(
    outcome: PollResult['outcome'],
    appliedLsn: Lsn,
    position: Lsn,
    more: { caughtUp?: boolean; waitingFor?: readonly Locker[]; reason?: string | undefined } = {},
  ): PollResult {
    return {
      node: this.#node.node,
      outcome,
      ...this.#counts,
      appliedLsn,
      lagBytes: lsnDistanceBytes(appliedLsn, position),
      caughtUp: more.caughtUp ?? false,
      waitingFor: more.waitingFor ?? [],
      missing: this.#missing,
      followed: this.#followed,
      ...(more.reason === undefined ? {} : { reason: more.reason }),
    };
  }
}
