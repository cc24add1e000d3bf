/**
 * Compares commits that the slot delivers again, for instance after a crash of the source, with the stored ones. They must be
 * the same commits, all of them. Otherwise the source is a copy with a history of its own, although system identifier and
 * timeline are the same.
 */
import type pg from 'pg';
import { TimewarpError } from '../../errors/timewarp-error.ts';
import { firstForkedCommit, firstMissingCommit, type ReplayedCommit } from '../../store/history/time-map.ts';
import type { Claim } from '../../store/node/claim.ts';
import { type Lsn, maxLsn } from '../../types/lsn.ts';
import type { TransactionPart } from '../../types/stored.ts';
import { isWholeAt, type WholeHistory } from '../../types/whole-history.ts';

export interface ReplayOptions {
  /** Where the slot stands: it delivers later commits again. null: there is no slot. */
  readonly from: Lsn | null;
  /** Where the history of each relation is whole. Relations whose changes do not all come again are not in it. */
  readonly whole: ReadonlyMap<number, WholeHistory>;
  /** The row limit of the peek: when it is reached, more may follow. */
  readonly maxRows: number;
}

export class Replay {
  readonly #store: pg.Client;
  readonly #claim: Claim;
  readonly #options: ReplayOptions;
  /** The horizon when the peek began. */
  readonly #upto: Lsn;
  readonly #seen: Lsn[] = [];
  #last: Lsn | null = null;
  #done: boolean;

  constructor(store: pg.Client, claim: Claim, options: ReplayOptions) {
    this.#store = store;
    this.#claim = claim;
    this.#options = options;
    this.#upto = claim.horizon.lsn;
    this.#done = options.from === null || options.from >= this.#upto;
  }

  /**
   * Whether the store must have this redelivered commit: it changed a table whose history is whole there. In a gap, the run that
   * stored other commits may have left this one out.
   */
  wasStored(lsn: Lsn, part: TransactionPart): boolean {
    this.#last = lsn;
    const touched = (relationId: number): boolean => isWholeAt(this.#options.whole.get(relationId), lsn);
    return (
      part.changes.some((change) => touched(change.relationId)) ||
      part.truncates.some((truncate) => touched(truncate.relationId)) ||
      [...part.keyMismatches.keys()].some(touched)
    );
  }

  /** Throws HISTORY_FORKED when one of the commits is not the one that is stored. */
  async compare(commits: readonly ReplayedCommit[]): Promise<void> {
    for (const { lsn } of commits) {
      this.#seen.push(lsn);
      this.#last = maxLsn(this.#last ?? lsn, lsn);
    }
    const forked = await firstForkedCommit(this.#store, this.#claim, commits);
    if (forked !== null) {
      throw new TimewarpError(
        'HISTORY_FORKED',
        'A commit that the slot delivered again is not the one that was stored.',
      );
    }
  }

  /** Call it after the last redelivered commit. Throws HISTORY_FORKED when a stored commit was not among them. */
  async complete(upto = this.#upto): Promise<void> {
    if (this.#done) return;
    this.#done = true;
    const missing = await firstMissingCommit(this.#store, this.#claim, {
      from: this.#options.from!,
      upto,
      seen: this.#seen,
      whole: this.#options.whole,
    });
    if (missing !== null) {
      throw new TimewarpError(
        'HISTORY_FORKED',
        'A stored commit is not among those that the slot delivered again.',
      );
    }
  }

  /** Call it when the peek is over. @param counted rows as the slot function counts them */
  async end(counted: number): Promise<void> {
    if (counted < this.#options.maxRows) await this.complete();
    else if (this.#last !== null) await this.complete(this.#last);
  }
}
