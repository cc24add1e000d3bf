/** What `applyStream` needs from the run to store one peek. */
import type pg from 'pg';
import type { PeekRow } from '../../source/slot/peek-row.ts';
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
  /** Returns the next rows of the peek, and an empty array at its end. */
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
  /** Whether a row without a key ends the peek with `KeyForgotten`, so that the run repeats it: the plugin may have left the key out. */
  readonly repeatsForgottenKeys: boolean;
  /** Whether the output of the plugin may be kept for inspection: only if no column of the node is excluded. */
  readonly keepsRaw: boolean;
  /** Called before the error is thrown, if it is known which transaction could not be applied. */
  readonly onFailure: (suspect: Suspect) => void;
  /** Called for each message under END_PREFIX, at its commit. */
  readonly onEndMark: (id: string, lsn: Lsn) => void;
  /** Throws if the run has to stop (deadline, signal). Called between chunks. */
  readonly checkStop: () => void;
  /** Limits later statements of the store session to the time that is left. May throw as `checkStop` does. */
  readonly beforeWrite: () => Promise<void>;
  readonly onProgress: (counts: ApplyCounts) => void;
}
