/** The transaction whose rows are arriving. What happens at its commit depends on its size and on whether it is already stored. */

import type { Suspect } from '../../store/node/failures.ts';
import type { CommitEvent, StreamRow } from '../../types/stream.ts';
import type { TransactionAssembler } from '../../versions/transaction-assembler.ts';
import type { ApplyOptions } from './apply-options.ts';
import type { BatchWriter } from './batch-writer.ts';

export interface TransactionUnderWay {
  /** Whether to decode the row. */
  takes(row: StreamRow): boolean;
  /**
   * Call it when some rows of the transaction are in the assembler. More may follow.
   * @param xid of the last of these rows
   * @returns the transaction to continue with
   */
  afterRows(xid: string): Promise<TransactionUnderWay>;
  /** Call it when the commit has arrived. @returns a promise only if there is something to wait for */
  commit(event: CommitEvent): Promise<void> | undefined;
  /** Call it after the peek has failed and no write is running. */
  abandon(): Promise<void>;
}

/** What is needed to write each transaction of a peek. */
export interface Applying {
  readonly options: ApplyOptions;
  readonly assembler: TransactionAssembler;
  readonly writer: BatchWriter;
  /** Names the transaction that cannot be written. A transaction that joins a batch is named by OneByOne instead. */
  readonly onFailure: (suspect: Omit<Suspect, 'raw'>) => void;
}
