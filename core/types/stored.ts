/** Rows of the store before they have a position, and versions as they are read back. Data only. */
import type { ChangeTexts } from './change-texts.ts';
import type { Lsn } from './lsn.ts';
import type { PartialRow } from './stream.ts';

/** One row of `row_changes` without its position, which is known only at the commit. */
export interface PendingChange {
  readonly relationId: number;
  readonly leafId: number | null;
  readonly seq: number;
  readonly op: 'I' | 'U' | 'D';
  /** The texts that follow, as the decoder wrote them; null after the row was changed. */
  readonly texts: ChangeTexts | null;
  readonly key: string;
  rowData: string | null;
  /** Set while unchanged TOASTed columns must be filled from the previous version, found under `previousKey`. */
  partial: PartialRow | null;
  readonly previousKey: string;
  incomplete: readonly string[] | null;
  /** Columns whose null must be confirmed before it is stored (see core/versions/settle-nulls.ts). */
  doubtfulNulls: readonly string[] | null;
  /** A null of the row was read as NULL because of --no-nan: see `noNan` of DecodedTable. */
  readonly nullsAssumed: boolean;
  jsonNulls: readonly string[] | null;
}

/** One row of `relation_events` without its position. */
export interface PendingTruncate {
  readonly relationId: number;
  readonly leafId: number | null;
  readonly seq: number;
}

/** One row of `transaction_contexts` without its position. It holds for the changes from `seq` on, until the next context. */
export interface PendingContext {
  readonly seq: number;
  /** JSON. */
  readonly text: string;
  /** The relations of these changes. */
  readonly relationIds: ReadonlySet<number>;
}

/** The changes of tracked tables by one transaction, or by one part of a huge one. */
export interface TransactionPart {
  readonly changes: PendingChange[];
  readonly truncates: PendingTruncate[];
  /** Contexts that hold for no further change. */
  readonly contexts: readonly PendingContext[];
  /** Changes that cannot be stored because they lack the tracked key: relation and why. */
  readonly keyMismatches: ReadonlyMap<number, string>;
  readonly bytes: number;
}

/** The version of a row before a change. */
export interface PreviousVersion {
  readonly lsn: Lsn;
  readonly rowData: string | null;
  readonly incomplete: readonly string[] | null;
  readonly jsonNulls: readonly string[] | null;
  /** Baseline rows only: the version holds for changes after this position. */
  readonly readLsn: Lsn | null;
}

/** The key under which a version is looked up: relation and canonical key. */
export function versionKey(relationId: number, key: string): string {
  return `${relationId} ${key}`;
}

/** A row that a table had before tracking began. */
export interface BaselineRow {
  readonly key: string;
  readonly rowData: string;
  readonly leafRelid: number;
  readonly jsonNulls: readonly string[] | null;
}
