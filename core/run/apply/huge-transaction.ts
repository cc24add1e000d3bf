/**
 * A transaction too large for memory is written in parts inside one store transaction: readers see all of it or nothing.
 * Its commit is looked up before its first part is written, because every row contains the position and time of the commit.
 */
import { TimewarpError } from '../../errors/timewarp-error.ts';
import { beginTransaction, commit, rollBack, type StoreTransaction } from '../../pg/transaction.ts';
import type { CommitStamp } from '../../store/history/commit-stamp.ts';
import { MapRows } from '../../store/history/map-rows.ts';
import {
  type CommittedPart,
  writeChanges,
  writeEvents,
  writeTimeMap,
} from '../../store/history/write-batch.ts';
import { ClockMoved } from '../../store/node/agreement.ts';
import { lockCheckpoint, writeHorizon } from '../../store/node/claim.ts';
import type { TransactionPart } from '../../types/stored.ts';
import type { CommitEvent, StreamRow } from '../../types/stream.ts';
import { NewsOfLeaves } from '../leaves/news-of-leaves.ts';
import { Batch } from './batch.ts';
import { noteKeyMismatches, noteNews, stampOf } from './batch-writer.ts';
import type { Applying, TransactionUnderWay } from './transaction-under-way.ts';

/** So much is written by one COPY. A chunk of the stream is much less, and each COPY costs a round trip. */
const WRITTEN_BYTES = 2 * 1024 * 1024;

/** Writes everything before the transaction `xid`, looks up its commit, and writes its first part if it is new. */
export async function becomeHuge(applying: Applying, xid: string): Promise<TransactionUnderWay> {
  const { options, assembler, writer } = applying;
  await writer.writeAll();
  const last = options.decoder.decode(await options.lastRowOfTransaction(xid));
  if (last?.kind !== 'commit') {
    throw new TimewarpError('STREAM_UNREADABLE', `Transaction ${xid} does not end with its commit.`);
  }
  if (writer.isStored(last.lsn)) {
    const replayed = { lsn: last.lsn, xid, timestamp: last.timestamp };
    if (writer.replay.wasStored(last.lsn, assembler.takePart())) await writer.replay.compare([replayed]);
    return new StoredTransaction(applying);
  }
  await writer.replay.complete();
  await options.clock.reach(last.lsn);
  const stamp = stampOf(last, options.clock.clock.timeOf(last));
  const huge = new HugeTransaction(applying, stamp, await beginTransaction(options.store));
  try {
    await huge.begin();
  } catch (error) {
    await huge.abandon();
    throw error;
  }
  return huge;
}

class HugeTransaction implements TransactionUnderWay {
  readonly #applying: Applying;
  readonly #stamp: CommitStamp;
  readonly #tx: StoreTransaction;
  /** Changes that are already counted. They are stored only when the transaction is committed. */
  #changes = 0;
  /** What was decoded and waits to be written. */
  #batch: Batch;
  #events: CommittedPart[] = [];
  #contextBytes = 0;

  constructor(applying: Applying, stamp: CommitStamp, tx: StoreTransaction) {
    this.#applying = applying;
    this.#stamp = stamp;
    this.#tx = tx;
    this.#batch = this.#newBatch();
  }

  async begin(): Promise<void> {
    await lockCheckpoint(this.#tx, this.#applying.options.claim);
    await this.#named(null, () => this.#take(this.#applying.assembler.takePart()));
  }

  takes(_row: StreamRow): boolean {
    return true;
  }

  async afterRows(_xid: string): Promise<TransactionUnderWay> {
    await this.#named(null, () => this.#take(this.#applying.assembler.takePart()));
    return this;
  }

  async commit(_event: CommitEvent): Promise<void> {
    const { relationIds } = this.#applying.assembler;
    await this.#named([...relationIds], () => this.#commit());
  }

  /** Names this transaction if `work` fails. @param relationIds the relations that it changes; null: not all are known */
  async #named(relationIds: readonly number[] | null, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const { lsn, xid } = this.#stamp;
      if (!(error instanceof ClockMoved)) this.#applying.onFailure({ lsn, xid, relationIds });
      throw error;
    }
  }

  async #commit(): Promise<void> {
    const { options, assembler, writer } = this.#applying;
    const { claim, clock } = options;
    const tx = this.#tx;
    const rest = assembler.endTransaction();
    await this.#take(rest);
    await this.#write();
    await writer.write.done();
    const horizon = { lsn: this.#stamp.lsn, time: clock.clock.horizonTime };
    await noteKeyMismatches(tx, claim, [{ stamp: this.#stamp, part: rest }]);
    const news = new NewsOfLeaves(options.newLeaves);
    news.hearCommit(this.#stamp.xid, this.#stamp.lsn);
    await noteNews(tx, news);
    const map = new MapRows(claim);
    map.add(this.#stamp);
    await writeTimeMap(tx, map);
    await clock.confirm(tx, await writeHorizon(tx, claim, horizon, false), horizon);
    await commit(tx);
    this.#changes = 0;
    writer.committed(1, 0);
  }

  async abandon(): Promise<void> {
    const { writer } = this.#applying;
    await writer.write.done().catch(() => {}); // its error is the one being thrown
    writer.counts.changes -= this.#changes;
    await rollBack(this.#tx);
  }

  /** Adds a part; key mismatches wait for the end of the transaction. Many small parts are written together. */
  async #take(part: TransactionPart): Promise<void> {
    if (!this.#batch.accepts(part)) await this.#write();
    this.#batch.addChanges(this.#stamp, part);
    if (part.truncates.length + part.contexts.length > 0)
      this.#events.push({ stamp: this.#stamp, part: { ...part, changes: [] } });
    for (const { text } of part.contexts) this.#contextBytes += text.length;
    if (this.#batch.bytes + this.#contextBytes >= WRITTEN_BYTES) await this.#write();
  }

  /** Begins to write what was added: rows, truncates and contexts. */
  async #write(): Promise<void> {
    const { options, writer } = this.#applying;
    const { claim } = options;
    const batch = this.#batch;
    const events = this.#events;
    this.#batch = this.#newBatch();
    this.#events = [];
    this.#contextBytes = 0;
    await writer.write.begin(async () => {
      await options.beforeWrite();
      await writer.completer.complete(this.#tx, batch, false);
      await writeChanges(this.#tx, batch.rows);
      await noteNews(this.#tx, batch.ofNewLeaves);
      await writeEvents(this.#tx, claim, events);
    });
    writer.counts.changes += batch.changes;
    this.#changes += batch.changes;
    options.onProgress(writer.counts);
  }

  #newBatch(): Batch {
    return new Batch(this.#applying.options.claim, this.#applying.options.newLeaves);
  }
}

/** A huge transaction that is already stored and is delivered again: its rows are discarded. */
class StoredTransaction implements TransactionUnderWay {
  readonly #applying: Applying;

  constructor(applying: Applying) {
    this.#applying = applying;
  }

  takes(_row: StreamRow): boolean {
    return true;
  }

  async afterRows(_xid: string): Promise<TransactionUnderWay> {
    this.#applying.assembler.takePart();
    return this;
  }

  commit(event: CommitEvent): Promise<void> | undefined {
    return this.#applying.writer.take(event, this.#applying.assembler.endTransaction());
  }

  async abandon(): Promise<void> {}
}
