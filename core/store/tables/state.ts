/** The state of a tracked table. */
import type { Locker } from '../../types/tracking.ts';

export type RelationStatus = 'starting' | 'active' | 'needs_rebaseline' | 'untracked';

export type BaselineState = 'none' | 'pending' | 'done';

export interface StartConditions {
  /** Transactions that held a lock on the table when tracking was asked for; null: not looked at yet. */
  readonly lockers: readonly Locker[] | null;
  /** Tracking starts at the first horizon at or past this position; null while a locker is alive. */
  readonly start_after_lsn: string | null;
}

/** Where the reading of existing rows stands. */
export interface BaselineProgress {
  /** Key texts, in key order, of the last row read; null before the first. */
  readonly cursor: readonly string[] | null;
  readonly rows: number;
  readonly estimated_rows: number;
  readonly read_done: boolean;
  /** Why the rows could not be read in the last run. */
  readonly failure?: string;
  /** Canonical key of the last one that was decided; see `writeDeletionsOfGap`. */
  readonly decided_key?: string;
}

/** Where the repair of a relation stands: see core/run/rows/read-repairs.ts. */
export interface Repair {
  /** From here on everything is followed again; null while that waits for transactions under way. */
  readonly base_lsn: string | null;
  readonly base_ts: string | null;
  /** rows: the table is read | keys: rows that history has are looked for in the table | done | deciding: the gap ends at end_lsn */
  readonly phase: 'rows' | 'keys' | 'done' | 'deciding';
  /** Key texts of the last row read. */
  readonly cursor: readonly string[] | null;
  /** Canonical key of the last row looked for. */
  readonly key_cursor: string | null;
  readonly rows: number;
  readonly estimated_rows: number;
  readonly differences: number;
  /** Position after the last statement. */
  readonly read_lsn: string | null;
  readonly end_lsn?: string;
  readonly end_ts?: string;
  /** Why the table could not be read in the last run. */
  readonly failure?: string;
}
