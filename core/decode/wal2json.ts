/**
 * Decodes wal2json, format version 2, into stream events. Values are cut out of the text and never parsed: numbers keep all digits,
 * strings keep the escapes of wal2json, which are those of to_json(). Rows look like
 * `{"action":"U","timestamp":"…","schema":"…","table":"…","columns":[…],"identity":[…],"pk":[…]}`. A row whose
 * members have another order, or that has more of them, is put into this order first.
 */

import { isTooLong } from '../errors/too-long.ts';
import type { ChangeTexts } from '../types/change-texts.ts';
import { jsonMembers, jsonStringEnd, unquoteJson } from '../types/json-text.ts';
import { keyRefusal } from '../types/key.ts';
import type { TypeCatalog } from '../types/pg-types.ts';
import { messagePrefixes } from '../types/plugin.ts';
import type {
  CommitEvent,
  MessageEvent,
  StreamDecoder,
  StreamEvent,
  StreamRow,
  TableLookup,
  TruncateChange,
} from '../types/stream.ts';
import { CommitTimestampParser } from './commit-timestamp.ts';
import { RowText, Word } from './row-text.ts';
import { TextWriter } from './text-writer.ts';
import { CUT, nameOf, tooLarge, unreadable } from './unreadable.ts';
import { ColumnRun, utf8Of, Wal2jsonRelation } from './wal2json-relation.ts';
import { NO_REMARKS, writeKey, writeRow } from './wal2json-row.ts';

const START = new Word('{"action":"');
/** Positions from the beginning of a row. */
const ACTION_AT = START.length;
const TIMESTAMP = new Word('","timestamp":"');
const TIMESTAMP_AT = ACTION_AT + 1 + TIMESTAMP.length;
const COLUMNS = new Word(',"columns":[');
const IDENTITY = new Word(',"identity":[');
const PK = ',"pk":[';
/** The actions by their letters. */
const ACTIONS: ReadonlyArray<Action | undefined> = letters('I', 'U', 'D', 'T', 'B', 'C', 'M');
/** So much of a row that is too large is read for its name. */
const HEAD_BYTES = 32_768;
const LAYOUT = [
  'action',
  'timestamp',
  'transactional',
  'prefix',
  'content',
  'schema',
  'table',
  'columns',
  'identity',
  'pk',
];

type Action = 'I' | 'U' | 'D' | 'T' | 'B' | 'C' | 'M';

function letters(...actions: Action[]): (Action | undefined)[] {
  const byLetter = new Array<Action | undefined>(0x80).fill(undefined);
  for (const action of actions) byLetter[action.charCodeAt(0)] = action;
  return byLetter;
}

interface Wal2jsonOptions {
  /** The peek used the option NUMBERS_AS_TEXT, so null means NULL. */
  readonly numbersAsText?: boolean;
  /** The decoder ignores messages with other prefixes. */
  readonly prefixes?: ReadonlySet<string>;
}

/** Makes a decoder for one peek. Changes need no `begin` before them: the caller may omit B rows. */
export function createWal2jsonDecoder(
  tables: TableLookup,
  types: TypeCatalog,
  options: Wal2jsonOptions = {},
): StreamDecoder {
  return new Wal2jsonDecoder(tables, types, options);
}

/** The text of a change after its timestamp, `","schema":"…","table":"…"`, and the relation that it names. */
interface Head {
  readonly text: Word;
  /** null: not tracked. */
  readonly relation: Wal2jsonRelation | null;
  /** The head that followed last time. */
  next: Head | null;
}

class Wal2jsonDecoder implements StreamDecoder {
  readonly #tables: TableLookup;
  readonly #types: TypeCatalog;
  readonly #numbersAsText: boolean;
  readonly #prefixes: ReadonlySet<string>;
  readonly #timestamps = new CommitTimestampParser();
  readonly #heads = new Map<string, Head>();
  #lastHead: Head | null = null;
  readonly #new = new ColumnRun();
  readonly #old = new ColumnRun();
  readonly #text = new RowText();
  readonly #writer = new TextWriter();

  constructor(tables: TableLookup, types: TypeCatalog, options: Wal2jsonOptions) {
    this.#tables = tables;
    this.#types = types;
    this.#numbersAsText = options.numbersAsText ?? false;
    this.#prefixes = options.prefixes ?? messagePrefixes();
  }

  decode(row: StreamRow): StreamEvent | null {
    const { bytes, start, end } = row;
    if (bytes[start] === CUT) throw tooLarge(row.lsn, this.#nameOf(bytes, start + 1, end));
    try {
      const text = this.#text;
      text.open(bytes, start, end);
      const action = START.isAt(text, start) ? (ACTIONS[text.at(start + ACTION_AT)] ?? null) : null;
      switch (action) {
        case 'I':
        case 'U':
        case 'D':
        case 'T':
          return TIMESTAMP.isAt(text, start + ACTION_AT + 1)
            ? this.#change(action, row)
            : this.decode(inOurLayout(row));
        case 'B':
          return { kind: 'begin', xid: row.xid };
        case 'C':
          return this.#commit(row);
        case 'M':
          return message(this.print(row), this.#prefixes);
        default:
          return this.decode(inOurLayout(row));
      }
    } catch (error) {
      throw isTooLong(error)
        ? tooLarge(row.lsn, this.#nameOf(bytes, start, end))
        : unreadable('wal2json', row.lsn, error);
    }
  }

  print({ bytes, start, end }: StreamRow): string {
    return bytes.toString('utf8', start, end);
  }

  /** Table and key of a cut change, as far as its beginning contains them. */
  #nameOf(bytes: Buffer, start: number, end: number): { table: string; key: string | null } {
    let table = 'a table';
    try {
      const text = this.#text;
      text.open(bytes, start, Math.min(end, start + HEAD_BYTES));
      const headAt = text.nextQuote(start + TIMESTAMP_AT);
      const head = this.#headAt(headAt);
      if (head.relation === null) return { table, key: null };
      table = nameOf(head.relation.table);
      const at = headAt + head.text.length;
      this.#new.open(bytes);
      try {
        head.relation.scan(text, at + COLUMNS.length, this.#new); // reads until the cut text ends
      } catch {}
      this.#writer.begin();
      const hasKey = writeKey(this.#writer, this.#new, head.relation.table.keyColumns.length);
      this.#writer.nullField();
      return { table, key: hasKey ? this.#writer.finish().key : null };
    } catch {
      return { table, key: null };
    }
  }

  #commit(row: StreamRow): CommitEvent {
    const text = this.#text;
    const from = row.start + TIMESTAMP_AT;
    const timestamp = TIMESTAMP.isAt(text, row.start + ACTION_AT + 1)
      ? row.bytes.toString('latin1', from, text.nextQuote(from))
      : unquoteJson(member(jsonMembers(text.latin1, 0).members, 'timestamp'));
    return { kind: 'commit', xid: row.xid, lsn: row.lsn, timestamp: this.#timestamps.parse(timestamp) };
  }

  #change(op: 'I' | 'U' | 'D' | 'T', row: StreamRow): StreamEvent | null {
    const headAt = this.#text.nextQuote(row.start + TIMESTAMP_AT);
    const head = this.#headAt(headAt);
    const relation = head.relation;
    if (relation === null) return null;
    const at = headAt + head.text.length;
    if (op === 'T') return { kind: 'truncate', tables: [relation.table] } satisfies TruncateChange;
    return this.#rowChange(op, at, relation);
  }

  #rowChange(op: 'I' | 'U' | 'D', start: number, relation: Wal2jsonRelation): StreamEvent {
    const { table } = relation;
    const text = this.#text;
    const newRun = this.#new;
    const oldRun = this.#old;
    newRun.open(text.bytes);
    oldRun.open(text.bytes);
    let at = start;
    if (COLUMNS.isAt(text, at)) at = relation.scan(text, at + COLUMNS.length, newRun);
    if (IDENTITY.isAt(text, at)) at = relation.scan(text, at + IDENTITY.length, oldRun);
    const tail = relation.goodTail;
    if (tail === null || text.end - tail.length !== at || !tail.isAt(text, at)) {
      const other = otherKeyInTail(text.latin1, at - text.start, table.keyColumns);
      if (other !== null) {
        const detail = `the primary key is (${other.join(', ')}), tracked is (${table.keyColumns.join(', ')})`;
        return { kind: 'key-mismatch', table, detail, mayBeForgotten: other.length === 0 };
      }
      relation.goodTail = new Word(text.latin1.slice(at - text.start));
    }
    // An insert has no identity, a deletion no columns. An update without the old key may have changed the key unseen.
    const oldTexts = op === 'I' ? null : this.#deletion(oldRun, table.keyColumns.length);
    let texts = oldTexts;
    let remarks = NO_REMARKS;
    if (op !== 'D') {
      this.#writer.begin();
      const hasKey = writeKey(this.#writer, newRun, table.keyColumns.length, oldRun);
      remarks = hasKey ? writeRow(this.#writer, relation, op, newRun, oldRun) : NO_REMARKS;
      texts = hasKey ? this.#writer.finish() : null;
    }
    if (texts === null || (oldTexts === null && op !== 'I')) {
      const detail = `the key (${table.keyColumns.join(', ')}) is not among the values of ${op} or is NaN or infinite`;
      return { kind: 'key-mismatch', table, detail, mayBeForgotten: false };
    }
    const tooLong = keyRefusal(texts) ?? (oldTexts === null ? null : keyRefusal(oldTexts));
    if (tooLong !== null) return { kind: 'key-mismatch', table, detail: tooLong, mayBeForgotten: false };
    return {
      kind: 'change',
      op,
      table,
      texts,
      oldTexts: op === 'U' && oldTexts !== null && !oldTexts.hasSameKey(texts) ? oldTexts : null,
      partial: remarks.partial,
      incomplete: remarks.incomplete,
      doubtfulNulls: remarks.doubtfulNulls,
      nullsAssumed: remarks.nullsAssumed,
      jsonNulls: remarks.jsonNulls,
    };
  }

  /** The texts of the deletion of a row; null if its key is not complete. */
  #deletion(old: ColumnRun, keyLength: number): ChangeTexts | null {
    this.#writer.begin();
    if (!writeKey(this.#writer, old, keyLength)) return null;
    this.#writer.nullField();
    return this.#writer.finish();
  }

  #headAt(at: number): Head {
    const last = this.#lastHead;
    if (last !== null) {
      if (last.next?.text.isAt(this.#text, at) === true) {
        this.#lastHead = last.next;
        return last.next;
      }
      if (last.text.isAt(this.#text, at)) return last;
    }
    const text = headText(this.#text.latin1, at - this.#text.start);
    let head = this.#heads.get(text);
    if (head === undefined) {
      head = this.#newHead(text);
      this.#heads.set(text, head);
    }
    if (last !== null) last.next = head;
    this.#lastHead = head;
    return head;
  }

  #newHead(text: string): Head {
    const { members } = jsonMembers(`{${utf8Of(text.slice(2))}}`, 0);
    const table = this.#tables(
      unquoteJson(member(members, 'schema')),
      unquoteJson(member(members, 'table')),
      null,
    );
    const relation = table && new Wal2jsonRelation(table, this.#types, this.#numbersAsText);
    return { text: new Word(text), relation, next: null };
  }
}

/** The primary key in the end of a row, which starts at the comma before `"pk"`; null if it is the tracked key. */
function otherKeyInTail(data: string, at: number, keyColumns: readonly string[]): string[] | null {
  const names: string[] = [];
  if (data.startsWith(PK, at)) {
    let next = at + PK.length;
    while (data.charAt(next) === '{') {
      const { members, end } = jsonMembers(data, next);
      names.push(unquoteJson(utf8Of(member(members, 'name'))));
      next = data.charAt(end) === ',' ? end + 1 : end;
    }
    if (data.slice(next) !== ']}') throw new RangeError('the primary key has no end');
  } else if (data.slice(at) !== '}') {
    throw new RangeError('a change goes on in an unknown way');
  }
  if (names.length === keyColumns.length && keyColumns.every((name) => names.includes(name))) return null;
  return names;
}

function message(data: string, prefixes: ReadonlySet<string>): MessageEvent | null {
  const { members } = jsonMembers(data, 0);
  const prefix = unquoteJson(member(members, 'prefix'));
  if (!prefixes.has(prefix) || members.get('transactional') !== 'true') return null;
  return { kind: 'message', prefix, content: unquoteJson(member(members, 'content')) };
}

/** From the quote that ends the timestamp to the end of the table name. */
function headText(data: string, at: number): string {
  const schema = '","schema":';
  if (!data.startsWith(schema, at)) throw new RangeError('a change lacks its schema');
  const schemaEnd = jsonStringEnd(data, at + schema.length);
  const table = ',"table":';
  if (!data.startsWith(table, schemaEnd)) throw new RangeError('a change lacks its table');
  return data.slice(at, jsonStringEnd(data, schemaEnd + table.length));
}

/** The same row with only the members that the decoder reads, in the order in which it reads them. */
function inOurLayout(row: StreamRow): StreamRow {
  const data = row.bytes.toString('latin1', row.start, row.end);
  const { members } = jsonMembers(data, 0);
  const known = LAYOUT.filter((name) => members.has(name));
  const ordered = `{${known.map((name) => `"${name}":${members.get(name)}`).join(',')}}`;
  if (ordered === data) throw new RangeError('its layout is unknown');
  const bytes = Buffer.from(ordered, 'latin1');
  return { lsn: row.lsn, xid: row.xid, bytes, start: 0, end: bytes.length };
}

function member(members: ReadonlyMap<string, string>, name: string): string {
  const value = members.get(name);
  if (value === undefined) throw new RangeError(`the member "${name}" is missing`);
  return value;
}
