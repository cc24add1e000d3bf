/** Finds the transaction that cannot be decoded or written, and what the plugin wrote for it. */
import type { PeekRow } from '../../source/slot/peek-row.ts';
import { ClockMoved } from '../../store/node/agreement.ts';
import type { Suspect } from '../../store/node/failures.ts';
import type { CommitEvent } from '../../types/stream.ts';
import type { ApplyOptions } from './apply-options.ts';
import type { BatchWriter } from './batch-writer.ts';
import { RawRows } from './raw-rows.ts';

/** A row that cannot be decoded. */
interface Undecodable {
  readonly rows: readonly PeekRow[];
  readonly index: number;
  /** The rows of its transaction that were kept so far; the rows after `index` are added. */
  readonly raw: RawRows;
}

/**
 * The transaction of a row that cannot be decoded: it ends with the last row of the same xid.
 * @param lastRowOfTransaction called if the transaction continues after `rows`
 */
export async function undecodable(
  { rows, index, raw }: Undecodable,
  lastRowOfTransaction: ApplyOptions['lastRowOfTransaction'],
): Promise<Suspect & { readonly xid: string }> {
  const { xid } = rows[index]!;
  const next = rows.findIndex((row, at) => at > index && row.xid !== xid);
  const last = next === -1 ? await lastRowOfTransaction(xid) : rows[next - 1]!;
  for (const row of rows.slice(index + 1, next === -1 ? rows.length : next)) raw.add(row);
  return { lsn: last.lsn, xid, relationIds: null, raw: raw.take() };
}

/** After a run has failed at this position, every transaction is written alone, to find the one that fails. */
export class OneByOne {
  readonly raw: RawRows;
  readonly #writer: BatchWriter;
  readonly #onFailure: (suspect: Suspect) => void;

  constructor(options: ApplyOptions, writer: BatchWriter) {
    this.raw = new RawRows(options);
    this.#writer = writer;
    this.#onFailure = options.onFailure;
  }

  /** Returns when the transaction is written; calls `onFailure` if it cannot be. @param relationIds the relations that it changed */
  async write(event: CommitEvent, relationIds: ReadonlySet<number>): Promise<void> {
    try {
      await this.#writer.writeAll();
    } catch (error) {
      if (error instanceof ClockMoved) throw error;
      this.#onFailure({
        lsn: event.lsn,
        xid: event.xid,
        relationIds: [...relationIds],
        raw: this.raw.take(),
      });
      throw error;
    }
    this.raw.take();
  }
}
