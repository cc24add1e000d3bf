/**
 * JSON rows of the history as lines of COPY, in the text format on both sides. The server needs 2 µs to take the values out of such a
 * row, more than for reading and sending it. Here a usual row is cut where it lies: it has the names of the first row in their order
 * and no backslash, so its values are in COPY what they are in JSON. Every other row is read as text, by the names in it.
 */
import { Transform } from 'node:stream';

const NEWLINE = 0x0a;
const TAB = 0x09;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const BRACE = 0x7b;
const CLOSED = 0x7d;
const BRACKET = 0x5b;
const CLOSED_BRACKET = 0x5d;
const LETTER_N = 0x4e;
const LETTER_n = 0x6e;
/** Up to this length a loop is faster than a call. */
const NEAR = 32;

export interface CopiedColumn {
  readonly name: string;
  /** A value is the JSON text of the row, also if it is a string. */
  readonly isJson: boolean;
}

interface Layout {
  /** For each name in a usual row: `,"name":` with a brace instead of the first comma, and how the value is taken. */
  readonly words: readonly Buffer[];
  readonly taken: readonly ('value' | 'json' | 'left out')[];
  readonly columns: readonly CopiedColumn[];
}

/**
 * A stream from `COPY (SELECT row_data …) TO STDOUT` to `COPY table (columns) FROM STDIN`. A column that a row lacks is NULL.
 * @param names of the first row, in their order
 * @param columns of the lines; those in `names` have the same order and come first
 */
export function copyLines(names: readonly string[], columns: readonly CopiedColumn[]): Transform {
  const byName = new Map(columns.map((column) => [column.name, column]));
  const cutter = new Cutter({
    words: names.map((name, place) =>
      Buffer.from(`${place === 0 ? '{' : ','}${JSON.stringify(name)}:`, 'utf8'),
    ),
    taken: names.map((name) => {
      const column = byName.get(name);
      if (column === undefined) return 'left out';
      return column.isJson ? 'json' : 'value';
    }),
    columns,
  });
  const isUsual = columns.every(({ name }) => names.includes(name));
  let pending: Buffer[] = [];
  return new Transform({
    transform(block: Buffer, _encoding, done) {
      const first = block.indexOf(NEWLINE) + 1;
      if (first === 0) {
        pending.push(block);
        return done();
      }
      if (pending.length > 0)
        this.push(cutter.lines(Buffer.concat([...pending, block.subarray(0, first)]), isUsual));
      const from = pending.length > 0 ? first : 0;
      const to = block.lastIndexOf(NEWLINE) + 1;
      if (to > from) this.push(cutter.lines(block.subarray(from, to), isUsual));
      pending = to < block.length ? [block.subarray(to)] : [];
      done();
    },
    flush(done) {
      done(pending.length > 0 ? new Error('the last row of the history has no end') : null);
    },
  });
}

class Cutter {
  readonly #layout: Layout;
  #bytes: Buffer = Buffer.alloc(0);
  #written: Buffer = Buffer.alloc(0);
  #length = 0;

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  /** @param rows whole ones */
  lines(rows: Buffer, isUsual: boolean): Buffer {
    this.#bytes = rows;
    this.#written = Buffer.allocUnsafe(rows.length); // a usual line is shorter than its row
    this.#length = 0;
    const parts: Buffer[] = [];
    let backslash = isUsual ? rows.indexOf(BACKSLASH) : 0;
    let done = 0;
    for (let start = 0; start < rows.length; ) {
      const end = rows.indexOf(NEWLINE, start);
      if (backslash !== -1 && backslash < start) backslash = isUsual ? rows.indexOf(BACKSLASH, start) : start;
      if ((backslash !== -1 && backslash < end) || !this.#cut(start, end)) {
        parts.push(
          this.#written.subarray(done, this.#length),
          lineOf(rows.toString('utf8', start, end), this.#layout),
        );
        done = this.#length;
      }
      start = end + 1;
    }
    const last = this.#written.subarray(done, this.#length);
    return parts.length === 0 ? last : Buffer.concat([...parts, last]);
  }

  /** Whether the row is a usual one. */
  #cut(start: number, end: number): boolean {
    const { words, taken } = this.#layout;
    const bytes = this.#bytes;
    const written = this.#written;
    let length = this.#length;
    let at = start;
    let isFirst = true;
    for (let place = 0; place < words.length; place++) {
      const word = words[place]!;
      const from = at + word.length;
      for (let i = 0; i < word.length; i++) if (bytes[at + i] !== word[i]) return false;
      const isString = bytes[from] === QUOTE;
      at = isString ? nextQuote(bytes, from + 1, end) + 1 : valueEndIn(bytes, from, end);
      if (at <= 0) return false;
      const how = taken[place]!;
      if (how === 'left out') continue;
      if (!isFirst) written[length++] = TAB;
      isFirst = false;
      if (bytes[from] === LETTER_n) {
        written[length++] = BACKSLASH; // \N is NULL (PostgreSQL manual, COPY, "Text Format")
        written[length++] = LETTER_N;
        continue;
      }
      const inner = isString && how === 'value' ? 1 : 0;
      const last = at - inner;
      if (last - from > NEAR) length += bytes.copy(written, length, from + inner, last);
      else for (let i = from + inner; i < last; i++) written[length++] = bytes[i]!;
    }
    if (at !== end - 1 || bytes[at] !== CLOSED) return false;
    written[length++] = NEWLINE;
    this.#length = length;
    return true;
  }
}

/** -1: there is none. */
function nextQuote(bytes: Buffer, from: number, end: number): number {
  const near = Math.min(end, from + NEAR);
  for (let at = from; at < near; at++) if (bytes[at] === QUOTE) return at;
  const quote = near < end ? bytes.indexOf(QUOTE, near) : -1;
  return quote < end ? quote : -1;
}

/** Position of the comma or bracket after a value that is no string; 0: there is none. */
function valueEndIn(bytes: Buffer, from: number, end: number): number {
  let depth = 0;
  for (let at = from; at < end; at++) {
    const byte = bytes[at]!;
    if (depth === 0 && (byte === COMMA || byte === CLOSED)) return at;
    if (byte === QUOTE) {
      at = nextQuote(bytes, at + 1, end);
      if (at === -1) return 0;
    } else if (byte === BRACE || byte === BRACKET) depth += 1;
    else if (byte === CLOSED || byte === CLOSED_BRACKET) depth -= 1;
  }
  return 0;
}

const ESCAPES: Readonly<Record<string, string>> = {
  ...{ '\b': '\\b', '\f': '\\f', '\n': '\\n', '\r': '\\r', '\t': '\\t', '\v': '\\v', '\\': '\\\\' },
};
const ESCAPED = new Map(Object.entries(ESCAPES).map(([character, written]) => [written, character]));

/** @param copied a row as COPY writes it */
function lineOf(copied: string, { columns }: Layout): Buffer {
  const row = copied.replaceAll(/\\./g, (written) => {
    const character = ESCAPED.get(written);
    if (character === undefined) throw new Error(`COPY wrote the unknown escape ${written}`);
    return character;
  });
  const values = valuesIn(row);
  const fields = columns.map(({ name, isJson }) => {
    const text = values.get(name) ?? 'null';
    if (text === 'null') return '\\N';
    const value = text.startsWith('"') && !isJson ? (JSON.parse(text) as string) : text;
    return value.replaceAll(/[\b\f\n\r\t\v\\]/g, (character) => ESCAPES[character]!);
  });
  return Buffer.from(`${fields.join('\t')}\n`, 'utf8');
}

/** The JSON texts of the values of an object. */
function valuesIn(row: string): Map<string, string> {
  const values = new Map<string, string>();
  for (let at = row.indexOf('"'); at !== -1; ) {
    const nameEnd = stringEnd(row, at);
    const from = row.indexOf(':', nameEnd) + 1;
    const to = valueEnd(row, from);
    values.set(JSON.parse(row.slice(at, nameEnd)) as string, row.slice(from, to).trim());
    at = row[to] === ',' ? row.indexOf('"', to) : -1;
  }
  return values;
}

/** Position of the comma or bracket after the value that begins at `from`. */
function valueEnd(row: string, from: number): number {
  let depth = 0;
  for (let at = from; ; at++) {
    const character = row[at];
    if (character === '"') at = stringEnd(row, at) - 1;
    else if (character === '{' || character === '[') depth += 1;
    else if (depth === 0 && (character === ',' || character === '}')) return at;
    else if (character === '}' || character === ']') depth -= 1;
    else if (character === undefined) throw new Error('a row of the history is not a whole JSON object');
  }
}

/** Position after the closing quote of the string that opens at `from`. */
function stringEnd(row: string, from: number): number {
  for (let at = from + 1; ; ) {
    const quote = row.indexOf('"', at);
    if (quote === -1) throw new Error('a row of the history is not a whole JSON object');
    let backslashes = quote;
    while (backslashes > at && row[backslashes - 1] === '\\') backslashes -= 1;
    if ((quote - backslashes) % 2 === 0) return quote + 1;
    at = quote + 1;
  }
}
