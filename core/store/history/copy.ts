/**
 * Bulk writes by COPY in binary format (PostgreSQL manual, "COPY", "Binary Format"): no escaping, no text conversions on
 * either side. Rows are encoded into large buffers that are handed to the socket as they fill.
 */
import { once } from 'node:events';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';

/** Signature, flags, length of the header extension. */
const HEADER = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
const TRAILER = Buffer.from([0xff, 0xff]);
const NULL_LENGTH = -1;
const TEXT_OID = 25;
const BLOCK_BYTES = 256 * 1024;
/** The longest field of fixed size: a length and eight bytes. */
const FIXED_FIELD_BYTES = 12;

/** Encodes fields one after the other into blocks. {@link CopyEncoder.take} hands out the full ones. */
export class CopyEncoder {
  #block: Buffer = Buffer.alloc(0);
  #view = new DataView(this.#block.buffer);
  #at = 0;
  readonly #full: Buffer[] = [];

  /** Whether {@link CopyEncoder.take} has a full block to hand out. */
  get hasFull(): boolean {
    return this.#full.length > 0;
  }

  /** Encoded bytes that were not taken yet. */
  get bytes(): number {
    return this.#full.reduce((sum, block) => sum + block.length, this.#at);
  }

  row(fieldCount: number): void {
    this.#reserve(2);
    this.#view.setInt16(this.#at, fieldCount);
    this.#at += 2;
  }

  null(): void {
    this.#reserve(4);
    this.#int32(NULL_LENGTH);
  }

  int4(value: number): void {
    this.#reserve(FIXED_FIELD_BYTES);
    this.#int32(4);
    this.#int32(value);
  }

  /** int8, pg_lsn, and timestamptz as microseconds since 2000-01-01. */
  int8(value: bigint): void {
    this.#reserve(FIXED_FIELD_BYTES);
    this.#int32(8);
    this.#view.setBigInt64(this.#at, value);
    this.#at += 8;
  }

  /** The type "char": one ASCII character. */
  char(value: string): void {
    this.#reserve(FIXED_FIELD_BYTES);
    this.#int32(1);
    this.#view.setUint8(this.#at, value.charCodeAt(0));
    this.#at += 1;
  }

  text(value: string): void {
    this.#reserve(4 + value.length * 3); // UTF-8 needs at most three bytes per UTF-16 unit
    const written = this.#block.write(value, this.#at + 4, 'utf8');
    this.#int32(written);
    this.#at += written;
  }

  /** A text[] of one dimension, in the format of array_send. */
  textArray(values: readonly string[]): void {
    const items = values.map((value) => Buffer.from(value, 'utf8'));
    const length = items.reduce((sum, item) => sum + 4 + item.length, 20);
    this.#reserve(4 + length);
    for (const word of [length, 1, 0, TEXT_OID, items.length, 1]) this.#int32(word);
    for (const item of items) {
      this.#int32(item.length);
      this.#at += item.copy(this.#block, this.#at);
    }
  }

  /** Fields that are encoded already. */
  encoded(source: Buffer, start: number, end: number): void {
    this.#reserve(end - start);
    this.#at += source.copy(this.#block, this.#at, start, end);
  }

  /** The full blocks; with `all` also the one being filled. */
  take(all = false): Buffer[] {
    const blocks = this.#full.splice(0);
    if (all && this.#at > 0) {
      blocks.push(this.#block.subarray(0, this.#at));
      this.#begin(0);
    }
    return blocks;
  }

  #int32(value: number): void {
    this.#view.setInt32(this.#at, value);
    this.#at += 4;
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#block.length) return;
    if (this.#at > 0) this.#full.push(this.#block.subarray(0, this.#at));
    this.#begin(Math.max(BLOCK_BYTES, bytes));
  }

  #begin(bytes: number): void {
    this.#block = Buffer.allocUnsafeSlow(bytes);
    this.#view = new DataView(this.#block.buffer);
    this.#at = 0;
  }
}

/**
 * Sends encoded rows to `COPY target FROM STDIN` and resolves when the server has taken them all. `target` is a constant of
 * this folder with table and columns, never input.
 */
export async function copyInto(session: pg.Client, target: string, chunks: Iterable<Buffer>): Promise<void> {
  const stream = session.query(copyFrom(`COPY ${target} FROM STDIN (FORMAT binary)`));
  const finished = new Promise<void>((resolve, reject) => {
    stream.on('finish', resolve);
    stream.on('error', reject);
  });
  finished.catch(() => {});
  try {
    stream.write(HEADER);
    for (const chunk of chunks) {
      if (!stream.write(chunk)) await Promise.race([once(stream, 'drain'), finished]);
    }
    stream.end(TRAILER);
  } catch (error) {
    stream.destroy(error as Error);
    throw error;
  }
  await finished;
}
