/**
 * One relation of a wal2json stream. It reads column lists where they lie. Where it needs strings, they have one character for each byte
 * (latin1); only what is looked at is decoded as UTF-8. It does not parse lists: the text before a value
 * (`{"name":"id","typeoid":23,"value":`) is the same in every row, so each column remembers the column that followed it last time.
 * Only if that guess fails, the text is scanned and the column is looked up.
 */
import { jsonMembers, jsonStringEnd, jsonValueEnd, unquoteJson } from '../types/json-text.ts';
import type { TypeCatalog } from '../types/pg-types.ts';
import { PRINTED_AS_NULL } from '../types/plugin.ts';
import type { DecodedTable } from '../types/stream.ts';
import { type Column, describeColumn } from './column.ts';
import { type RowText, Word } from './row-text.ts';

const QUOTE = 0x22;
const SMALL_N = 0x6e;
const COMMA = 0x2c;
const BRACE = 0x7d;
const CLOSING_BRACKET = 0x5d;
const BYTEA = 17;

/**
 * What a null in the stream means. `null`: NULL | `assumed`: NULL, because of --no-nan | `doubtful`: NULL, NaN or infinity |
 * `nan`: NaN | `lost`: NaN or infinity; the stream does not tell which.
 */
type MeaningOfNull = 'null' | 'assumed' | 'doubtful' | 'nan' | 'lost';

/** A column as wal2json writes it. */
export interface Wal2jsonColumn extends Column {
  /** Everything before the value. */
  readonly header: Word;
  readonly isBytea: boolean;
  readonly nullIs: MeaningOfNull;
  /** Whether wal2json may leave it out of an update. */
  readonly toastable: boolean;
  /** The column that followed last time. */
  next: Wal2jsonColumn | null;
}

/** The columns of one list and where the bytes of their values are. Reused from row to row. */
export class ColumnRun {
  bytes: Buffer = Buffer.alloc(0);
  count = 0;
  toastableCount = 0;
  readonly columns: Wal2jsonColumn[] = [];
  readonly starts: number[] = [];
  readonly ends: number[] = [];

  /** Begins an empty list of a row in `bytes`. */
  open(bytes: Buffer): void {
    this.bytes = bytes;
    this.count = 0;
    this.toastableCount = 0;
  }

  /** Index of the column with this place in the key; -1 if the list does not have it. */
  indexOfKey(keyIndex: number): number {
    for (let i = 0; i < this.count; i++) if (this.columns[i]!.keyIndex === keyIndex) return i;
    return -1;
  }

  /** Whether the value is a bare null. */
  isNull(i: number): boolean {
    const at = this.starts[i]!;
    return this.ends[i]! - at === 4 && this.bytes[at] === SMALL_N;
  }

  /** The JSON text of a value as wal2json wrote it. */
  token(i: number): string {
    return this.bytes.toString('utf8', this.starts[i]!, this.ends[i]!);
  }

  /** Index of the column of this name; -1 if the list does not have it. */
  indexOf(name: string): number {
    for (let i = 0; i < this.count; i++) if (this.columns[i]!.name === name) return i;
    return -1;
  }
}

export class Wal2jsonRelation {
  readonly table: DecodedTable;
  /** The end of the last row whose `"pk"` was the tracked key, from the comma before `"pk"`. An equal end needs no parsing. */
  goodTail: Word | null = null;
  /** How many columns wal2json may leave out of an update. */
  readonly toastableTotal: number;
  readonly #types: TypeCatalog;
  readonly #numbersAsText: boolean;
  readonly #byHeader = new Map<string, Wal2jsonColumn>();
  #first: Wal2jsonColumn | null = null;

  constructor(table: DecodedTable, types: TypeCatalog, numbersAsText: boolean) {
    this.table = table;
    this.#types = types;
    this.#numbersAsText = numbersAsText;
    this.toastableTotal = toastableNames(table).length;
  }

  /** Reads the column list whose first column begins at `start` into `run`, which is open; returns the position after its bracket. */
  scan(text: RowText, start: number, run: ColumnRun): number {
    if (text.at(start) === CLOSING_BRACKET) return start + 1;
    let previous: Wal2jsonColumn | null = null;
    let at = start;
    for (;;) {
      const guess: Wal2jsonColumn | null = previous === null ? this.#first : previous.next;
      const column: Wal2jsonColumn =
        guess?.header.isAt(text, at) === true ? guess : this.#columnAt(text, at, previous);
      const valueStart = at + column.header.length;
      const valueEnd = text.at(valueStart) === QUOTE ? text.stringEnd(valueStart) : bareEnd(text, valueStart);
      if (valueEnd <= valueStart || text.at(valueEnd) !== BRACE) throw new RangeError('a column has no end');
      run.columns[run.count] = column;
      run.starts[run.count] = valueStart;
      run.ends[run.count] = valueEnd;
      run.count += 1;
      if (column.toastable) run.toastableCount += 1;
      previous = column;
      const separator = text.at(valueEnd + 1);
      if (separator === CLOSING_BRACKET) return valueEnd + 2;
      if (separator !== COMMA) throw new RangeError('a list of columns has no end');
      at = valueEnd + 2;
    }
  }

  #columnAt(text: RowText, at: number, previous: Wal2jsonColumn | null): Wal2jsonColumn {
    const header = headerAt(text.latin1, at - text.start);
    let column = this.#byHeader.get(header);
    if (column === undefined) {
      column = this.#newColumn(header);
      this.#byHeader.set(header, column);
    }
    if (previous === null) this.#first = column;
    else previous.next = column;
    return column;
  }

  #newColumn(header: string): Wal2jsonColumn {
    const { members } = jsonMembers(`${utf8Of(header)}null}`, 0);
    const quotedName = members.get('name');
    const oid = Number.parseInt(members.get('typeoid') ?? '', 10);
    if (quotedName === undefined || Number.isNaN(oid))
      throw new RangeError('a column lacks its name or type');
    const name = unquoteJson(quotedName);
    const table = this.table;
    const column = describeColumn({ name, quotedName, typeOid: oid }, table, this.#types);
    return {
      ...column,
      header: new Word(header),
      isBytea: oid === BYTEA,
      nullIs: PRINTED_AS_NULL.has(oid) && !this.#numbersAsText ? meaningOfNull(table, name) : 'null',
      toastable: !column.excluded && (table.toastableColumns?.has(name) ?? false),
      next: null,
    };
  }
}

/** What null means in a column whose NaN and infinity wal2json prints as null. */
function meaningOfNull(table: DecodedTable, name: string): MeaningOfNull {
  if (table.nullIsNanColumns?.has(name)) return 'nan';
  if (table.notNullColumns?.has(name)) return 'lost';
  return table.noNan ? 'assumed' : 'doubtful';
}

/** Tracked columns that wal2json may leave out of an update. */
export function toastableNames(table: DecodedTable): string[] {
  return (table.columns ?? []).filter(
    (name) => table.toastableColumns?.has(name) && !table.excludedColumns.has(name),
  );
}

/** Decodes text with one character for each byte. */
export function utf8Of(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString('utf8');
}

/** The text from the brace of a column to its value. */
function headerAt(data: string, at: number): string {
  if (data.charAt(at) !== '{') throw new RangeError('a column is missing');
  let name = at + 1;
  for (;;) {
    const nameEnd = jsonStringEnd(data, name);
    if (data.charAt(nameEnd) !== ':') throw new RangeError('a colon is missing in a column');
    if (data.slice(name, nameEnd) === '"value"') return data.slice(at, nameEnd + 1);
    const valueEnd = jsonValueEnd(data, nameEnd + 1);
    if (data.charAt(valueEnd) !== ',') throw new RangeError('a column lacks its value');
    name = valueEnd + 1;
  }
}

/** Position after a number, true, false or null. */
function bareEnd({ bytes, end }: RowText, start: number): number {
  let at = start;
  while (at < end && bytes[at] !== BRACE && bytes[at] !== COMMA) at += 1;
  return at;
}
