/**
 * One relation of a wal2json stream. It reads column lists without parsing them: the text before a value
 * (`{"name":"id","typeoid":23,"value":`) is the same in every row, so each column remembers the column that followed it last time.
 * Only if that guess fails, the text is scanned and the column is looked up.
 */
import { jsonMembers, jsonStringEnd, jsonValueEnd, quoteJson, unquoteJson } from '../types/json-text.ts';
import { canonicalKeyValue } from '../types/key.ts';
import type { TypeCatalog } from '../types/pg-types.ts';
import { PRINTED_AS_NULL } from '../types/plugin.ts';
import { isJsonNull, renderText } from '../types/render-text.ts';
import type { DecodedTable } from '../types/stream.ts';
import { type Column, describeColumn } from './column.ts';

const QUOTE = 0x22;
const COMMA = 0x2c;
const BRACE = 0x7d;
const BYTEA = 17;

/**
 * What a null in the stream means. `null`: NULL | `assumed`: NULL, because of --no-nan | `doubtful`: NULL, NaN or infinity |
 * `nan`: NaN | `lost`: NaN or infinity; the stream does not tell which.
 */
type MeaningOfNull = 'null' | 'assumed' | 'doubtful' | 'nan' | 'lost';

/** A column as wal2json writes it. */
export interface Wal2jsonColumn extends Column {
  /** Everything before the value. */
  readonly header: string;
  readonly isBytea: boolean;
  readonly nullIs: MeaningOfNull;
  /** Whether wal2json may leave it out of an update. */
  readonly toastable: boolean;
  /** The column that followed last time. */
  next: Wal2jsonColumn | null;
}

/** The columns of one list and the positions of their values. Reused from row to row. */
export class ColumnRun {
  count = 0;
  toastableCount = 0;
  readonly columns: Wal2jsonColumn[] = [];
  readonly starts: number[] = [];
  readonly ends: number[] = [];

  /** Index of the column of this name; -1 if the list does not have it. */
  indexOf(name: string): number {
    for (let i = 0; i < this.count; i++) if (this.columns[i]!.name === name) return i;
    return -1;
  }
}

export class Wal2jsonRelation {
  readonly table: DecodedTable;
  /** The end of the last row whose `"pk"` was the tracked key, from the comma before `"pk"`. An equal end needs no parsing. */
  goodTail: string | null = null;
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

  /** Reads the column list whose first column begins at `start`; returns the position after its bracket. */
  scan(data: string, start: number, run: ColumnRun): number {
    run.count = 0;
    run.toastableCount = 0;
    if (data.charAt(start) === ']') return start + 1;
    let previous: Wal2jsonColumn | null = null;
    let at = start;
    for (;;) {
      const guess: Wal2jsonColumn | null = previous === null ? this.#first : previous.next;
      const column: Wal2jsonColumn =
        guess !== null && data.startsWith(guess.header, at) ? guess : this.#columnAt(data, at, previous);
      const valueStart = at + column.header.length;
      const valueEnd =
        data.charCodeAt(valueStart) === QUOTE ? jsonStringEnd(data, valueStart) : bareEnd(data, valueStart);
      if (valueEnd <= valueStart || data.charAt(valueEnd) !== '}')
        throw new RangeError('a column has no end');
      run.columns[run.count] = column;
      run.starts[run.count] = valueStart;
      run.ends[run.count] = valueEnd;
      run.count += 1;
      if (column.toastable) run.toastableCount += 1;
      previous = column;
      const separator = data.charAt(valueEnd + 1);
      if (separator === ']') return valueEnd + 2;
      if (separator !== ',') throw new RangeError('a list of columns has no end');
      at = valueEnd + 2;
    }
  }

  #columnAt(data: string, at: number, previous: Wal2jsonColumn | null): Wal2jsonColumn {
    const header = headerAt(data, at);
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
    const { members } = jsonMembers(`${header}null}`, 0);
    const quotedName = members.get('name');
    const oid = Number.parseInt(members.get('typeoid') ?? '', 10);
    if (quotedName === undefined || Number.isNaN(oid))
      throw new RangeError('a column lacks its name or type');
    const name = unquoteJson(quotedName);
    const table = this.table;
    const column = describeColumn({ name, quotedName, typeOid: oid }, table, this.#types);
    return {
      ...column,
      header,
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

/** JSON text of a value as it is stored, from wal2json's token (not null). */
export function renderToken(column: Wal2jsonColumn, token: string): string {
  const quoted = token.charCodeAt(0) === QUOTE;
  switch (column.kind.rendering) {
    case 'number':
    case 'boolean':
      return quoted ? renderText(column.kind, unquoteJson(token)) : token; // domains come as strings
    case 'text':
      if (!quoted) return `"${token}"`; // oid comes as a number
      return column.isBytea ? `"\\\\x${token.slice(1)}` : token;
    default:
      return renderText(column.kind, quoted ? unquoteJson(token) : token);
  }
}

/** Whether the token of a json or jsonb column is JSON null (SQL NULL is a bare null). */
export function isJsonNullToken(column: Wal2jsonColumn, token: string): boolean {
  return (
    column.kind.rendering === 'json' && token.length < 100 && isJsonNull(column.kind, unquoteJson(token))
  );
}

/** Canonical text of a key column as a JSON string, from wal2json's token (not null). */
export function quotedKeyToken(column: Wal2jsonColumn, token: string): string {
  const quoted = token.charCodeAt(0) === QUOTE;
  if (column.isBytea) return renderToken(column, token);
  if (column.keyVerbatim) return quoted ? token : `"${token}"`;
  return quoteJson(canonicalKeyValue(column.kind, quoted ? unquoteJson(token) : token));
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
function bareEnd(data: string, start: number): number {
  let at = start;
  for (;;) {
    const char = data.charCodeAt(at);
    if (char === BRACE || char === COMMA || Number.isNaN(char)) return at;
    at += 1;
  }
}
