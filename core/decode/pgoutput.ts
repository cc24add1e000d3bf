/**
 * Decodes pgoutput, protocol version 1, into stream events (PostgreSQL manual, "Logical Replication Message Formats"). Values come
 * as PostgreSQL's text output, including NaN and infinity. The stream marks an unchanged TOASTed value.
 */
import { isTooLong } from '../errors/too-long.ts';
import type { ChangeTexts } from '../types/change-texts.ts';
import { commitTimeFromPostgresMicros } from '../types/commit-time.ts';
import { keyRefusal } from '../types/key.ts';
import type { TypeCatalog } from '../types/pg-types.ts';
import { messagePrefixes } from '../types/plugin.ts';
import type {
  CommitEvent,
  DecodedTable,
  MessageEvent,
  StreamDecoder,
  StreamEvent,
  StreamRow,
  TableLookup,
} from '../types/stream.ts';
import { MessageReader } from './pgoutput-reader.ts';
import { PgoutputRelation, PLAIN_ROW, Tuple } from './pgoutput-relation.ts';
import { TextWriter } from './text-writer.ts';
import { CUT, nameOf, tooLarge, unreadable } from './unreadable.ts';

const TRANSACTIONAL_FLAG = 1;

/** The types of messages, each an ASCII letter: B, C, R, I, U, D, T, M, Y, O. */
const BEGIN = 0x42;
const COMMIT = 0x43;
const RELATION = 0x52;
const INSERT = 0x49;
const UPDATE = 0x55;
const DELETE = 0x44;
const TRUNCATE = 0x54;
const MESSAGE = 0x4d;
const TYPE = 0x59;
const ORIGIN = 0x4f;
/** What a tuple is: K, O, N. */
const OLD_KEY = 0x4b;
const OLD_ROW = 0x4f;
const NEW_ROW = 0x4e;

/**
 * Makes a decoder for one peek: each peek describes relations again.
 * @param prefixes the decoder ignores messages with other prefixes
 */
export function createPgoutputDecoder(
  tables: TableLookup,
  types: TypeCatalog,
  prefixes = messagePrefixes(),
): StreamDecoder {
  return new PgoutputDecoder(tables, types, prefixes);
}

class PgoutputDecoder implements StreamDecoder {
  readonly #tables: TableLookup;
  readonly #types: TypeCatalog;
  readonly #prefixes: ReadonlySet<string>;
  readonly #reader = new MessageReader();
  /** null: not tracked. */
  readonly #relations = new Map<number, PgoutputRelation | null>();
  readonly #newTuple = new Tuple();
  readonly #oldTuple = new Tuple();
  readonly #writer = new TextWriter();

  constructor(tables: TableLookup, types: TypeCatalog, prefixes: ReadonlySet<string>) {
    this.#prefixes = prefixes;
    this.#tables = tables;
    this.#types = types;
  }

  decode(row: StreamRow): StreamEvent | null {
    const { bytes, start, end } = row;
    try {
      this.#reader.open(bytes, start, end);
      const type = this.#reader.uint8();
      switch (type) {
        case INSERT:
          return this.#change('I');
        case UPDATE:
          return this.#change('U');
        case DELETE:
          return this.#change('D');
        case BEGIN:
          return { kind: 'begin', xid: row.xid };
        case COMMIT:
          return this.#commit(row);
        case RELATION:
          this.#readRelation();
          return null;
        case TRUNCATE:
          return this.#truncate();
        case MESSAGE:
          return this.#message();
        case CUT:
          throw tooLarge(row.lsn, this.#nameOf());
        case TYPE: // names of types; the catalog gives us more than that
        case ORIGIN: // the origin of a replicated transaction
          return null;
        default:
          throw new RangeError(`a message of unknown type ${type}`);
      }
    } catch (error) {
      if (!isTooLong(error)) throw unreadable('pgoutput', row.lsn, error);
      this.#reader.open(bytes, start, end);
      throw tooLarge(row.lsn, this.#nameOf());
    }
  }

  /** The text form of bytea. */
  print({ bytes, start, end }: StreamRow): string {
    return `\\x${bytes.toString('hex', start, end)}`;
  }

  /** Table and key of a cut change, as far as its beginning contains them. */
  #nameOf(): { table: string; key: string | null } {
    const reader = this.#reader;
    let table = 'a table';
    try {
      reader.uint8();
      const relation = this.#relations.get(reader.uint32()) ?? null;
      if (relation === null) return { table, key: null };
      table = nameOf(relation.table);
      this.#writer.begin();
      if (reader.uint8() !== NEW_ROW) return { table, key: null };
      try {
        this.#newTuple.read(reader, relation.columns.length); // reads until the cut text ends
      } catch {}
      const hasKey = relation.writeKey(this.#writer, reader.bytes, this.#newTuple, null);
      this.#writer.nullField();
      return { table, key: hasKey ? this.#writer.finish().key : null };
    } catch {
      return { table, key: null };
    }
  }

  #commit(row: StreamRow): CommitEvent {
    this.#reader.skip(1 + 8 + 8); // flags, commit LSN, end LSN: the row's own lsn is the end
    const timestamp = commitTimeFromPostgresMicros(this.#reader.int64());
    return { kind: 'commit', xid: row.xid, lsn: row.lsn, timestamp };
  }

  #change(op: 'I' | 'U' | 'D'): StreamEvent | null {
    const reader = this.#reader;
    const relation = this.#relationOf(reader.uint32());
    if (relation === null) return null;
    const { table } = relation;
    if (relation.keyMismatch !== null)
      return { kind: 'key-mismatch', table, detail: relation.keyMismatch, mayBeForgotten: false };
    const old = this.#readTuples(op, relation.columns.length);
    const oldTexts = old === null ? null : this.#deletion(relation, old);
    let texts = oldTexts;
    let row = PLAIN_ROW;
    if (op !== 'D') {
      this.#writer.begin();
      const hasKey = relation.writeKey(this.#writer, reader.bytes, this.#newTuple, old);
      row = hasKey ? relation.writeRow(this.#writer, reader.bytes, this.#newTuple, old) : PLAIN_ROW;
      texts = hasKey ? this.#writer.finish() : null;
    }
    if (texts === null || (old !== null && oldTexts === null)) {
      const detail = `the key (${table.keyColumns.join(', ')}) is not among the values of ${op}`;
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
      partial: row.partial,
      incomplete: op === 'D' ? null : relation.incomplete,
      doubtfulNulls: null,
      nullsAssumed: false,
      jsonNulls: row.jsonNulls,
    };
  }

  /** Reads the new row, except that of a deletion. @returns the old row or its key; null if there is none */
  #readTuples(op: 'I' | 'U' | 'D', columnCount: number): Tuple | null {
    const reader = this.#reader;
    let part = reader.uint8();
    let old: Tuple | null = null;
    if (part === OLD_KEY || part === OLD_ROW) {
      old = this.#oldTuple;
      old.read(reader, columnCount);
      if (op !== 'D') part = reader.uint8();
    }
    if (op !== 'D') {
      if (part !== NEW_ROW) throw new RangeError('a change lacks its new row');
      this.#newTuple.read(reader, columnCount);
    } else if (old === null) {
      throw new RangeError('a deletion lacks its old row');
    }
    return old;
  }

  /** The texts of the deletion of a row; null if its key is not complete. */
  #deletion(relation: PgoutputRelation, old: Tuple): ChangeTexts | null {
    this.#writer.begin();
    if (!relation.writeKey(this.#writer, this.#reader.bytes, old, null)) return null;
    this.#writer.nullField();
    return this.#writer.finish();
  }

  #truncate(): StreamEvent | null {
    const tables: DecodedTable[] = [];
    const count = this.#reader.uint32();
    this.#reader.skip(1); // CASCADE, RESTART IDENTITY
    for (let i = 0; i < count; i++) {
      const relation = this.#relationOf(this.#reader.uint32());
      if (relation !== null) tables.push(relation.table);
    }
    return tables.length === 0 ? null : { kind: 'truncate', tables };
  }

  #message(): MessageEvent | null {
    const flags = this.#reader.uint8();
    this.#reader.skip(8); // its LSN
    const prefix = this.#reader.cString();
    if (!this.#prefixes.has(prefix) || (flags & TRANSACTIONAL_FLAG) === 0) return null;
    return { kind: 'message', prefix, content: this.#reader.text(this.#reader.uint32()) };
  }

  #readRelation(): void {
    const reader = this.#reader;
    const relid = reader.uint32();
    const schema = reader.cString() || 'pg_catalog';
    const name = reader.cString();
    reader.skip(1); // replica identity: the flags of the columns tell the same
    const table = this.#tables(schema, name, relid);
    this.#relations.set(relid, table === null ? null : PgoutputRelation.read(reader, table, this.#types));
  }

  #relationOf(relid: number): PgoutputRelation | null {
    const relation = this.#relations.get(relid);
    if (relation === undefined) throw new RangeError(`relation ${relid} has not been described`);
    return relation;
  }
}
