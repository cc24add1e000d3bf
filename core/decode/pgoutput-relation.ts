/**
 * One relation as a Relation message of pgoutput describes it, and the tuples of its changes.
 */
import { quoteJson } from '../types/json-text.ts';
import type { TypeCatalog } from '../types/pg-types.ts';
import { isJsonNull, renderText } from '../types/render-text.ts';
import type { DecodedTable, PartialRow } from '../types/stream.ts';
import { append, type Column, describeColumn, quotedKeyText } from './column.ts';
import type { MessageReader } from './pgoutput-reader.ts';
import type { TextWriter } from './text-writer.ts';
import { isJsonNullAt, writeValue } from './value-writer.ts';

type Writable<T> = { -readonly [Name in keyof T]: T[Name] };

const NULL = 0x6e; // n
const UNCHANGED = 0x75; // u: a TOASTed value that did not change
const TEXT = 0x74; // t
const MISSING = 0;
const KEY_FLAG = 1;
const COMMA = 0x2c;
const OPENING_BRACKET = 0x5b;
const CLOSING_BRACKET = 0x5d;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;
const NULL_TEXT = Buffer.from('null', 'latin1');

/** The positions of the values of a row in the message. Reused from row to row. */
export class Tuple {
  kinds = new Uint8Array(0);
  starts = new Uint32Array(0);
  ends = new Uint32Array(0);

  read(reader: MessageReader, columnCount: number): void {
    const count = reader.uint16();
    if (count !== columnCount) throw new RangeError('a row has another number of columns than its relation');
    if (count > this.kinds.length) this.#grow(count);
    this.kinds.fill(MISSING, 0, count); // if the message ends too early, no entry of an earlier row remains
    for (let i = 0; i < count; i++) {
      const kind = reader.uint8();
      if (kind === TEXT) {
        const byteCount = reader.uint32();
        this.starts[i] = reader.position;
        reader.skip(byteCount);
        this.ends[i] = reader.position;
      } else if (kind !== NULL && kind !== UNCHANGED) {
        throw new RangeError('a value is neither text nor null nor unchanged');
      }
      this.kinds[i] = kind;
    }
  }

  #grow(count: number): void {
    this.kinds = new Uint8Array(count);
    this.starts = new Uint32Array(count);
    this.ends = new Uint32Array(count);
  }
}

/** What a row has beside its text. */
export interface PgoutputRow {
  readonly partial: PartialRow | null;
  readonly jsonNulls: string[] | null;
}

/** Most rows have nothing beside it. */
export const PLAIN_ROW: PgoutputRow = { partial: null, jsonNulls: null };

export class PgoutputRelation {
  readonly table: DecodedTable;
  readonly columns: readonly Column[];
  /** Columns of the table that the stream omits, or whose values cannot be read. */
  readonly incomplete: readonly string[] | null;
  /** Why its changes cannot be used; null when they can. */
  readonly keyMismatch: string | null;
  /** Index of each key column. */
  readonly #keyAt: readonly number[];

  constructor(table: DecodedTable, columns: readonly Column[], flaggedNames: ReadonlySet<string>) {
    this.table = table;
    this.columns = columns;
    this.#keyAt = table.keyColumns.map((name) => columns.findIndex((column) => column.name === name));
    // With REPLICA IDENTITY FULL every column is flagged.
    this.keyMismatch = table.keyColumns.every((name) => flaggedNames.has(name))
      ? null
      : `the replica identity is (${[...flaggedNames].join(', ')}), tracked is (${table.keyColumns.join(', ')})`;
    const names = new Set(columns.map((column) => column.name));
    const listed = table.mayBeListed === true ? (table.columns ?? []) : [];
    const absent = [...new Set([...(table.generatedColumns ?? []), ...listed])].filter(
      (name) => !names.has(name) && !table.excludedColumns.has(name),
    );
    const lost = [...absent, ...columns.filter((column) => column.unreadable).map((column) => column.name)];
    this.incomplete = lost.length === 0 ? null : lost;
  }

  /** Reads the columns of a Relation message. */
  static read(reader: MessageReader, table: DecodedTable, types: TypeCatalog): PgoutputRelation {
    const columns: Column[] = [];
    const flaggedNames = new Set<string>();
    for (let left = reader.uint16(); left > 0; left--) {
      const flags = reader.uint8();
      const name = reader.cString();
      const oid = reader.uint32();
      reader.skip(4); // type modifier
      columns.push(describeColumn({ name, quotedName: quoteJson(name), typeOid: oid }, table, types));
      if ((flags & KEY_FLAG) !== 0) flaggedNames.add(name);
    }
    return new PgoutputRelation(table, columns, flaggedNames);
  }

  /**
   * Writes the canonical key of a tuple as a field. An unchanged TOASTed value comes from `old`.
   * @returns false if a key column has no value
   */
  // biome-ignore lint/complexity/useMaxParams: called for each row
  writeKey(writer: TextWriter, bytes: Buffer, tuple: Tuple, old: Tuple | null): boolean {
    writer.openField();
    writer.byte(OPENING_BRACKET);
    for (let k = 0; k < this.#keyAt.length; k++) {
      const i = this.#keyAt[k]!;
      const from = old !== null && tuple.kinds[i] === UNCHANGED ? old : tuple;
      if (from.kinds[i] !== TEXT) return false;
      if (k > 0) writer.byte(COMMA);
      const column = this.columns[i]!;
      const [start, end] = [from.starts[i]!, from.ends[i]!];
      if (column.keyVerbatim) writer.quoted(bytes, start, end);
      else writer.text(quotedKeyText(column, bytes.toString('utf8', start, end)));
    }
    writer.byte(CLOSING_BRACKET);
    writer.closeField();
    return true;
  }

  /** Writes the row of a tuple as a field. An unchanged TOASTed value comes from `old`. If `old` does not have it, the row is partial. */
  // biome-ignore lint/complexity/useMaxParams: called for each row
  writeRow(writer: TextWriter, bytes: Buffer, tuple: Tuple, old: Tuple | null): PgoutputRow {
    let jsonNulls: string[] | null = null;
    let isFirst = true;
    writer.openField();
    for (let i = 0; i < this.columns.length; i++) {
      const column = this.columns[i]!;
      if (column.excluded || column.unreadable) continue;
      let from = tuple;
      if (tuple.kinds[i] === UNCHANGED) {
        if (old === null || old.kinds[i] !== TEXT) {
          writer.makeFieldNull();
          return this.#partialRow(bytes, tuple, old);
        }
        from = old;
      }
      const label = isFirst ? column.firstLabel : column.nextLabel;
      isFirst = false;
      writer.copy(label, 0, label.length);
      if (from.kinds[i] === NULL) {
        writer.copy(NULL_TEXT, 0, NULL_TEXT.length);
        continue;
      }
      const start = from.starts[i]!;
      const end = from.ends[i]!;
      if (isJsonNullAt(column.kind, bytes, start, end)) jsonNulls = append(jsonNulls, column.name);
      writeValue(writer, column.kind, bytes, start, end);
    }
    if (isFirst) writer.byte(OPENING_BRACE);
    writer.byte(CLOSING_BRACE);
    writer.closeField();
    return jsonNulls === null ? PLAIN_ROW : { partial: null, jsonNulls };
  }

  #partialRow(bytes: Buffer, tuple: Tuple, old: Tuple | null): PgoutputRow {
    const row: Writable<PgoutputRow> = { partial: null, jsonNulls: null };
    const columns: string[] = [];
    const fragments: (string | undefined)[] = [];
    for (let i = 0; i < this.columns.length; i++) {
      if (this.columns[i]!.excluded || this.columns[i]!.unreadable) continue;
      columns.push(this.columns[i]!.name);
      fragments.push(this.#fragment(bytes, tuple, old, i, row));
    }
    row.partial = { columns, fragments, holesAreCertain: true };
    return row;
  }

  /** JSON text of a value; undefined where neither row has it. */
  // biome-ignore lint/complexity/useMaxParams: called for each value
  #fragment(
    bytes: Buffer,
    tuple: Tuple,
    old: Tuple | null,
    i: number,
    row: Writable<PgoutputRow>,
  ): string | undefined {
    let from = tuple;
    if (tuple.kinds[i] === UNCHANGED) {
      if (old === null || old.kinds[i] !== TEXT) return undefined;
      from = old;
    }
    if (from.kinds[i] === NULL) return 'null';
    const { kind, name } = this.columns[i]!;
    const text = bytes.toString('utf8', from.starts[i]!, from.ends[i]!);
    if (isJsonNull(kind, text)) row.jsonNulls = append(row.jsonNulls, name);
    return renderText(kind, text);
  }
}
