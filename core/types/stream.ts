/**
 * What a decoder makes of the rows of a peek: a flat sequence of events in which the changes of one transaction stand
 * together, between its `begin` and its `commit`, and transactions follow each other in commit order. Data only.
 */
import type { CommitTime } from './commit-time.ts';
import type { Lsn } from './lsn.ts';

export type StreamEvent = RowChange | TruncateChange | MessageEvent | BeginEvent | CommitEvent | KeyMismatch;

/** One row of the source inserted, updated or deleted, already in the form in which it is stored. */
export interface RowChange {
  readonly kind: 'change';
  readonly op: 'I' | 'U' | 'D';
  readonly table: DecodedTable;
  /** Canonical key (see `canonicalKey`) of the new row for I and U, of the removed row for D. */
  readonly key: string;
  /** U only: the canonical key the row had before, when it differs from `key`; null otherwise. */
  readonly oldKey: string | null;
  /** The row as a JSON object, column order as in the table; null for D, and null when `partial` is set. */
  readonly rowData: string | null;
  /** U whose unchanged TOASTed columns the stream left out: to be completed from the previous version of the row. */
  readonly partial: PartialRow | null;
  /** Columns of which the plugin lost the value (they are missing from the row); null when there are none. */
  readonly incomplete: readonly string[] | null;
  /** Columns that are null in the row and may have held a value that the plugin prints so; null when there are none. */
  readonly doubtfulNulls: readonly string[] | null;
  /** A null of the row was taken at its word: the table is declared to hold no other value that the plugin prints so. */
  readonly nullsAssumed: boolean;
  /** Columns of type json/jsonb that hold JSON null rather than SQL NULL; null when there are none. */
  readonly jsonNulls: readonly string[] | null;
}

/**
 * A row with holes: `fragments[i]` is the JSON text of `columns[i]`, undefined where the stream left it out. wal2json
 * names no holes, so a column that was added after the change may look like one: then the version before has no such
 * column either, and it is to be left out.
 */
export interface PartialRow {
  readonly columns: readonly string[];
  readonly fragments: readonly (string | undefined)[];
  /** Whether the stream itself says which columns were left out (pgoutput), or they are only missing (wal2json). */
  readonly holesAreCertain: boolean;
  /** Holes of columns that had another name before: an older version lacks them under this one. */
  readonly renamedHoles?: readonly string[];
}

export interface TruncateChange {
  readonly kind: 'truncate';
  readonly tables: readonly DecodedTable[];
}

/** A message of `pg_logical_emit_message(true, prefix, content)`. */
export interface MessageEvent {
  readonly kind: 'message';
  readonly prefix: string;
  readonly content: string;
}

export interface BeginEvent {
  readonly kind: 'begin';
  readonly xid: string;
}

export interface CommitEvent {
  readonly kind: 'commit';
  readonly xid: string;
  /** END of the commit record: `nextlsn` of wal2json, `end_lsn` of pgoutput. */
  readonly lsn: Lsn;
  /** As the source wrote it: not monotone, possibly absurd. */
  readonly timestamp: CommitTime;
}

/** A change of a tracked table that does not carry the tracked key (the key was dropped or changed): unusable. */
export interface KeyMismatch {
  readonly kind: 'key-mismatch';
  readonly table: DecodedTable;
  readonly detail: string;
  /**
   * wal2json names no key, which it does now and then for a table that has one, when the catalog changes while it writes
   * the row: reading the same again tells.
   */
  readonly mayBeForgotten: boolean;
}

/** What the decoder needs to know of a tracked table, by the name under which its changes come (the leaf's). */
export interface DecodedTable {
  readonly relationId: number;
  /** null unless the changes come from a partition. */
  readonly leafId: number | null;
  readonly schema: string;
  readonly name: string;
  readonly keyColumns: readonly string[];
  /** Columns whose values must not leave the decoder. */
  readonly excludedColumns: ReadonlySet<string>;
  /** All columns as the catalog has them now, in table order; null when not known. wal2json names no missing column. */
  readonly columns: readonly string[] | null;
  /** Whether pgoutput may publish only listed columns: one that is missing has been added, and not been listed yet. */
  readonly mayBeListed?: boolean;
  /** Columns that can be TOASTed (their type has no fixed length): only these can be left out of an update by wal2json. */
  readonly toastableColumns?: ReadonlySet<string>;
  /** The names that columns had before, by the name that they have now. */
  readonly formerNames?: ReadonlyMap<string, readonly string[]>;
  /** Columns that had another name at the last run. */
  readonly renamedNow?: ReadonlySet<string>;
  /** Columns declared NOT NULL: where wal2json prints null for one of a float or numeric type, it lost NaN or infinity. */
  readonly notNullColumns?: ReadonlySet<string>;
  /** Declared: its numeric and float columns never hold NaN or infinity, so that a null is NULL. */
  readonly noNan?: boolean;
  /**
   * Columns that were NOT NULL, and of a type that holds NaN and no infinity, when all of the stream was written: null is
   * NaN.
   */
  readonly nullIsNanColumns?: ReadonlySet<string>;
  /** Stored generated columns: pgoutput before PostgreSQL 18 leaves them out. */
  readonly generatedColumns?: readonly string[];
}

/** Finds the tracked table to which a name in the stream belongs; null: not tracked, skip the change. */
export type TableLookup = (schema: string, name: string, relid: number | null) => DecodedTable | null;

/**
 * Turns rows of the slot functions into events. One decoder lives as long as one peek (pgoutput describes relations
 * anew in each). Feed rows in order; a row that means nothing to us (untracked table) gives null.
 * Throws TimewarpError `STREAM_UNREADABLE` on text that the plugin cannot have written.
 */
export interface StreamDecoder {
  /**
   * @param lsn the `lsn` column as PostgreSQL prints it
   * @param xid the `xid` column
   * @param data the `data` column: JSON text (wal2json) or hexadecimal `\x…` (pgoutput)
   */
  decode(lsn: string, xid: string, data: string): StreamEvent | null;
}
