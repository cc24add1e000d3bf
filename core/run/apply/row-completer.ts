/** Before rows are written, fills in what the plugin left out or printed ambiguously, or names it in `incomplete`. */
import type { StoreTransaction } from '../../pg/transaction.ts';
import { readPreviousVersions } from '../../store/history/previous-versions.ts';
import { noteLostColumns } from '../../store/tables/lost-columns.ts';
import { refuteNoNan } from '../../store/tables/no-nan.ts';
import { fillPartial, neededVersions } from '../../versions/fill-partial.ts';
import { askableChanges, settleNulls, type TransactedChange } from '../../versions/settle-nulls.ts';
import type { ApplyOptions } from './apply-options.ts';
import type { Batch } from './batch.ts';

export class RowCompleter {
  readonly #o: ApplyOptions;
  /** Columns whose loss is already recorded. */
  readonly #lostColumns = new Set<string>();

  constructor(options: ApplyOptions) {
    this.#o = options;
  }

  /**
   * Completes and encodes all rows of the batch. The caller must write them in the same transaction.
   * @param whole false for a part of a transaction
   */
  async complete(tx: StoreTransaction, batch: Batch, whole: boolean): Promise<void> {
    const { claim, confirmNulls, columnKnownSince, refutesNoNan } = this.#o;
    const changes = batch.unfilled.map((each): TransactedChange => ({ ...each, xid: each.stamp.xid }));
    const askable = askableChanges(changes, whole);
    settleNulls(changes, askable.length === 0 ? new Map() : await confirmNulls(askable));
    batch.noteLost(changes.map(({ change }) => change));
    await noteLostColumns(tx, claim.nodeId, batch.lost, this.#lostColumns);
    for (const { relationId, column } of batch.lost.filter(refutesNoNan))
      await refuteNoNan(tx, claim.nodeId, { relationId, column });
    if (changes.length === 0) return;
    const stored = await readPreviousVersions(tx, neededVersions(changes));
    fillPartial(changes, stored, columnKnownSince);
    batch.encodeFilled();
  }
}
