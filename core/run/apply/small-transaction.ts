/** A transaction that fits into memory joins the batch at its commit. */
import type { CommitEvent, StreamRow } from '../../types/stream.ts';
import { becomeHuge } from './huge-transaction.ts';
import type { Applying, TransactionUnderWay } from './transaction-under-way.ts';

/** A larger transaction is written in parts. The limit is small because memory holds two parts, and the garbage of more. */
const PART_BYTES = 4 * 1024 * 1024;

export class SmallTransaction implements TransactionUnderWay {
  readonly #applying: Applying;

  constructor(applying: Applying) {
    this.#applying = applying;
  }

  takes(_row: StreamRow): boolean {
    return true;
  }

  async afterRows(xid: string): Promise<TransactionUnderWay> {
    return this.#applying.assembler.bytes > PART_BYTES ? becomeHuge(this.#applying, xid) : this;
  }

  commit(event: CommitEvent): Promise<void> | undefined {
    return this.#applying.writer.take(event, this.#applying.assembler.endTransaction());
  }

  async abandon(): Promise<void> {}
}

/** The transaction after a skipped one: rows of the skipped transaction that still arrive are discarded. */
export class AfterLeftOut extends SmallTransaction {
  readonly #leftOut: string;

  constructor(applying: Applying, leftOut: string) {
    super(applying);
    this.#leftOut = leftOut;
  }

  override takes(row: StreamRow): boolean {
    return row.xid !== this.#leftOut;
  }
}
