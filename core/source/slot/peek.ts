/**
 * Reads the changes behind a slot without consuming them, bounded in position, count and memory. The server puts the
 * whole result of the slot function into a tuplestore before the first row comes; rows are then fetched through a
 * scrollable cursor in chunks that are bounded in bytes, however wide the rows are, by pausing the socket.
 */
import type { Socket } from 'node:net';
import pg from 'pg';
import { RAW_TEXT_TYPES } from '../../pg/connection.ts';
import { quoteIdentifier, type TableName } from '../../pg/identifiers.ts';
import { MARK_SQL, requireSameSession } from '../../pg/same-session.ts';
import { TRANSACTION_OUTPUT_SQL } from '../../pg/session-settings.ts';
import { rollBack } from '../../pg/transaction.ts';
import { formatLsn, type Lsn } from '../../types/lsn.ts';
import { NUMBERS_AS_TEXT, type Plugin, pluginOptions } from '../../types/plugin.ts';
import { explainPlugin } from './slot-lifecycle.ts';

/** One row of the slot function: position, transaction, and what the plugin wrote, all as text. */
export type PeekRow = readonly [lsn: string, xid: string, data: string];

export interface PeekOptions {
  readonly plugin: Plugin;
  readonly slotName: string;
  readonly upto: Lsn;
  /** The server stops at the first commit after this many rows; a transaction is never cut. */
  readonly maxRows: number;
  /** wal2json: the tables (leaves) to decode. */
  readonly tables: readonly TableName[];
  /** wal2json: whether numbers come as texts (see NUMBERS_AS_TEXT). */
  readonly numbersAsText: boolean;
  /** wal2json: the prefixes of the messages to decode. */
  readonly prefixes: ReadonlySet<string>;
  /** pgoutput: the publication of the tracked tables. */
  readonly publication: string;
}

/**
 * A row with more bytes is cut, and its beginning marked (see CUT): no string holds more than about 512 million characters,
 * and the text form of bytea has two for each byte.
 */
const LONGEST = { wal2json: 500_000_000, pgoutput: 250_000_000 } as const;
/** What is left of a row that is cut: enough to name its table, and its key where that comes first. */
const HEAD_BYTES = 32_768;

const CHUNK_ROWS = 5_000;
const CHUNK_BYTES = 64 * 1024;

/** Characters that wal2json wants escaped in `add-tables`: it splits at commas and dots, and ends a name at white space. */
const WAL2JSON_SPECIAL = /[\\,. *'"\t\n\v\f\r]/g;

/** An open peek. Use one at a time per session; close it before the slot is moved. */
export class Peek {
  readonly #session: pg.Client;
  readonly #warnings: ReadonlySet<string>;
  /** Rows handed out so far: the absolute cursor position of the consumer. */
  #consumed = 0;
  #pending: PeekRow[] = [];
  #pendingBytes = 0;
  #fetch: Fetch | null = null;
  #ended = false;

  private constructor(session: pg.Client, warnings: ReadonlySet<string>) {
    this.#session = session;
    this.#warnings = warnings;
  }

  /** Whether wal2json left rows of the table out, because the log has no key of theirs, or not the row. */
  hasLeftOut(table: TableName): boolean {
    const named = `in table "${table.schema}"."${table.name}"`; // as it is, without escapes
    return [...this.#warnings].some((message) => message.endsWith(named));
  }

  /**
   * Opens the cursor inside a transaction of its own and runs the slot function to its end: what the catalog says
   * afterwards is younger than every change of this peek. Until the first `next`, the session takes other queries.
   */
  static async open(session: pg.Client, options: PeekOptions): Promise<Peek> {
    await session.query(`BEGIN; ${TRANSACTION_OUTPUT_SQL}`);
    try {
      const { rows } = await session.query<{ mark: string | null }>(`SELECT ${MARK_SQL} AS mark`);
      requireSameSession(session, 'source', rows[0]!.mark);
      const { text, values } = peekStatement(options);
      const warnings = await hearing(session, async () => {
        await session.query(`DECLARE pgtimewarp_peek SCROLL CURSOR FOR ${text}`, values);
        await session.query('MOVE FORWARD 1 FROM pgtimewarp_peek');
        await session.query('MOVE ABSOLUTE 0 FROM pgtimewarp_peek');
      });
      return new Peek(session, warnings);
    } catch (error) {
      await rollBack(session);
      throw (await explainPlugin(session, error, options.slotName, options.plugin)) ?? error;
    }
  }

  /** The next rows, about 64 KiB of them or one that is larger; an empty array at the end. More are under way already. */
  async next(): Promise<PeekRow[]> {
    while (this.#pending.length === 0 && !this.#ended) {
      this.#fetch ??= this.#startFetch();
      await this.#fetch.progress();
      if (this.#fetch.done) {
        if (this.#fetch.rowCount < CHUNK_ROWS) this.#ended = true;
        this.#fetch = null;
      }
    }
    const rows = this.#pending;
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#consumed += rows.length;
    if (this.#fetch !== null) this.#fetch.resume();
    else if (!this.#ended) this.#fetch = this.#startFetch();
    return rows;
  }

  /**
   * The last row (the commit) of the transaction of the last row handed out, found by galloping over the cursor and
   * bisecting, since the rows of a transaction stand together. `next` goes on where the consumer was.
   */
  async lastRowOfTransaction(xid: string): Promise<PeekRow> {
    await this.#drain();
    let known = this.#consumed; // 1-based cursor position of a row of the transaction
    let step = 1;
    let beyond: number;
    for (;;) {
      const row = await this.#rowAt(known + step);
      if (row === null || row[1] !== xid) {
        beyond = known + step;
        break;
      }
      known += step;
      step = Math.min(step * 4, 1_000_000);
    }
    while (beyond - known > 1) {
      const middle = known + Math.floor((beyond - known) / 2);
      const row = await this.#rowAt(middle);
      if (row !== null && row[1] === xid) known = middle;
      else beyond = middle;
    }
    const last = await this.#rowAt(known);
    await this.#session.query(`MOVE ABSOLUTE ${this.#consumed} FROM pgtimewarp_peek`);
    this.#ended = false;
    return last!;
  }

  /** Ends the transaction of the cursor; the session can be used again. */
  async close(): Promise<void> {
    await this.#drain();
    await rollBack(this.#session);
  }

  /** Lets a fetch that is under way run to its end and throws away what it brought. */
  async #drain(): Promise<void> {
    const fetch = this.#fetch;
    this.#fetch = null;
    this.#pending = [];
    this.#pendingBytes = 0;
    await fetch?.discard();
  }

  async #rowAt(position: number): Promise<PeekRow | null> {
    const { rows } = await this.#session.query<string[]>({
      text: `FETCH ABSOLUTE ${position} FROM pgtimewarp_peek`,
      rowMode: 'array',
      types: RAW_TEXT_TYPES,
    });
    return (rows[0] as PeekRow | undefined) ?? null;
  }

  #startFetch(): Fetch {
    const fetch = new Fetch(this.#session, (row) => {
      this.#pending.push(row);
      this.#pendingBytes += row[2].length;
      return this.#pendingBytes < CHUNK_BYTES;
    });
    return fetch;
  }
}

/** How every warning of wal2json about a row that it does not print begins: `no tuple identifier for UPDATE in table …`. */
const ROW_LEFT_OUT = 'no tuple ';

/** The warnings about rows left out that the server gives meanwhile, each once. They are not translated. */
async function hearing(session: pg.Client, work: () => Promise<void>): Promise<ReadonlySet<string>> {
  const heard = new Set<string>();
  const hear = ({ message }: { message?: string | undefined }): void => {
    if (message?.startsWith(ROW_LEFT_OUT)) heard.add(message);
  };
  session.on('notice', hear);
  try {
    await work();
    return heard;
  } finally {
    session.off('notice', hear);
  }
}

/** One FETCH whose rows arrive one by one; the socket stands still while the consumer has enough. */
class Fetch {
  readonly #socket: Socket;
  done = false;
  rowCount = 0;
  #discarding = false;
  #error: unknown = null;
  #wake: () => void = () => {};
  #progress: Promise<void>;

  constructor(session: pg.Client, accept: (row: PeekRow) => boolean) {
    this.#socket = (session as unknown as { connection: { stream: Socket } }).connection.stream;
    this.#progress = this.#newProgress();
    const query = new FetchQuery(`FETCH FORWARD ${CHUNK_ROWS} FROM pgtimewarp_peek`, (row) => {
      this.rowCount++;
      if (this.#discarding) return;
      if (!accept(row)) {
        this.#socket.pause();
        this.#wake();
      }
    });
    query.on('end', () => this.#finish(null));
    query.on('error', (error) => this.#finish(error));
    session.query(query);
  }

  /** Resolves when rows wait or the fetch is over; throws what the server said. */
  async progress(): Promise<void> {
    if (!this.done) await this.#progress;
    if (this.#error !== null) throw this.#error;
  }

  resume(): void {
    this.#progress = this.#newProgress();
    this.#socket.resume();
  }

  async discard(): Promise<void> {
    this.#discarding = true;
    while (!this.done) {
      this.resume();
      await this.#progress;
    }
  }

  #finish(error: unknown): void {
    this.done = true;
    this.#error = error;
    this.#socket.resume();
    this.#wake();
  }

  #newProgress(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

/** A query whose rows are taken as the protocol delivers them, texts or null, before anything is made of them. */
class FetchQuery extends pg.Query {
  readonly #take: (row: PeekRow) => void;

  constructor(text: string, take: (row: PeekRow) => void) {
    super(text);
    this.#take = take;
  }

  /** Called by pg for every row. */
  handleDataRow({ fields }: { readonly fields: readonly (string | null)[] }): void {
    this.#take(fields as readonly string[] as PeekRow);
  }
}

/** The slot function with its bounds, as a query of {@link PeekRow}s. */
export function peekStatement(options: PeekOptions): {
  text: string;
  values: (string | number | string[])[];
} {
  const bounds: (string | number)[] = [options.slotName, formatLsn(options.upto), options.maxRows];
  if (options.plugin === 'wal2json') {
    const names = options.tables.map(
      (table) => `${escapeForWal2json(table.schema)}.${escapeForWal2json(table.name)}`,
    );
    // Begin rows carry nothing that the Commit row does not: they are left on the server.
    return {
      text: `SELECT lsn, xid,
                    CASE WHEN octet_length(data) <= ${LONGEST.wal2json} THEN data ELSE E'\\x01' || left(data, ${HEAD_BYTES}) END
               FROM pg_catalog.pg_logical_slot_peek_changes($1::name, $2::pg_lsn, $3::int, VARIADIC $4::text[])
              WHERE NOT starts_with(data, '{"action":"B"')`,
      values: [
        ...bounds,
        [
          ...pluginOptions('wal2json', options.prefixes),
          ...(options.numbersAsText ? NUMBERS_AS_TEXT : []),
          ...['add-tables', names.join(',')],
        ],
      ],
    };
  }
  return {
    text: `SELECT lsn, xid,
                  CASE WHEN octet_length(data) <= ${LONGEST.pgoutput} THEN data
                       ELSE '\\x01'::bytea || substring(data FOR ${HEAD_BYTES}) END
             FROM pg_catalog.pg_logical_slot_peek_binary_changes($1::name, $2::pg_lsn, $3::int, VARIADIC $4::text[])`,
    values: [
      ...bounds,
      [...pluginOptions('pgoutput'), 'publication_names', quoteIdentifier(options.publication)],
    ],
  };
}

function escapeForWal2json(name: string): string {
  return name.replace(WAL2JSON_SPECIAL, (character) => `\\${character}`);
}
