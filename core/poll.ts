/**
 * One run: read what the source has committed since the last one, write it, then move the slot. This file is the run
 * from top to bottom. Its promises: peek, commit, advance (the slot moves only to what the store has committed),
 * exactly once (a run may die anywhere, be repeated or overlap another), bounded (in WAL position, rows, memory, time).
 */
import { fromDatabaseError, sideOf } from './pg/database-error.ts';
import { keepRetention } from './retention/keep-retention.ts';
import { advance } from './run/advance.ts';
import { decide } from './run/horizon/decide.ts';
import { reachHorizon } from './run/horizon/reach-horizon.ts';
import { keepLease } from './run/keep-lease.ts';
import { readNewLeaves } from './run/leaves/check-new-leaves.ts';
import { detectLoss, refuseWrongEndpoint } from './run/loss/detect-loss.ts';
import { conclude, endInGap, standStill } from './run/loss/end-of-run.ts';
import { withdrawFalseGap } from './run/loss/record-loss.ts';
import { type Sessions, type SessionsOptions, withSessions } from './run/open-sessions.ts';
import { lookAtTables, withColumnLists } from './run/rows/look-at-tables.ts';
import type { BaselineStep } from './run/rows/read-baseline.ts';
import { readExistingRows } from './run/rows/read-existing-rows.ts';
import { lockersAtEnd, prepareStarts } from './run/rows/start-relations.ts';
import type { RunContext } from './run/run-context.ts';
import { RunLimits, type RunLimitsOptions } from './run/run-limits.ts';
import { type PollResult, RunReport } from './run/run-report.ts';
import { type AfterFailure, afterFailure } from './run/stream/after-failure.ts';
import { catchUp, type PollProgress } from './run/stream/catch-up.ts';
import { readEndOfWal } from './source/slot/end-of-wal.ts';
import { readSourceFacts, type SourceFacts } from './source/slot/source-facts.ts';
import { type Claim, releaseClaim } from './store/node/claim.ts';
import type { Suspect } from './store/node/failures.ts';
import { requireNode, type StoredNode, writeDatabaseName } from './store/node/nodes.ts';
import { type TakenNode, takeNode } from './store/node/take-node.ts';
import type { Lsn } from './types/lsn.ts';
import { maybeSameSystem } from './types/server-identity.ts';

export type { PollResult } from './run/run-report.ts';

export interface PollOptions extends RunOptions, SessionsOptions {}

export interface RunOptions extends RunLimitsOptions {
  readonly node: string;
  /** Stop at the first commit after this many rows of the stream. */
  readonly maxChanges?: number;
  readonly onProgress?: (progress: PollProgress) => void;
  readonly onBaseline?: (table: string, step: BaselineStep) => void;
}

/** A run without a time limit renews its lease. */
const LEASE_SECONDS = 120;
/** A run reads existing rows no longer than this, so that the horizon does not stand still meanwhile. */
const BASELINE_SLICE_MS = 10_000;
/** The longest time that a run spends on deleting expired history; the next run continues. */
const RETENTION_MS = 30_000;
const RETENTION_SHARE = 1 / 4;

/**
 * Runs once. Throws TimewarpError when source or store cannot be reached or used; what was committed by then stays.
 * An aborted signal ends the run with INTERRUPTED at the next safe point.
 */
export async function poll(options: PollOptions): Promise<PollResult> {
  return namingErrors(() =>
    withSessions(options, (sessions, node, left) => new Run({ ...options, ...left }, node, sessions).run()),
  );
}

/**
 * As {@link poll}, on sessions that stay the caller's: opened by `connect` for this node and used for nothing else
 * meanwhile. A run changes their settings, and one that fails may leave them in any state (see `resetSession`).
 */
export async function pollWith(sessions: Sessions, options: RunOptions): Promise<PollResult> {
  return namingErrors(async () =>
    new Run(options, await requireNode(sessions.store, options.node), sessions).run(),
  );
}

async function namingErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw fromDatabaseError(error, sideOf(error) ?? 'store');
  }
}

class Run {
  readonly #options: RunOptions;
  readonly #sessions: Sessions;
  readonly #limits: RunLimits;
  readonly #report: RunReport;
  /** The transaction that the run failed at, where that is known. */
  #suspect: Suspect | null = null;

  constructor(options: RunOptions, node: StoredNode, sessions: Sessions) {
    this.#options = options;
    this.#sessions = sessions;
    this.#limits = new RunLimits(sessions, options);
    this.#report = new RunReport(node, sessions.source, this.#limits);
  }

  /** Claims the node, runs, and gives the node back. */
  async run(): Promise<PollResult> {
    using limits = this.#limits;
    const { store } = this.#sessions;
    const { node, maxSeconds } = this.#options;
    const lease = maxSeconds === undefined ? LEASE_SECONDS : Math.ceil(maxSeconds) + 10;
    let taken: TakenNode | null;
    try {
      await limits.limitStore();
      taken = await takeNode(store, node, lease);
    } catch (error) {
      if (limits.isTimeUp(error)) return await this.#report.unclaimed('deadline');
      throw error;
    }
    if (taken === null) return await this.#report.unclaimed('busy');
    const { claim } = taken;
    this.#report.node = taken.node;
    await using _lease = maxSeconds === undefined ? keepLease(store, claim) : null;
    try {
      return await this.#taken(taken);
    } catch (error) {
      if (!limits.isTimeUp(error)) throw error;
      return this.#report.result('deadline', await this.#end(claim));
    } finally {
      await releaseClaim(store, claim).catch(() => {});
    }
  }

  /** Compares the source with what the store knows of it, before anything is read or written. */
  async #taken({ node: stored, claim }: TakenNode): Promise<PollResult> {
    const { source, store } = this.#sessions;
    const limits = this.#limits;
    const facts = await limits.onSource(() => readSourceFacts(source, stored.slotName));
    this.#report.seen = facts.insertLsn;
    refuseWrongEndpoint(facts, stored, claim.horizon);
    const node = await this.#followRename(stored, facts);
    const run: RunContext = {
      ...{ node, source, store, claim, limits, counts: this.#report.counts },
      found: new Set(),
      endMarks: new Map(),
    };
    const loss = detectLoss(facts, node, claim.horizon);
    if (node.status !== 'active' && !(loss === null && (await withdrawFalseGap(run)))) {
      return await standStill(run, this.#report, facts);
    }
    if (loss !== null) return await endInGap(run, this.#report, { ...loss, position: facts.insertLsn });
    return await this.#untilItEnds(run);
  }

  /** Makes the steps of the run; handles a failure. */
  async #untilItEnds(run: RunContext): Promise<PollResult> {
    const { claim } = run;
    const report = this.#report;
    const horizonBefore = claim.horizon.lsn;
    let failed: AfterFailure | null = null;
    try {
      await this.#steps(run);
    } catch (error) {
      failed = await afterFailure(run, error, this.#suspect);
    }
    switch (failed?.outcome) {
      case 'gap':
        return endInGap(run, report, { ...failed.loss, position: await report.position() });
      case 'blocked':
        return report.result('blocked', { ...(await this.#end(claim)), reason: failed.reason });
      default:
        return conclude(run, report, { outcome: failed?.outcome ?? 'done', horizonBefore });
    }
  }

  /** The steps of a run that finds no gap and no block. */
  async #steps(run: RunContext): Promise<void> {
    const { source, limits } = run;
    const report = this.#report;
    const seen = await lookAtTables(run, report);
    const starts = await prepareStarts(run, seen.relations);
    report.waitingFor.push(...starts.waitingFor);
    const newLeaves = await limits.onSource(() => readNewLeaves(source, seen.relations, run.node.plugin));
    const relations = await withColumnLists(run, seen);
    const end = await limits.onSource(() => readEndOfWal(source));
    const lateLockers = await limits.onSource(() => lockersAtEnd(source, starts.ready, seen.relations));
    await this.#keepRetention(run, end.upto); // before the writes: ranges are made ahead of them
    report.caughtUp = await catchUp(run, {
      ...{ relations, before: seen, end },
      maxChanges: this.#options.maxChanges,
      onProgress: (progress) => this.#options.onProgress?.(progress),
      onFailure: (suspect) => {
        this.#suspect = suspect;
      },
    });
    if (!report.caughtUp) return;
    await limits.limitStore();
    report.caughtUp = await reachHorizon(run, { end, starts, lateLockers, newLeaves });
    await advance(run);
    await decide(run, limits.slice(1 / 2, BASELINE_SLICE_MS));
    await readExistingRows(run, {
      mayGoOn: limits.slice(1 / 2, BASELINE_SLICE_MS),
      onProgress: (table, step) => this.#options.onBaseline?.(table, step),
      onWaiting: (lockers) => void report.waitingFor.push(...lockers),
    });
  }

  async #keepRetention({ store, claim, limits }: RunContext, upto: Lsn): Promise<void> {
    const inTime = limits.slice(RETENTION_SHARE, RETENTION_MS);
    await limits.limitStore(RETENTION_SHARE);
    try {
      await keepRetention({ store, claim, upto, mayGoOn: () => inTime() && !limits.isInterrupted });
    } catch (error) {
      if (!limits.isTimeUp(error)) throw error; // deleting expired history can wait for the next run, reading cannot
    }
  }

  /** Records the present name of the node's database, which may have been renamed: the slot identifies the database. */
  async #followRename(node: StoredNode, facts: SourceFacts): Promise<StoredNode> {
    if (node.database === facts.database || !maybeSameSystem(facts, node)) return node;
    await writeDatabaseName(this.#sessions.store, node.node, facts.database);
    return { ...node, database: facts.database };
  }

  async #end(claim: Claim): Promise<{ readonly appliedLsn: Lsn; readonly position: Lsn }> {
    const position = await this.#report.position();
    return { appliedLsn: claim.horizon.lsn, position };
  }
}
