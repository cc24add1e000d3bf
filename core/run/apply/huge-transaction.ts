/**
 * A transaction too large for memory is written in parts inside one store transaction: readers see all of it or nothing.
 * Its commit is looked up when its first part is written, since every row carries its position and time.
 */
import { TimewarpError } from '../../errors/timewarp-error.ts';
import { rollBack } from '../../pg/transaction.ts';
import type { CommitStamp } from '../../store/history/commit-stamp.ts';
import { MapRows } from '../../store/history/map-rows.ts';
import { writeChanges, writeEvents, writeTimeMap } from '../../store/history/write-batch.ts';
import { lockCheckpoint, writeHorizon } from '../../store/node/claim.ts';
import type { TransactionPart } from '../../types/stored.ts';
import type { CommitEvent } from '../../types/stream.ts';
import { NewsOfLeaves } from '../leaves/news-of-leaves.ts';
import { Batch } from './batch.ts';
import { noteKeyMismatches, noteNews, stampOf } from './batch-writer.ts';
import type { Applying, TransactionUnderWay } from './transaction-under-way.ts';

/** Writes everything before the transaction `xid`, looks up its commit, and writes its first part if it is new. */
export async function becomeHuge(applying: Applying, xid: string): Promise<TransactionUnderWay> {
  const { options, assembler, writer } = applying;
  await writer.writeAll();
  const [lsn, , data] = await options.lastRowOfTransaction(xid);
  const commit = options.decoder.decode(lsn, xid, data);
  if (commit?.kind !== 'commit') {
    throw new TimewarpError('STREAM_UNREADABLE', `Transaction ${xid} does not end with its commit.`);
  }
  if (writer.isStored(commit.lsn)) {
    const replayed = { lsn: commit.lsn, xid, timestamp: commit.timestamp };
    if (writer.replay.wasStored(commit.lsn, assembler.takePart())) await writer.replay.compare([replayed]);
    return new StoredTransaction(applying);
  }
  await writer.replay.complete();
  await options.clock.reach(commit.lsn);
  const huge = new HugeTransaction(applying, stampOf(commit, options.clock.clock.timeOf(commit)));
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
  /** Changes that are counted already, and stored only once the transaction is committed. */
  #changes = 0;

  constructor(applying: Applying, stamp: CommitStamp) {
    this.#applying = applying;
    this.#stamp = stamp;
  }

  async begin(): Promise<void> {
    const { store, claim } = this.#applying.options;
    await store.query('BEGIN');
    await lockCheckpoint(store, claim);
    await this.#writePart(this.#applying.assembler.takePart());
  }

  takes(_xid: string): boolean {
    return true;
  }

  async afterRows(_xid: string): Promise<TransactionUnderWay> {
    await this.#writePart(this.#applying.assembler.takePart());
    return this;
  }

  async commit(_event: CommitEvent): Promise<void> {
    const { options, assembler, writer } = this.#applying;
    const { store, claim, clock } = options;
    const rest = assembler.endTransaction();
    await this.#writePart(rest);
    await writer.write.done();
    const horizon = { lsn: this.#stamp.lsn, time: clock.clock.horizonTime };
    await noteKeyMismatches(store, claim, [{ stamp: this.#stamp, part: rest }]);
    const news = new NewsOfLeaves(options.newLeaves);
    news.hearCommit(this.#stamp.xid, this.#stamp.lsn);
    await noteNews(store, news);
    const map = new MapRows(claim);
    map.add(this.#stamp);
    await writeTimeMap(store, map);
    await clock.confirm(await writeHorizon(store, claim, horizon, false), horizon);
    await store.query('COMMIT');
    this.#changes = 0;
    writer.committed(horizon, 1, 0);
  }

  async abandon(): Promise<void> {
    const { options, writer } = this.#applying;
    await writer.write.done().catch(() => {}); // its failure is being thrown
    writer.counts.changes -= this.#changes;
    await rollBack(options.store);
  }

  /** Writes rows, truncates and contexts of a part; key mismatches wait for the end of the transaction. */
  async #writePart(part: TransactionPart): Promise<void> {
    const { options, writer } = this.#applying;
    const { store, claim } = options;
    const batch = new Batch(claim, options.newLeaves);
    batch.addChanges(this.#stamp, part);
    await writer.write.begin(async () => {
      await options.beforeWrite();
      await writer.completer.complete(batch, false);
      await writeChanges(store, batch.rows);
      await noteNews(store, batch.ofNewLeaves);
      await writeEvents(store, claim, [{ stamp: this.#stamp, part }]);
    });
    writer.counts.changes += batch.changes;
    this.#changes += batch.changes;
    options.onProgress(writer.counts);
  }
}

/** A huge transaction that is stored, and comes again: what arrives of it is thrown away. */
class StoredTransaction implements TransactionUnderWay {
  readonly #applying: Applying;

  constructor(applying: Applying) {
    this.#applying = applying;
  }

  takes(_xid: string): boolean {
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
