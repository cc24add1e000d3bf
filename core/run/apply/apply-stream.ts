/**
 * Writes one peek to the store. It decodes rows and hands them to the transaction under way, while an earlier batch is being
 * written. Small transactions join a batch (small-transaction.ts, batch-writer.ts); huge ones are written in parts
 * (huge-transaction.ts).
 */
import type { PeekRow } from '../../source/slot/peek-row.ts';
import { END_PREFIX } from '../../types/plugin.ts';
import type { CommitEvent, StreamEvent } from '../../types/stream.ts';
import { TransactionAssembler } from '../../versions/transaction-assembler.ts';
import type { ApplyCounts } from '../run-context.ts';
import type { ApplyOptions } from './apply-options.ts';
import { BatchWriter } from './batch-writer.ts';
import { RawRows } from './raw-rows.ts';
import { AfterLeftOut, SmallTransaction } from './small-transaction.ts';
import { OneByOne, undecodable } from './suspect.ts';
import type { Applying, TransactionUnderWay } from './transaction-under-way.ts';

/** Not a failure: stored transactions stay, and the run repeats the rest of the peek. */
export class KeyForgotten extends Error {}

/** How much of the stream a peek delivered. */
export interface Delivered {
  /** As the slot function counts them. It counts Begin rows too, which peek.ts leaves on the server. */
  readonly rows: number;
  readonly bytes: number;
}

/** Applies everything that the peek delivers. `counts` is right even if it throws. */
export async function applyStream(options: ApplyOptions, counts: ApplyCounts): Promise<Delivered> {
  return new StreamApplier(options, counts).run();
}

class StreamApplier {
  readonly #o: ApplyOptions;
  readonly #assembler = new TransactionAssembler();
  readonly #writer: BatchWriter;
  readonly #applying: Applying;
  readonly #small: SmallTransaction;
  readonly #oneByOne: OneByOne | null;
  #underWay: TransactionUnderWay;
  #endMark: string | null = null;
  #rows = 0;
  #bytes = 0;
  #commits = 0;

  constructor(options: ApplyOptions, counts: ApplyCounts) {
    this.#o = options;
    this.#writer = new BatchWriter(options, counts);
    this.#applying = {
      ...{ options, assembler: this.#assembler, writer: this.#writer },
      onFailure: (suspect) => options.onFailure({ ...suspect, raw: this.#oneByOne?.raw.take() ?? [] }),
    };
    this.#small = new SmallTransaction(this.#applying);
    this.#underWay = this.#small;
    this.#oneByOne = options.claim.failures > 0 ? new OneByOne(options, this.#writer) : null;
  }

  async run(): Promise<Delivered> {
    const { nextRows, checkStop } = this.#o;
    try {
      for (;;) {
        checkStop();
        const rows = await nextRows();
        if (rows.length === 0) break;
        await this.#apply(rows);
        this.#underWay = await this.#underWay.afterRows(rows.at(-1)!.xid);
        if (this.#writer.isFull) await this.#writer.startWrite();
      }
      await this.#writer.writeAll();
      const counted = this.#rows + this.#commits;
      await this.#writer.replay.end(counted);
      return { rows: counted, bytes: this.#bytes };
    } catch (error) {
      await this.#writer.write.done().catch(() => {}); // the first failure is the one that counts
      await this.#underWay.abandon();
      throw error;
    }
  }

  async #apply(rows: readonly PeekRow[]): Promise<void> {
    const { decoder } = this.#o;
    this.#rows += rows.length;
    for (let index = 0; index < rows.length; index++) {
      const row = rows[index]!;
      this.#bytes += row.byteCount;
      if (!this.#underWay.takes(row)) continue;
      this.#oneByOne?.raw.add(row);
      let event: StreamEvent | null;
      try {
        event = decoder.decode(row);
      } catch (error) {
        await this.#leaveOut(rows, index, error);
        continue;
      }
      if (event === null) continue;
      if (event.kind !== 'commit') {
        this.#add(event);
        continue;
      }
      const { relationIds } = this.#assembler;
      const written = this.#commit(event);
      if (written !== undefined) await written; // most commits only join the batch
      this.#underWay = this.#small;
      if (this.#oneByOne !== null) await this.#oneByOne.write(event, relationIds);
    }
  }

  #add(event: Exclude<StreamEvent, { kind: 'commit' }>): void {
    if (event.kind === 'key-mismatch' && event.mayBeForgotten && this.#o.repeatsForgottenKeys)
      throw new KeyForgotten(event.detail);
    if (event.kind === 'message' && event.prefix === END_PREFIX) this.#endMark = event.content;
    this.#assembler.add(event);
  }

  #commit(event: CommitEvent): Promise<void> | undefined {
    this.#commits++;
    if (this.#endMark !== null) this.#o.onEndMark(this.#endMark, event.lsn);
    this.#endMark = null;
    return this.#underWay.commit(event);
  }

  /** Handles a row that cannot be decoded. Throws its error, unless its transaction was skipped earlier and is only delivered again. */
  async #leaveOut(rows: readonly PeekRow[], index: number, error: unknown): Promise<void> {
    const raw = this.#oneByOne?.raw ?? new RawRows(this.#o);
    const suspect = await undecodable({ rows, index, raw }, this.#o.lastRowOfTransaction);
    if (!this.#writer.isStored(suspect.lsn)) {
      this.#o.onFailure(suspect);
      throw error;
    }
    this.#assembler.endTransaction();
    this.#commits++; // its commit row is not decoded either, and the server has counted its Begin row
    this.#underWay = new AfterLeftOut(this.#applying, suspect.xid);
  }
}
