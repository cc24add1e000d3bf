/** The clock of one peek. It reads times that other nodes of the same lineage have defined, as far as the peek needs them. */
import type pg from 'pg';
import type { StoreTransaction } from '../pg/transaction.ts';
import { requireAgreement } from '../store/node/agreement.ts';
import type { Claim, Horizon } from '../store/node/claim.ts';
import { readClockPage, readLineage } from '../store/node/lineage.ts';
import type { CommitTime } from '../types/commit-time.ts';
import type { Lsn } from '../types/lsn.ts';
import { CommitClock } from '../versions/commit-clock.ts';

export class RunClock {
  readonly #store: pg.Client;
  readonly #claim: Claim;
  readonly #marks: string | null;
  readonly clock: CommitClock;

  // biome-ignore lint/complexity/useMaxParams: private, called once
  private constructor(store: pg.Client, claim: Claim, marks: string | null, clock: CommitClock) {
    this.#store = store;
    this.#claim = claim;
    this.#marks = marks;
    this.clock = clock;
  }

  /** @param ceiling the source's clock, read after the peek */
  static async open(store: pg.Client, claim: Claim, ceiling: CommitTime): Promise<RunClock> {
    const { marks, before, promises } = await readLineage(store, claim);
    const { horizon } = claim;
    return new RunClock(
      store,
      claim,
      marks,
      new CommitClock({ horizon, ceiling, before, promises }, marks === null),
    );
  }

  /** Reads what the clock needs for a commit at this position. */
  async reach(lsn: Lsn): Promise<void> {
    while (!this.clock.covers(lsn))
      this.clock.extend(await readClockPage(this.#store, this.#claim, this.clock.knownUpto));
  }

  /**
   * Makes sure that the times which the transaction has written hold for the whole lineage. Throws ClockMoved.
   * @param marks what writeHorizon returned
   */
  async confirm(store: StoreTransaction, marks: string | null, horizon: Horizon): Promise<void> {
    if (marks !== this.#marks && !this.clock.isTorn)
      await requireAgreement(store, this.#claim, horizon, this.#marks);
  }
}
