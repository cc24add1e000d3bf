/** What a restore would change or changed: what the command and the API answer. */
import type { TransactionSummary } from '../query/transactions.ts';
import type { TableRestore } from './restore-input.ts';

/** A row that is not what the undone change left. */
export interface RestoreConflict {
  readonly schema: string;
  readonly table: string;
  /** JSON texts; null: no row. */
  readonly pkText: string;
  readonly reason: string;
  readonly expectedText: string | null;
  readonly foundText: string | null;
}

/** Why something cannot be restored. */
export interface Refusal {
  readonly schema: string;
  readonly table: string;
  readonly reason: string;
  readonly message: string;
}

/** Decimal digits. */
export interface WrittenTable {
  readonly schema: string;
  readonly table: string;
  readonly inserts: string;
  readonly updates: string;
  readonly deletes: string;
}

export interface RestoreResult {
  readonly id: string;
  readonly isApplied: boolean;
  /** The commit of the restore; null: it is not applied, or no run has read it. */
  readonly lsn: string | null;
  readonly of: readonly string[];
  /** Those of them that --cascade added, newest first. */
  readonly takenAlong: readonly Pick<TransactionSummary, 'lsn' | 'ts' | 'rows'>[];
  readonly asOf: string | null;
  /** Whether tables and rows were looked at on the source. */
  readonly isSourceAsked: boolean;
  readonly tables: readonly WrittenTable[];
  readonly conflicts: readonly RestoreConflict[];
  readonly refused: readonly Refusal[];
  readonly notes: readonly string[];
  /** null: there is nothing to put back, or the history cannot put it back. */
  readonly sql: string | null;
}

export function plannedCounts({ table, rows }: TableRestore): WrittenTable {
  const count = (kind: string): string => `${rows.filter(({ op }) => op === kind).length}`;
  return {
    ...{ schema: table.schema, table: table.name },
    ...{ inserts: count('insert'), updates: count('update'), deletes: count('delete') },
  };
}
