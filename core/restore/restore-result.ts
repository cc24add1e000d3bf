/** What a restore would change or changed: what the command and the API answer. */
import type { TransactionSummary } from '../query/transactions.ts';
import { hasBulk } from './bulk-script.ts';
import type { RestoreScriptInput, TableRestore } from './restore-input.ts';
import { scriptText } from './restore-script.ts';

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
  /** null: there is nothing to put back, or the history cannot put it back, or rows come back in bulk. */
  readonly sql: string | null;
  /** What the script is made from if it has rows in bulk: writeScript() writes it. */
  readonly bulk: RestoreScriptInput | null;
}

/** The script, unless it has rows in bulk: then what it is made from. */
export function scriptOf(script: RestoreScriptInput | null): Pick<RestoreResult, 'sql' | 'bulk'> {
  if (script === null) return { sql: null, bulk: null };
  return hasBulk(script) ? { sql: null, bulk: script } : { sql: scriptText(script), bulk: null };
}

/** What people should know about rows in bulk. */
export function bulkNotes({ bulk }: Pick<RestoreResult, 'bulk'>): string[] {
  if (bulk === null) return [];
  return [
    'Rows come back in bulk: the script is not in the answer, --plan FILE writes it. Whether keys exist again is looked up when it is applied.',
  ];
}

export function plannedCounts({ table, rows, removed }: TableRestore): WrittenTable {
  const count = (kind: string): string =>
    `${rows.filter(({ op }) => op === kind).length + (kind === 'insert' ? (removed?.count ?? 0) : 0)}`;
  return {
    ...{ schema: table.schema, table: table.name },
    ...{ inserts: count('insert'), updates: count('update'), deletes: count('delete') },
  };
}
