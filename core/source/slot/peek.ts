/**
 * Reads the changes after a slot without consuming them, with limits on position, count and memory. The server puts the whole result of the
 * slot function into a tuplestore before it returns the first row. Rows are then fetched through a scrollable binary cursor, as bytes: the
 * text form of pgoutput would be twice as long. Pausing the socket limits the bytes of a chunk, however wide the rows are.
 */
import type { Socket } from 'node:net';
import pg from 'pg';
import { streamOf } from '../../pg/end-session.ts';
import { quoteIdentifier, type TableName } from '../../pg/identifiers.ts';
import { type RowTaker, takeRows } from '../../pg/message-tap.ts';
import { MARK_SQL, requireSameSession } from '../../pg/same-session.ts';
import { TRANSACTION_OUTPUT_SQL } from '../../pg/session-settings.ts';
import { rollBack } from '../../pg/transaction.ts';
import { formatLsn, type Lsn } from '../../types/lsn.ts';
import { NUMBERS_AS_TEXT, type Plugin, pluginOptions } from '../../types/plugin.ts';
import { PeekRow } from './peek-row.ts';
import { explainPlugin } from './slot-lifecycle.ts';

export interface PeekOptions {
  readonly plugin: Plugin;
  readonly slotName: string;
  readonly upto: Lsn;
  /** The server stops at the first commit after this many rows; it never cuts a transaction. */
  readonly maxRows: number;
  /** wal2json: the tables (leaves) to decode. */
  readonly tables: readonly TableName[];
  /** wal2json: whether numbers come as strings (see NUMBERS_AS_TEXT). */
  readonly numbersAsText: boolean;
  /** wal2json: the prefixes of the messages to decode. */
  readonly prefixes: ReadonlySet<string>;
  /** pgoutput: the publication of the tracked tables. */
  readonly publication: string;
}

/** A row with more bytes is cut and marked at its beginning (see CUT): a string holds at most about 512 million characters. */
const LONGEST = { wal2json: 500_000_000, pgoutput: 250_000_000 } as const;
/** The length of a cut row: enough for the name of its table, and for its key if that comes first. */
const HEAD_BYTES = 32_768;

const CHUNK_ROWS = 5_000;
const CHUNK_BYTES = 64 * 1024;

/** Characters that must be escaped in `add-tables` of wal2json: it splits at commas and dots, and ends a name at white space. */
const WAL2JSON_SPECIAL = /[\\,. *'"\t\n\v\f\r]/g;

/** An open peek. Use one at a time per session; close it before the slot is moved. */
export class Peek {
  readonly #session: pg.Client;
  readonly #warnings: ReadonlySet<string>;
  /** Rows returned so far: the absolute cursor position of the consumer. */
  #consumed = 0;
  #pending: PeekRow[] = [];
  #pendingBytes = 0;
  #fetch: Fetch | null = null;
  #ended = false;

  private constructor(session: pg.Client, warnings: ReadonlySet<string>) {
    this.#session = session;
    this.#warnings = warnings;
  }

  /** Whether wal2json left out rows of the table, because the log lacks their key or the row. */
  hasLeftOut(table: TableName): boolean {
    const named = `in table "${table.schema}"."${table.name}"`; // the warning does not escape names
    return [...this.#warnings].some((message) => message.endsWith(named));
  }

  /**
   * Opens the cursor inside a transaction of its own and runs the slot function to its end. A catalog that is read afterwards is newer
   * than every change of this peek. Until the first `next`, the session can run other queries.
   */
  static async open(session: pg.Client, options: PeekOptions): Promise<Peek> {
    await session.query(`BEGIN; ${TRANSACTION_OUTPUT_SQL}`);
    try {
      const { rows } = await session.query<{ mark: string | null }>(`SELECT ${MARK_SQL} AS mark`);
      requireSameSession(session, 'source', rows[0]!.mark);
      const { text, values } = peekStatement(options);
      const warnings = await hearing(session, async () => {
        await session.query(`DECLARE pgtimewarp_peek BINARY SCROLL CURSOR FOR ${text}`, values);
        await session.query('MOVE FORWARD 1 FROM pgtimewarp_peek');
        await session.query('MOVE ABSOLUTE 0 FROM pgtimewarp_peek');
      });
      return new Peek(session, warnings);
    } catch (error) {
      await rollBack(session);
      throw (
        (await explainPlugin(session, error, { name: options.slotName, plugin: options.plugin })) ?? error
      );
    }
  }

  /** The next rows, about 64 KiB or one larger row; an empty array at the end. The following rows are already being fetched. */
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
   * The last row (the commit) of the transaction of the last returned row. It is found by galloping over the cursor and bisecting, because
   * the rows of a transaction follow each other. `next` continues where the consumer was.
   */
  async lastRowOfTransaction(xid: string): Promise<PeekRow> {
    await this.#drain();
    let known = this.#consumed; // 1-based cursor position of a row of the transaction
    let step = 1;
    let beyond: number;
    for (;;) {
      const row = await this.#rowAt(known + step);
      if (row === null || row.xid !== xid) {
        beyond = known + step;
        break;
      }
      known += step;
      step = Math.min(step * 4, 1_000_000);
    }
    while (beyond - known > 1) {
      const middle = known + Math.floor((beyond - known) / 2);
      const row = await this.#rowAt(middle);
      if (row !== null && row.xid === xid) known = middle;
      else beyond = middle;
    }
    const last = await this.#rowAt(known);
    await this.#session.query(`MOVE ABSOLUTE ${this.#consumed} FROM pgtimewarp_peek`);
    this.#ended = false;
    return last!;
  }

  /** Ends the transaction of the cursor. Afterwards the session can be used again. */
  async close(): Promise<void> {
    await this.#drain();
    await rollBack(this.#session);
  }

  /** Waits for the end of a running fetch and discards its rows. */
  async #drain(): Promise<void> {
    const fetch = this.#fetch;
    this.#fetch = null;
    this.#pending = [];
    this.#pendingBytes = 0;
    await fetch?.discard();
  }

  async #rowAt(position: number): Promise<PeekRow | null> {
    let found: PeekRow | null = null;
    const fetch = new Fetch(this.#session, `FETCH ABSOLUTE ${position} FROM pgtimewarp_peek`, (row) => {
      found = row;
      return true;
    });
    await fetch.progress();
    return found;
  }

  #startFetch(): Fetch {
    return new Fetch(this.#session, `FETCH FORWARD ${CHUNK_ROWS} FROM pgtimewarp_peek`, (row) => {
      this.#pending.push(row);
      this.#pendingBytes += row.byteCount;
      return this.#pendingBytes < CHUNK_BYTES;
    });
  }
}

/** The beginning of every warning of wal2json about a row that it does not print: `no tuple identifier for UPDATE in table …`. */
const ROW_LEFT_OUT = 'no tuple ';

/** Collects the warnings about omitted rows during `work`, each once. Servers do not translate them. */
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

/** One FETCH whose rows arrive one by one. The socket is paused while the consumer has enough. */
class Fetch {
  readonly #session: pg.Client;
  readonly #socket: Socket;
  done = false;
  rowCount = 0;
  #discarding = false;
  #error: unknown = null;
  #wake: () => void = () => {};
  #progress: Promise<void>;

  constructor(session: pg.Client, text: string, accept: (row: PeekRow) => boolean) {
    this.#session = session;
    this.#socket = streamOf(session);
    this.#progress = this.#newProgress();
    const take: RowTaker = (bytes, start, end) => {
      this.rowCount++;
      if (this.#discarding) return;
      if (!accept(new PeekRow(bytes, start, end))) {
        this.#socket.pause();
        this.#wake();
      }
    };
    const query = new pg.Query(text);
    query.on('end', () => this.#finish(null));
    query.on('error', (error) => this.#finish(error));
    takeRows(session, take);
    session.query(query);
  }

  /** Resolves when rows are available or the fetch has ended; throws the error of the server. */
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
    takeRows(this.#session, null);
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

/** The query of the slot function with its limits; its rows are position, transaction and output of the plugin. */
export function peekStatement(options: PeekOptions): {
  text: string;
  values: (string | number | string[])[];
} {
  // Begin rows have nothing that the Commit row lacks, so the server does not send them.
  const bounds: (string | number)[] = [options.slotName, formatLsn(options.upto), options.maxRows];
  if (options.plugin === 'wal2json') {
    const names = options.tables.map(
      (table) => `${escapeForWal2json(table.schema)}.${escapeForWal2json(table.name)}`,
    );
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
             FROM pg_catalog.pg_logical_slot_peek_binary_changes($1::name, $2::pg_lsn, $3::int, VARIADIC $4::text[])
            WHERE get_byte(data, 0) <> ascii('B')`,
    values: [
      ...bounds,
      [...pluginOptions('pgoutput'), 'publication_names', quoteIdentifier(options.publication)],
    ],
  };
}

function escapeForWal2json(name: string): string {
  return name.replace(WAL2JSON_SPECIAL, (character) => `\\${character}`);
}
