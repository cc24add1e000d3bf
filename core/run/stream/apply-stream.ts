/**
 * Carries one peek into the store: decoded transactions are collected into batches, each written in one store
 * transaction with its part of the time map and the new horizon, while the next rows are on their way. A transaction
 * too large for memory is written in parts inside one store transaction: readers see all of it or nothing.
 */
import type pg from 'pg';
import { TimewarpError } from '../../errors/timewarp-error.ts';
import {
  beginTransaction,
  commit,
  inTransaction,
  rollBack,
  type StoreTransaction,
} from '../../pg/transaction.ts';
import type { PeekRow } from '../../source/slot/peek.ts';
import type { CommitStamp } from '../../store/history/commit-stamp.ts';
import { MapRows } from '../../store/history/map-rows.ts';
import { readPreviousVersions } from '../../store/history/previous-versions.ts';
import type { ReplayedCommit } from '../../store/history/time-map.ts';
import {
  type CommittedPart,
  writeChanges,
  writeEvents,
  writeTimeMap,
} from '../../store/history/write-batch.ts';
import { type Claim, lockCheckpoint, writeHorizon } from '../../store/node/claim.ts';
import type { Suspect } from '../../store/node/failures.ts';
import { ClockMoved } from '../../store/node/lineage.ts';
import { recordRelationLoss } from '../../store/tables/gap.ts';
import { noteNewsOfLeaf } from '../../store/tables/leaves.ts';
import { type LostColumn, noteLostColumns } from '../../store/tables/lost-columns.ts';
import { refuteNoNan } from '../../store/tables/no-nan.ts';
import { askRepair } from '../../store/tables/repair.ts';
import type { CommitTime } from '../../types/commit-time.ts';
import { type Lsn, parseLsn } from '../../types/lsn.ts';
import { END_PREFIX } from '../../types/plugin.ts';
import type { TransactionPart } from '../../types/stored.ts';
import type { CommitEvent, StreamDecoder, StreamEvent } from '../../types/stream.ts';
import { type ColumnKnownSince, fillPartial, neededVersions } from '../../versions/fill-partial.ts';
import {
  askableChanges,
  type ConfirmedNulls,
  settleNulls,
  type TransactedChange,
} from '../../versions/settle-nulls.ts';
import { TransactionAssembler } from '../../versions/transaction-assembler.ts';
import type { NewLeaves } from '../catalog/tables-of-run.ts';
import { NewsOfLeaves } from '../leaves/news-of-leaves.ts';
import { Replay, type ReplayOptions } from '../loss/replay.ts';
import type { RunClock } from '../run-clock.ts';
import type { ApplyCounts } from '../run-context.ts';
import { Batch } from './batch.ts';
import { RawRows } from './raw-rows.ts';

export interface ApplyOptions {
  readonly store: pg.Client;
  readonly claim: Claim;
  /** The next rows of the peek; none at its end. */
  readonly nextRows: () => Promise<PeekRow[]>;
  /** The commit row of the transaction of the last row that `nextRows` gave. */
  readonly lastRowOfTransaction: (xid: string) => Promise<PeekRow>;
  readonly decoder: StreamDecoder;
  readonly clock: RunClock;
  readonly columnKnownSince: ColumnKnownSince;
  /** See TablesOfRun. */
  readonly newLeaves: NewLeaves;
  /** See TablesOfRun. */
  readonly refutesNoNan: (lost: LostColumn) => boolean;
  /** Asks the source which doubtful nulls are NULL. */
  readonly confirmNulls: (changes: readonly TransactedChange[]) => Promise<ConfirmedNulls>;
  readonly replay: ReplayOptions;
  /** Whether a key that the plugin may have forgotten ends the peek with {@link KeyForgotten}, to be repeated. */
  readonly repeatsForgottenKeys: boolean;
  /** Whether what the plugin wrote may be kept for inspection: no column of the node is excluded. */
  readonly keepsRaw: boolean;
  /** Told before the error is thrown, where it is known which transaction could not be applied. */
  readonly onFailure: (suspect: Suspect) => void;
  /** Told of messages under END_PREFIX, at their commits. */
  readonly onEndMark: (id: string, lsn: Lsn) => void;
  /** Throws when the run has to stop (deadline, signal); asked between chunks. */
  readonly checkStop: () => void;
  /** Gives the statements that follow on the store session the time that is left; may throw as `checkStop` does. */
  readonly beforeWrite: () => Promise<void>;
  readonly onProgress: (counts: ApplyCounts) => void;
}

/** Not an error of anyone: what has been stored stays, and the rest of the peek has to be read again. */
export class KeyForgotten extends Error {}

/** How much of the stream a peek delivered. */
export interface Delivered {
  readonly rows: number;
  readonly bytes: number;
  readonly commits: number;
}

/** A transaction that holds more than this is written in parts. Small: two are in memory, and the garbage of more. */
const PART_BYTES = 4 * 1024 * 1024;

/** Applies everything that the peek delivers. Counts into `counts`, also when it throws. */
export async function applyStream(options: ApplyOptions, counts: ApplyCounts): Promise<Delivered> {
  return new StreamApplier(options, counts).run();
}

class StreamApplier {
  readonly #o: ApplyOptions;
  readonly #counts: ApplyCounts;
  readonly #assembler = new TransactionAssembler();
  /** Positions up to here are stored already: what comes again is compared, not written. */
  readonly #replayedUpto: bigint;
  #batch: Batch;
  #replayed: ReplayedCommit[] = [];
  readonly #replay: Replay;
  /** Set when a run has failed here before: every transaction is written alone, to see which one it is. */
  readonly #singly: RawRows | null;
  /** The tables that the last transaction changed. */
  #touched: number[] = [];
  #writing: Promise<void> = Promise.resolve();
  /** Set while a huge transaction is being written in parts. */
  #huge: { readonly stamp: CommitStamp; readonly tx: StoreTransaction } | null = null;
  /** Changes of it that count as stored once it is committed. */
  #hugeChanges = 0;
  /** Rows of this transaction are passed over. */
  #leftOut: string | null = null;
  /** Inside a huge transaction that is stored already. */
  #dropping = false;
  #rows = 0;
  #bytes = 0;
  #commits = 0;
  #endMark: string | null = null;
  /** Columns whose loss is on record. */
  readonly #lostColumns = new Set<string>();

  constructor(options: ApplyOptions, counts: ApplyCounts) {
    this.#o = options;
    this.#counts = counts;
    this.#batch = new Batch(options.claim, options.newLeaves);
    this.#replayedUpto = options.claim.horizon.lsn;
    this.#replay = new Replay(options.store, options.claim, options.replay);
    this.#singly = options.claim.failures > 0 ? new RawRows(options.keepsRaw) : null;
  }

  async run(): Promise<Delivered> {
    const { nextRows, decoder, checkStop } = this.#o;
    try {
      for (;;) {
        checkStop();
        const rows = await nextRows();
        if (rows.length === 0) break;
        this.#rows += rows.length;
        for (let index = 0; index < rows.length; index++) {
          const [lsn, xid, data] = rows[index]!;
          this.#bytes += data.length;
          if (xid === this.#leftOut) continue;
          this.#singly?.add(rows[index]!);
          let event: StreamEvent | null;
          try {
            event = decoder.decode(lsn, xid, data);
          } catch (error) {
            const suspect = await this.#accuse(rows, index);
            if (suspect.lsn > this.#replayedUpto) {
              this.#o.onFailure(suspect);
              throw error;
            }
            this.#leftOut = xid; // it was skipped, and comes again
            this.#assembler.endTransaction();
            continue;
          }
          if (event === null) continue;
          if (event.kind !== 'commit') {
            if (event.kind === 'key-mismatch' && event.mayBeForgotten && this.#o.repeatsForgottenKeys)
              throw new KeyForgotten(event.detail);
            if (event.kind === 'message' && event.prefix === END_PREFIX) this.#endMark = event.content;
            this.#assembler.add(event);
            continue;
          }
          this.#commits++;
          if (this.#endMark !== null) this.#o.onEndMark(this.#endMark, event.lsn);
          this.#endMark = null;
          if (this.#huge !== null) await this.#endHuge();
          else {
            const written = this.#commit(event);
            if (written !== undefined) await written;
          }
          if (this.#singly !== null) await this.#writeAlone(event);
        }
        const lastXid = rows.at(-1)![1];
        if (this.#huge !== null) await this.#writePart(this.#assembler.takePart());
        else if (this.#dropping) this.#assembler.takePart();
        else if (this.#assembler.bytes > PART_BYTES) await this.#beginHuge(lastXid);
        if (this.#batch.isFull) await this.#startWrite();
      }
      await this.#startWrite();
      await this.#writing;
      await this.#replay.end(this.#rows + (this.#o.replay.countsBegins ? this.#commits : 0));
      return { rows: this.#rows, bytes: this.#bytes, commits: this.#commits };
    } catch (error) {
      await this.#writing.catch(() => {});
      if (this.#huge !== null) {
        this.#counts.changes -= this.#hugeChanges;
        await rollBack(this.#o.store);
      }
      throw error;
    }
  }

  /** Takes a transaction into the batch; a promise only when the batch has to be written first. */
  #commit(event: CommitEvent): Promise<void> | undefined {
    this.#dropping = false;
    const part = this.#assembler.endTransaction();
    const relevant = part.changes.length + part.truncates.length + part.keyMismatches.size > 0;
    if (event.lsn <= this.#replayedUpto) {
      if (this.#replay.wasStored(event.lsn, part))
        this.#replayed.push({ lsn: event.lsn, xid: event.xid, timestamp: event.timestamp });
      return undefined;
    }
    if (this.#singly !== null) this.#touched = relationsOf(part);
    if (this.#batch.accepts(part) && this.#o.clock.clock.covers(event.lsn)) {
      this.#take(event, relevant ? part : null);
      return undefined;
    }
    return this.#makeWay(event, part).then(() => this.#take(event, relevant ? part : null));
  }

  /** Writes what has to be written before the transaction, and reads what has to be known for its time. */
  async #makeWay(event: CommitEvent, part: TransactionPart): Promise<void> {
    if (!this.#batch.accepts(part)) await this.#startWrite();
    if (this.#o.clock.clock.covers(event.lsn)) return;
    await this.#writing; // in the same session
    await this.#o.clock.reach(event.lsn);
  }

  /** @param part null: a transaction that changed nothing that is tracked */
  #take(event: CommitEvent, part: TransactionPart | null): void {
    const { clock } = this.#o.clock;
    const time = clock.timeOf(event);
    this.#batch.last = { lsn: event.lsn, time: clock.horizonTime };
    this.#batch.ofNewLeaves.hearCommit(event.xid, event.lsn);
    if (part !== null) this.#batch.add(stampOf(event, time), part);
  }

  /** Writes the batch while the caller goes on; waits for the write before it. */
  async #startWrite(): Promise<void> {
    await this.#writing;
    const batch = this.#batch;
    const replayed = this.#replayed;
    if (batch.last === null && replayed.length === 0) return;
    this.#batch = new Batch(this.#o.claim, this.#o.newLeaves);
    this.#replayed = [];
    this.#writing = this.#writeBatch(batch, replayed);
    this.#writing.catch(() => {}); // reported by the next await
  }

  async #writeBatch(batch: Batch, replayed: readonly ReplayedCommit[]): Promise<void> {
    const { store, claim, clock, beforeWrite } = this.#o;
    await beforeWrite();
    await this.#replay.compare(replayed);
    const horizon = batch.last;
    if (horizon === null) return;
    await this.#replay.complete(); // what is new comes after everything that comes again
    await inTransaction(store, async (tx) => {
      await lockCheckpoint(tx, claim);
      await this.#completeRows(tx, batch, true);
      await this.#noteKeyMismatches(tx, batch.special);
      await writeChanges(tx, batch.rows);
      await noteNews(tx, batch.ofNewLeaves);
      await writeEvents(tx, claim, batch.special);
      await writeTimeMap(tx, batch.map);
      await clock.confirm(tx, await writeHorizon(tx, claim, horizon, false), horizon);
    });
    this.#committed(batch.map.count, batch.changes);
  }

  /** Everything before the transaction is written first; then its commit is looked up, and its first part written. */
  async #beginHuge(xid: string): Promise<void> {
    const { store, claim, decoder, clock } = this.#o;
    await this.#startWrite();
    await this.#writing;
    const [lsn, , data] = await this.#o.lastRowOfTransaction(xid);
    const commit = decoder.decode(lsn, xid, data);
    if (commit?.kind !== 'commit') {
      throw new TimewarpError('STREAM_UNREADABLE', `Transaction ${xid} does not end with its commit.`);
    }
    if (commit.lsn <= this.#replayedUpto) {
      const replayed = { lsn: commit.lsn, xid, timestamp: commit.timestamp };
      if (this.#replay.wasStored(commit.lsn, this.#assembler.takePart()))
        await this.#replay.compare([replayed]);
      this.#dropping = true;
      return;
    }
    await this.#replay.complete();
    await clock.reach(commit.lsn);
    const stamp = stampOf(commit, clock.clock.timeOf(commit));
    this.#huge = { stamp, tx: await beginTransaction(store) };
    await lockCheckpoint(this.#huge.tx, claim);
    await this.#writePart(this.#assembler.takePart());
  }

  /** Writes rows and truncates of a part; context and key mismatches wait for the end of the transaction. */
  async #writePart(part: TransactionPart): Promise<void> {
    const { stamp, tx } = this.#huge!;
    const batch = new Batch(this.#o.claim, this.#o.newLeaves);
    batch.addChanges(stamp, part);
    await this.#writing;
    this.#writing = (async () => {
      const { claim, beforeWrite } = this.#o;
      await beforeWrite();
      await this.#completeRows(tx, batch, false);
      await writeChanges(tx, batch.rows);
      await noteNews(tx, batch.ofNewLeaves);
      await writeEvents(tx, claim, [{ stamp, part: { ...part, context: null } }]);
    })();
    this.#writing.catch(() => {});
    this.#counts.changes += batch.changes;
    this.#hugeChanges += batch.changes;
    this.#o.onProgress(this.#counts);
  }

  async #endHuge(): Promise<void> {
    const { claim, clock } = this.#o;
    const { stamp, tx } = this.#huge!;
    const rest = this.#assembler.endTransaction();
    await this.#writePart(rest);
    await this.#writing;
    const last = [{ stamp, part: { ...rest, changes: [], truncates: [] } }];
    const horizon = { lsn: stamp.lsn, time: clock.clock.horizonTime };
    await this.#noteKeyMismatches(tx, last);
    await writeEvents(tx, claim, last);
    const news = new NewsOfLeaves(this.#o.newLeaves);
    news.hearCommit(stamp.xid, stamp.lsn);
    await noteNews(tx, news);
    const map = new MapRows(claim);
    map.add(stamp);
    await writeTimeMap(tx, map);
    await clock.confirm(tx, await writeHorizon(tx, claim, horizon, false), horizon);
    await commit(tx);
    this.#huge = null;
    this.#hugeChanges = 0;
    this.#committed(1, 0);
  }

  #committed(transactions: number, changes: number): void {
    this.#counts.transactions += transactions;
    this.#counts.changes += changes;
    this.#o.onProgress(this.#counts);
  }

  /** Waits until the transaction is written; when it cannot be, says which one it was. */
  async #writeAlone(event: CommitEvent): Promise<void> {
    try {
      await this.#startWrite();
      await this.#writing;
    } catch (error) {
      if (error instanceof ClockMoved) throw error;
      this.#o.onFailure({
        lsn: event.lsn,
        xid: event.xid,
        relationIds: this.#touched,
        raw: this.#singly!.take(),
      });
      throw error;
    }
    this.#singly!.take();
  }

  /** A row that cannot be decoded: its transaction ends with the last row of the same xid. */
  async #accuse(rows: readonly PeekRow[], index: number): Promise<Suspect> {
    const [, xid] = rows[index]!;
    const next = rows.findIndex((row, at) => at > index && row[1] !== xid);
    const last = next === -1 ? await this.#o.lastRowOfTransaction(xid) : rows[next - 1]!;
    const raw = this.#singly ?? new RawRows(this.#o.keepsRaw);
    for (const row of rows.slice(index + 1, next === -1 ? rows.length : next)) raw.add(row);
    return { lsn: parseLsn(last[0]), xid, relationIds: null, raw: raw.take() };
  }

  /**
   * What the plugin left out or printed ambiguously is filled in, or named in `incomplete`.
   * @param whole false for a part of a transaction
   */
  async #completeRows(tx: StoreTransaction, batch: Batch, whole: boolean): Promise<void> {
    const { claim, confirmNulls, columnKnownSince } = this.#o;
    const changes = batch.unfilled.map((each): TransactedChange => ({ ...each, xid: each.stamp.xid }));
    const askable = askableChanges(changes, whole);
    settleNulls(changes, askable.length === 0 ? new Map() : await confirmNulls(askable));
    batch.noteLost(changes.map(({ change }) => change));
    await noteLostColumns(tx, claim.nodeId, batch.lost, this.#lostColumns);
    for (const { relationId, column } of batch.lost.filter(this.#o.refutesNoNan))
      await refuteNoNan(tx, claim.nodeId, relationId, column);
    if (changes.length === 0) return;
    const stored = await readPreviousVersions(tx, neededVersions(changes));
    fillPartial(changes, stored, columnKnownSince);
    batch.encodeFilled();
  }

  /**
   * A change that does not say which row it changed is lost, and the table is read again. (Where the table itself stands in
   * the way, its gap is open by now, and nobody reads it.)
   */
  async #noteKeyMismatches(tx: StoreTransaction, parts: readonly CommittedPart[]): Promise<void> {
    const { claim } = this.#o;
    for (const { part } of parts) {
      for (const [relationId, detail] of part.keyMismatches) {
        const opened = await recordRelationLoss(tx, claim, relationId, detail);
        if (opened) await askRepair(tx, relationId);
      }
    }
  }
}

async function noteNews(tx: StoreTransaction, news: NewsOfLeaves): Promise<void> {
  for (const each of news.heard()) await noteNewsOfLeaf(tx, each);
}

function stampOf({ lsn, timestamp, xid }: CommitEvent, time: CommitTime): CommitStamp {
  return { lsn, time, commitTimestamp: timestamp, xid };
}

function relationsOf(part: TransactionPart): number[] {
  return [...new Set([...part.changes, ...part.truncates].map((each) => each.relationId))];
}
