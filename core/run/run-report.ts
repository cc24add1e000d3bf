/** What a run says about itself when it has ended, whichever way. */
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

/** Where a run has come to. */
interface End {
  readonly appliedLsn: Lsn;
  /** Where the source stands. */
  readonly position: Lsn;
  readonly reason?: string | undefined;
  readonly caughtUp?: boolean;
  readonly waitingFor?: readonly Locker[];
}

/** Collects what a run finds out on its way. */
export class RunReport {
  /** What has been stored so far, also when the run fails. */
  readonly counts: ApplyCounts = { transactions: 0, changes: 0 };
  caughtUp = false;
  readonly waitingFor: Locker[] = [];
  missing: readonly TableName[] = [];
  followed: readonly TableName[] = [];
  /** The last position of the source that is known. */
  seen: Lsn | null = null;
  node: StoredNode;
  readonly #source: pg.Client;
  readonly #limits: RunLimits;

  constructor(node: StoredNode, source: pg.Client, limits: RunLimits) {
    this.node = node;
    this.#source = source;
    this.#limits = limits;
  }

  /** Where the source stands, also when the time of the run is over. */
  async position(): Promise<Lsn> {
    try {
      this.seen = await this.#limits.atEnd(() => readInsertLsn(this.#source));
    } catch (error) {
      if (!this.#limits.isTimeUp(error)) throw error; // it does not answer: what is known is from before
    }
    return this.seen ?? this.node.horizon?.lsn ?? LSN_ZERO;
  }

  /** A run that has not come to its claim knows of the horizon what was stored when it began. */
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
