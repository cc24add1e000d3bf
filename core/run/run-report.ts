/** The result of a run, however it ended. */
import type pg from 'pg';
import type { TableName } from '../pg/identifiers.ts';
import { readInsertLsn } from '../source/slot/end-of-wal.ts';
import type { StoredNode } from '../store/node/nodes.ts';
import { LSN_ZERO, type Lsn, lsnDistanceBytes } from '../types/lsn.ts';
import type { Locker } from '../types/tracking.ts';
import type { ApplyCounts } from './run-context.ts';
import type { RunLimits } from './run-limits.ts';

export interface PollResult {
  readonly node: string;
  /** done | busy: another run is active | deadline: the time was over | blocked, gap: see `reason` */
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
  /** Transactions that starting tables wait for. */
  readonly waitingFor: readonly Locker[];
  /** Tracked tables that the source no longer has. */
  readonly missing: readonly TableName[];
  /** Tables that this run began to track, because they match a follow rule. */
  readonly followed: readonly TableName[];
}

/** How far a run has come. */
interface End {
  readonly appliedLsn: Lsn;
  /** The insert position of the source. */
  readonly position: Lsn;
  readonly reason?: string | undefined;
  readonly caughtUp?: boolean;
  readonly waitingFor?: readonly Locker[];
}

/** Collects the facts of a run for its result. */
export class RunReport {
  /** What the run has stored so far. A failed run reports it, too. */
  readonly counts: ApplyCounts = { transactions: 0, changes: 0 };
  caughtUp = false;
  readonly waitingFor: Locker[] = [];
  missing: readonly TableName[] = [];
  followed: readonly TableName[] = [];
  /** The last known position of the source. */
  seen: Lsn | null = null;
  node: StoredNode;
  readonly #source: pg.Client;
  readonly #limits: RunLimits;

  constructor(node: StoredNode, source: pg.Client, limits: RunLimits) {
    this.node = node;
    this.#source = source;
    this.#limits = limits;
  }

  /** The position of the source, also after the time of the run is over. */
  async position(): Promise<Lsn> {
    try {
      this.seen = await this.#limits.atEnd(() => readInsertLsn(this.#source));
    } catch (error) {
      if (!this.#limits.isTimeUp(error)) throw error; // the source does not answer, so the last known position counts
    }
    return this.seen ?? this.node.horizon?.lsn ?? LSN_ZERO;
  }

  /** A run without a claim reports the horizon that was stored when it began. */
  async unclaimed(outcome: 'busy' | 'deadline'): Promise<PollResult> {
    const position = await this.position();
    return this.result(outcome, { appliedLsn: this.node.horizon?.lsn ?? position, position });
  }

  result(outcome: PollResult['outcome'], end: End): PollResult {
    const { appliedLsn, position, reason } = end;
    return {
      node: this.node.node,
      outcome,
      ...this.counts,
      appliedLsn,
      lagBytes: lsnDistanceBytes(appliedLsn, position),
      caughtUp: end.caughtUp ?? false,
      waitingFor: end.waitingFor ?? [],
      missing: this.missing,
      followed: this.followed,
      ...(reason === undefined ? {} : { reason }),
    };
  }
}
