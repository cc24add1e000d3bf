/** What carrying one peek into the store needs from the run. */
import type pg from 'pg';
import type { PeekRow } from '../../source/slot/peek.ts';
import type { Claim } from '../../store/node/claim.ts';
import type { Suspect } from '../../store/node/failures.ts';
import type { LostColumn } from '../../store/tables/lost-columns.ts';
import type { Lsn } from '../../types/lsn.ts';
import type { StreamDecoder } from '../../types/stream.ts';
import type { ColumnKnownSince } from '../../versions/fill-partial.ts';
import type { ConfirmedNulls, TransactedChange } from '../../versions/settle-nulls.ts';
import type { NewLeaves } from '../catalog/tables-of-run.ts';
import type { ReplayOptions } from '../loss/replay.ts';
import type { RunClock } from '../run-clock.ts';
import type { ApplyCounts } from '../run-context.ts';

export interface ApplyOptions {
  readonly store: pg.Client;
  readonly claim: Claim;
  /** The next rows of the peek; none at its end. */
  readonly nextRows: () => Promise<PeekRow[]>;
  /** The commit row of the transaction of the last row that `nextRows` gave. */
  readonly lastRowOfTransaction: (xid: string) => Promise<PeekRow>;
  readonly decoder: StreamDecoder;
  readonly clock: RunClock;
  readonly columnKnownSince: ColumnKnownSince;
  /** See TablesOfRun. */
  readonly newLeaves: NewLeaves;
  /** See TablesOfRun. */
  readonly refutesNoNan: (lost: LostColumn) => boolean;
  /** Asks the source which doubtful nulls are NULL. */
  readonly confirmNulls: (changes: readonly TransactedChange[]) => Promise<ConfirmedNulls>;
  readonly replay: ReplayOptions;
  /** Whether a key that the plugin may have forgotten ends the peek with `KeyForgotten`, to be repeated. */
  readonly repeatsForgottenKeys: boolean;
  /** Whether what the plugin wrote may be kept for inspection: no column of the node is excluded. */
  readonly keepsRaw: boolean;
  /** Told before the error is thrown, where it is known which transaction could not be applied. */
  readonly onFailure: (suspect: Suspect) => void;
  /** Told of messages under END_PREFIX, at their commits. */
  readonly onEndMark: (id: string, lsn: Lsn) => void;
  /** Throws when the run has to stop (deadline, signal); asked between chunks. */
  readonly checkStop: () => void;
  /** Gives the statements that follow on the store session the time that is left; may throw as `checkStop` does. */
  readonly beforeWrite: () => Promise<void>;
  readonly onProgress: (counts: ApplyCounts) => void;
}
