/**
 * Takes the rows of a query as bytes, before pg makes strings of them (PostgreSQL manual, "Message Formats"). While a taker is set, DataRow
 * messages go to it. Everything else goes to pg unchanged: errors, notices, the ends of queries. The tap follows the messages of a session
 * from its first one, so it knows where each begins.
 */
import type { Socket } from 'node:net';
import type pg from 'pg';

/** Takes one row: the message from its number of fields to its end. The bytes belong to the taker. */
export type RowTaker = (bytes: Buffer, start: number, end: number) => void;

/** The type of a message, and its length without the type. */
const HEADER_BYTES = 5;
const DATA_ROW = 0x44; // D
const NOTHING = Buffer.alloc(0);

const TAPS = new WeakMap<pg.Client, MessageTap>();

/** Puts a tap between the socket of a session and pg. Call it between two messages. */
export function tapMessages(session: pg.Client, stream: Socket): void {
  const toPg = stream.listeners('data') as ((chunk: Buffer) => void)[];
  const tap = new MessageTap((chunk) => {
    for (const listener of toPg) listener.call(stream, chunk);
  });
  stream.removeAllListeners('data');
  stream.on('data', (chunk: Buffer) => tap.receive(chunk));
  TAPS.set(session, tap);
}

/** From now on `take` gets the rows of the session's queries; null: pg gets them. */
export function takeRows(session: pg.Client, take: RowTaker | null): void {
  const tap = TAPS.get(session);
  if (tap === undefined) throw new Error('this session has no tap'); // sessions of connect() for a source have one
  tap.take = take;
}

export class MessageTap {
  take: RowTaker | null = null;
  readonly #pass: (chunk: Buffer) => void;
  /** The beginning of a header. */
  #header: Buffer = NOTHING;
  /** A row that has not arrived whole, and how much of it has. */
  #row: Buffer | null = null;
  #arrived = 0;
  /** Bytes that pg still gets of the current message. */
  #passing = 0;

  constructor(pass: (chunk: Buffer) => void) {
    this.#pass = pass;
  }

  /** Takes what the server has sent, cut anywhere. */
  receive(received: Buffer): void {
    let at = this.#row === null ? 0 : this.#fillRow(received, 0);
    if (this.#row !== null) return;
    const chunk = this.#header.length === 0 ? received : Buffer.concat([this.#header, received]);
    this.#header = NOTHING;
    let passFrom = at;
    at = this.#skip(at, chunk.length);
    while (at + HEADER_BYTES <= chunk.length) {
      const end = at + 1 + chunk.readUInt32BE(at + 1);
      if (this.take === null || chunk[at] !== DATA_ROW) {
        this.#passing = end - at;
        at = this.#skip(at, chunk.length);
        continue;
      }
      this.#passOn(chunk, passFrom, at);
      if (end > chunk.length) {
        this.#row = Buffer.allocUnsafeSlow(end - at);
        this.#arrived = 0;
        this.#fillRow(chunk, at);
        return;
      }
      this.take(chunk, at + HEADER_BYTES, end);
      at = end;
      passFrom = end;
    }
    this.#passOn(chunk, passFrom, at);
    if (at < chunk.length) this.#header = chunk.subarray(at);
  }

  /** The position after what pg still gets of the current message. */
  #skip(at: number, length: number): number {
    const count = Math.min(this.#passing, length - at);
    this.#passing -= count;
    return at + count;
  }

  /** Continues a row that did not arrive whole. @returns the position after it */
  #fillRow(chunk: Buffer, from: number): number {
    const row = this.#row!;
    const count = chunk.copy(row, this.#arrived, from, from + row.length - this.#arrived);
    this.#arrived += count;
    if (this.#arrived === row.length) {
      this.#row = null;
      this.take?.(row, HEADER_BYTES, row.length);
    }
    return from + count;
  }

  #passOn(chunk: Buffer, from: number, to: number): void {
    if (from < to) this.#pass(chunk.subarray(from, to));
  }
}
