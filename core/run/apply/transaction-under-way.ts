/** The transaction whose rows are arriving. What becomes of it at its commit depends on how much it is, and on what is stored. */

import type { CommitEvent } from '../../types/stream.ts';
import type { TransactionAssembler } from '../../versions/transaction-assembler.ts';
import type { ApplyOptions } from './apply-options.ts';
import type { BatchWriter } from './batch-writer.ts';

export interface TransactionUnderWay {
  /** Whether a row of the transaction `xid` is decoded. */
  takes(xid: string): boolean;
  /**
   * Some of its rows have arrived and are in the assembler; more may follow.
   * @param xid of the last of these rows
   * @returns the transaction as it goes on
   */
  afterRows(xid: string): Promise<TransactionUnderWay>;
  /** Its commit has arrived. @returns a promise only where there is something to wait for */
  commit(event: CommitEvent): Promise<void> | undefined;
  /** The peek has failed, and nothing is being written any more. */
  abandon(): Promise<void>;
}

/** What every transaction of a peek is carried into the store with. */
export interface Applying {
  readonly options: ApplyOptions;
  readonly assembler: TransactionAssembler;
  readonly writer: BatchWriter;
}
