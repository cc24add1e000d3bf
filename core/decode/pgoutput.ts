/**
 * Decodes pgoutput, protocol version 1, into stream events (PostgreSQL manual, "Logical Replication Message Formats"). Values come
 * as PostgreSQL's text output, including NaN and infinity. The stream marks an unchanged TOASTed value.
 */
import { isTooLong } from '../errors/too-long.ts';
import { commitTimeFromPostgresMicros } from '../types/commit-time.ts';
import { keyLengthRefusal } from '../types/key.ts';
import { parseLsn } from '../types/lsn.ts';
import type { TypeCatalog } from '../types/pg-types.ts';
import { messagePrefixes } from '../types/plugin.ts';
import type {
  CommitEvent,
  DecodedTable,
  MessageEvent,
  StreamDecoder,
  StreamEvent,
  TableLookup,
} from '../types/stream.ts';
import { MessageReader } from './pgoutput-reader.ts';
import { PgoutputRelation, type PgoutputRow, Tuple } from './pgoutput-relation.ts';
import { CUT, nameOf, tooLarge, unreadable } from './unreadable.ts';

const TRANSACTIONAL_FLAG = 1;

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

  constructor(tables: TableLookup, types: TypeCatalog, prefixes: ReadonlySet<string>) {
    this.#prefixes = prefixes;
    this.#tables = tables;
    this.#types = types;
  }

  decode(lsn: string, xid: string, data: string): StreamEvent | null {
    try {
      this.#reader.open(data);
      const type = this.#reader.char();
      switch (type) {
        case 'I':
        case 'U':
        case 'D':
          return this.#change(type);
        case 'B':
          return { kind: 'begin', xid };
        case 'C':
          return this.#commit(lsn, xid);
        case 'R':
          this.#readRelation();
          return null;
        case 'T':
          return this.#truncate();
        case 'M':
          return this.#message();
        case CUT:
          throw tooLarge(lsn, this.#nameOf());
        case 'Y': // names of types; the catalog gives us more than that
        case 'O': // the origin of a replicated transaction
          return null;
        default:
          throw new RangeError(`a message of unknown type "${type}"`);
      }
    } catch (error) {
      if (!isTooLong(error)) throw unreadable('pgoutput', lsn, error);
      this.#reader.open(data);
      throw tooLarge(lsn, this.#nameOf());
    }
  }

  /** Table and key of a cut change, as far as its beginning contains them. */
  #nameOf(): { table: string; key: string | null } {
    const reader = this.#reader;
    let table = 'a table';
    try {
      reader.char();
      const relation = this.#relations.get(reader.uint32()) ?? null;
      if (relation === null) return { table, key: null };
      table = nameOf(relation.table);
      if (reader.char() !== 'N') return { table, key: null };
      try {
        this.#newTuple.read(reader, relation.columns.length); // reads until the cut text ends
      } catch {}
      return { table, key: relation.keyOf(reader, this.#newTuple, null) };
    } catch {
      return { table, key: null };
    }
  }

  #commit(lsn: string, xid: string): CommitEvent {
    this.#reader.skip(1 + 8 + 8); // flags, commit LSN, end LSN: the row's own lsn is the end
    const timestamp = commitTimeFromPostgresMicros(this.#reader.int64());
    return { kind: 'commit', xid, lsn: parseLsn(lsn), timestamp };
  }

  #change(op: 'I' | 'U' | 'D'): StreamEvent | null {
    const reader = this.#reader;
    const relation = this.#relationOf(reader.uint32());
    if (relation === null) return null;
    const { table, columns } = relation;
    if (relation.keyMismatch !== null)
      return { kind: 'key-mismatch', table, detail: relation.keyMismatch, mayBeForgotten: false };
    let part = reader.char();
    let old: Tuple | null = null;
    if (part === 'K' || part === 'O') {
      old = this.#oldTuple;
      old.read(reader, columns.length);
      part = op === 'D' ? part : reader.char();
    }
    if (op !== 'D') {
      if (part !== 'N') throw new RangeError('a change lacks its new row');
      this.#newTuple.read(reader, columns.length);
    } else if (old === null) {
      throw new RangeError('a deletion lacks its old row');
    }
    const oldKey = old === null ? null : relation.keyOf(reader, old, null);
    const key = op === 'D' ? oldKey : relation.keyOf(reader, this.#newTuple, old);
    if (key === null || (old !== null && oldKey === null)) {
      const detail = `the key (${table.keyColumns.join(', ')}) is not among the values of ${op}`;
      return { kind: 'key-mismatch', table, detail, mayBeForgotten: false };
    }
    const tooLong = keyLengthRefusal(key) ?? (oldKey === null ? null : keyLengthRefusal(oldKey));
    if (tooLong !== null) return { kind: 'key-mismatch', table, detail: tooLong, mayBeForgotten: false };
    const row = op === 'D' ? NO_ROW : relation.rowOf(reader, this.#newTuple, old);
    return {
      kind: 'change',
      op,
      table,
      key,
      oldKey: op === 'U' && oldKey !== null && oldKey !== key ? oldKey : null,
      rowData: row.rowData,
      partial: row.partial,
      incomplete: op === 'D' ? null : relation.incomplete,
      doubtfulNulls: null,
      nullsAssumed: false,
      jsonNulls: row.jsonNulls,
    };
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

const NO_ROW: PgoutputRow = { rowData: null, partial: null, jsonNulls: null };
