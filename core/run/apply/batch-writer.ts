/**
 * Collects whole transactions into a batch and writes it in one store transaction, with its part of the time map and the
 * new horizon. Commits that the slot delivers again are compared with what is stored, and not written.
 */
import { inTransaction, type StoreTransaction } from '../../pg/transaction.ts';
import type { CommitStamp } from '../../store/history/commit-stamp.ts';
import type { ReplayedCommit } from '../../store/history/time-map.ts';
import {
  type CommittedPart,
  writeChanges,
  writeEvents,
  writeTimeMap,
} from '../../store/history/write-batch.ts';
import { type Claim, lockCheckpoint, writeHorizon } from '../../store/node/claim.ts';
import { recordRelationLoss } from '../../store/tables/gap.ts';
import { noteNewsOfLeaf } from '../../store/tables/leaves.ts';
import { askRepair } from '../../store/tables/repair.ts';
import type { CommitTime } from '../../types/commit-time.ts';
import type { Lsn } from '../../types/lsn.ts';
import type { TransactionPart } from '../../types/stored.ts';
import type { CommitEvent } from '../../types/stream.ts';
import type { NewsOfLeaves } from '../leaves/news-of-leaves.ts';
import { Replay } from '../loss/replay.ts';
import type { ApplyCounts } from '../run-context.ts';
import type { ApplyOptions } from './apply-options.ts';
import { Batch } from './batch.ts';
import { OneWrite } from './one-write.ts';
import { RowCompleter } from './row-completer.ts';

export class BatchWriter {
  readonly #o: ApplyOptions;
  readonly counts: ApplyCounts;
  readonly completer: RowCompleter;
  readonly replay: Replay;
  readonly write = new OneWrite();
  /** Positions up to here were stored before the peek. */
  readonly #storedUpto: Lsn;
  #batch: Batch;
  #replayed: ReplayedCommit[] = [];

  constructor(options: ApplyOptions, counts: ApplyCounts) {
    this.#o = options;
    this.counts = counts;
    this.completer = new RowCompleter(options);
    this.replay = new Replay(options.store, options.claim, options.replay);
    this.#storedUpto = options.claim.horizon.lsn;
    this.#batch = new Batch(options.claim, options.newLeaves);
  }

  get isFull(): boolean {
    return this.#batch.isFull;
  }

  /** Whether the commit was stored before the peek: the slot delivers it again. */
  isStored(lsn: Lsn): boolean {
    return lsn <= this.#storedUpto;
  }

  /** Adds a whole transaction. @returns a promise only if the writer must write or read something first */
  take(event: CommitEvent, part: TransactionPart): Promise<void> | undefined {
    if (this.isStored(event.lsn)) {
      if (this.replay.wasStored(event.lsn, part))
        this.#replayed.push({ lsn: event.lsn, xid: event.xid, timestamp: event.timestamp });
      return undefined;
    }
    if (this.#batch.accepts(part) && this.#o.clock.clock.covers(event.lsn)) {
      this.#add(event, part);
      return undefined;
    }
    return this.#makeWay(event, part).then(() => this.#add(event, part));
  }

  /** Begins to write the batch when the previous write has ended, and starts an empty batch. */
  async startWrite(): Promise<void> {
    await this.write.done();
    const batch = this.#batch;
    const replayed = this.#replayed;
    if (batch.last === null && replayed.length === 0) return;
    this.#batch = new Batch(this.#o.claim, this.#o.newLeaves);
    this.#replayed = [];
    await this.write.begin(() => this.#writeBatch(batch, replayed));
  }

  /** Returns when everything added so far is stored. */
  async writeAll(): Promise<void> {
    await this.startWrite();
    await this.write.done();
  }

  /** Counts what the store has committed. */
  committed(transactions: number, changes: number): void {
    this.counts.transactions += transactions;
    this.counts.changes += changes;
    this.#o.onProgress(this.counts);
  }

  /** Writes what must be stored before the transaction, and reads what its time depends on. */
  async #makeWay(event: CommitEvent, part: TransactionPart): Promise<void> {
    if (!this.#batch.accepts(part)) await this.startWrite();
    if (this.#o.clock.clock.covers(event.lsn)) return;
    await this.write.done(); // in the same session
    await this.#o.clock.reach(event.lsn);
  }

  #add(event: CommitEvent, part: TransactionPart): void {
    const { clock } = this.#o.clock;
    const time = clock.timeOf(event);
    this.#batch.last = { lsn: event.lsn, time: clock.horizonTime };
    this.#batch.ofNewLeaves.hearCommit(event.xid, event.lsn);
    if (part.changes.length + part.truncates.length + part.keyMismatches.size > 0)
      this.#batch.add(stampOf(event, time), part);
  }

  async #writeBatch(batch: Batch, replayed: readonly ReplayedCommit[]): Promise<void> {
    const { store, claim, clock, beforeWrite } = this.#o;
    await beforeWrite();
    await this.replay.compare(replayed);
    const horizon = batch.last;
    if (horizon === null) return;
    await this.replay.complete(); // new commits come after all commits that are delivered again
    await inTransaction(store, async (tx) => {
      await lockCheckpoint(tx, claim);
      await this.completer.complete(tx, batch, true);
      await noteKeyMismatches(tx, claim, batch.special);
      await writeChanges(tx, batch.rows);
      await noteNews(tx, batch.ofNewLeaves);
      await writeEvents(tx, claim, batch.special);
      await writeTimeMap(tx, batch.map);
      await clock.confirm(tx, await writeHorizon(tx, claim, horizon, false), horizon);
    });
    this.committed(batch.map.count, batch.changes);
  }
}

/**
 * A change without the key of its row is lost, and the table gets a gap and a repair. If the table itself is the obstacle, its
 * gap is open already, and no repair begins.
 */
export async function noteKeyMismatches(
  tx: StoreTransaction,
  claim: Claim,
  parts: readonly CommittedPart[],
): Promise<void> {
  for (const { part } of parts) {
    for (const [relationId, detail] of part.keyMismatches) {
      const opened = await recordRelationLoss(tx, claim, relationId, detail);
      if (opened) await askRepair(tx, relationId);
    }
  }
}

/** Stores what the stream shows about new partitions. */
export async function noteNews(tx: StoreTransaction, news: NewsOfLeaves): Promise<void> {
  for (const each of news.heard()) await noteNewsOfLeaf(tx, each);
}

/** The position and time that every row of the transaction repeats. */
export function stampOf({ lsn, timestamp, xid }: CommitEvent, time: CommitTime): CommitStamp {
  return { lsn, time, commitTimestamp: timestamp, xid };
}
