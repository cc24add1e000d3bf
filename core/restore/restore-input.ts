/** What the script of a restore is made from. */
import type { TableName } from '../pg/identifiers.ts';
import type { RowRestore } from './fold-changes.ts';
import type { RemovedRows } from './removed-rows.ts';
import type { TableNow } from './table-now.ts';

export interface TableRestore {
  readonly relationId: string;
  readonly table: TableName;
  readonly now: TableNow;
  readonly keyColumns: readonly string[];
  /** The columns of inserted and deleted rows. */
  readonly rowColumns: readonly string[];
  /** The columns of any update. */
  readonly updateColumns: readonly string[];
  readonly rows: readonly RowRestore[];
  /** Columns that may have had another type when the rows were written. */
  readonly retyped: readonly string[];
  /** Rows to insert that are not among `rows`. */
  readonly removed: RemovedRows | null;
}

export interface RestoreScriptInput {
  readonly id: string;
  /** What is put back, in words. */
  readonly subject: string;
  /** What the transaction of the restore says about itself. */
  readonly mark: object;
  readonly database: string;
  readonly systemIdentifier: string;
  /** The history was read up to here. */
  readonly horizonLsn: string;
  readonly tables: readonly TableRestore[];
  /** OIDs of all tracked tables: nothing but the plan may write there. */
  readonly trackedOids: readonly string[];
  readonly skipConflicts: boolean;
  /** Triggers of the tables do not fire; foreign keys are enforced all the same. */
  readonly noTriggers: boolean;
  readonly lockTimeoutMs: number;
}
