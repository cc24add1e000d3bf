/**
 * The events that a decoder makes from the rows of a peek. The changes of one transaction follow each other, between its `begin`
 * and its `commit`. Transactions come in commit order. Data only.
 */
import type { ChangeTexts } from './change-texts.ts';
import type { CommitTime } from './commit-time.ts';
import type { Lsn } from './lsn.ts';

export type StreamEvent = RowChange | TruncateChange | MessageEvent | BeginEvent | CommitEvent | KeyMismatch;

/** The insert, update or delete of one row of the source, already in its stored form. */
export interface RowChange {
  readonly kind: 'change';
  readonly op: 'I' | 'U' | 'D';
  readonly table: DecodedTable;
  /**
   * The canonical key (see `canonicalKey`) of the new row for I and U, of the removed row for D; and the row as a JSON object, column order as in
   * the table. There is no row for D, and when `partial` is set.
   */
  readonly texts: ChangeTexts;
  /** U only: the canonical key that the row had before, without a row, when it differs from the new one; null otherwise. */
  readonly oldTexts: ChangeTexts | null;
  /** Only for U: the row without the unchanged TOASTed columns that the stream left out; fillPartial() completes it from the previous version. */
  readonly partial: PartialRow | null;
  /** Columns whose value the plugin lost: they are missing in the row; null when there are none. */
  readonly incomplete: readonly string[] | null;
  /** Columns that are null in the row although the value may have been NaN or infinity; null when there are none. */
  readonly doubtfulNulls: readonly string[] | null;
  /** A null of the row was read as NULL because of --no-nan: the user declared that the table has no NaN or infinity. */
  readonly nullsAssumed: boolean;
  /** Columns of type json or jsonb with JSON null instead of SQL NULL; null when there are none. */
  readonly jsonNulls: readonly string[] | null;
}

/**
 * A row with holes: `fragments[i]` is the JSON text of `columns[i]`, undefined where the stream left it out. wal2json does not
 * name the holes, so a column that was added after the change looks like one. Then the previous version has no such column
 * either, and fillPartial() leaves it out.
 */
export interface PartialRow {
  readonly columns: readonly string[];
  readonly fragments: readonly (string | undefined)[];
  /** Whether the stream names the columns that it left out: pgoutput does, wal2json does not. */
  readonly holesAreCertain: boolean;
  /** Holes of renamed columns: an older version has them under another name. */
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

/** A change of a tracked table without the tracked key, because the key was dropped or changed. It cannot be stored. */
export interface KeyMismatch {
  readonly kind: 'key-mismatch';
  readonly table: DecodedTable;
  readonly detail: string;
  /**
   * wal2json wrote no key. If the catalog changes while it writes the row, that can happen for a table with a key too. A second
   * peek shows which it was.
   */
  readonly mayBeForgotten: boolean;
}

/** What the decoder needs to know about a tracked table. It is found by the name in the stream: for a partitioned table that of the leaf. */
export interface DecodedTable {
  readonly relationId: number;
  /** null unless the changes come from a partition. */
  readonly leafId: number | null;
  readonly schema: string;
  readonly name: string;
  readonly keyColumns: readonly string[];
  /** Excluded columns: their values must not leave the decoder. */
  readonly excludedColumns: ReadonlySet<string>;
  /** All columns in the catalog now, in table order; null when not known. wal2json does not name columns that it leaves out. */
  readonly columns: readonly string[] | null;
  /** Whether the publication may have a column list: a column that is missing was then added and is not listed yet. */
  readonly mayBeListed?: boolean;
  /** Columns that can be TOASTed, because their type has no fixed length. wal2json can leave only these out of an update. */
  readonly toastableColumns?: ReadonlySet<string>;
  /** The earlier names of columns, by their current name. */
  readonly formerNames?: ReadonlyMap<string, readonly string[]>;
  /** Columns that had another name at the last run. */
  readonly renamedNow?: ReadonlySet<string>;
  /** Columns declared NOT NULL: if wal2json prints null for such a float or numeric column, it lost NaN or infinity. */
  readonly notNullColumns?: ReadonlySet<string>;
  /** Tracked with --no-nan: the user declared that numeric and float columns never have NaN or infinity, so null is NULL. */
  readonly noNan?: boolean;
  /**
   * Columns that were NOT NULL while the whole stream was written, and whose type has NaN but no infinity: null means NaN.
   */
  readonly nullIsNanColumns?: ReadonlySet<string>;
  /** Stored generated columns: pgoutput before PostgreSQL 18 leaves them out. */
  readonly generatedColumns?: readonly string[];
}

/** Finds the tracked table for a name in the stream; null: not tracked, the decoder skips the change. */
export type TableLookup = (schema: string, name: string, relid: number | null) => DecodedTable | null;

/**
 * Turns rows of the slot functions into events. One decoder lives as long as one peek (pgoutput describes relations
 * again in each). Feed rows in order; a row without meaning for us (of an untracked table) gives null.
 * Throws TimewarpError `STREAM_UNREADABLE` on text that the plugin cannot have written.
 */
export interface StreamDecoder {
  decode(row: StreamRow): StreamEvent | null;
  /** The row as the text of psql, for people. */
  print(row: StreamRow): string;
}

/** A row of the slot functions. */
export interface StreamRow {
  readonly lsn: Lsn;
  readonly xid: string;
  /** The output of the plugin is between `start` and `end`: JSON in UTF-8 (wal2json) or a message (pgoutput). */
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}
