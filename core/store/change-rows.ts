/**
 * Row versions on their way into the store, encoded as they come: what waits is bytes, not objects, and memory stays
 * within what {@link ChangeRows.bytes} says. They leave sorted by relation and key, which keeps index pages together.
 */
import type { PendingChange } from '../types/stored.ts';
import type { CommitStamp } from './commit-stamp.ts';
import { CopyEncoder } from './copy.ts';

/** The columns in the order in which {@link ChangeRows} encodes them. */
export const CHANGE_TARGET =
  'pgtimewarp.row_changes (valid_from_lsn, valid_from_ts, xid, read_lsn, relation_id, seq, leaf_id, op, pk, row_data, incomplete, json_nulls)';
const COLUMN_COUNT = 12;
const BLOCK_BYTES = 1024 * 1024;

export class ChangeRows {
  readonly #keys: string[] = [];
  readonly #relationIds: number[] = [];
  readonly #stamps: CommitStamp[] = [];
  readonly #blockOf: Buffer[] = [];
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  #block = EMPTY;
  #at = 0;
  #bytes = 0;

  get count(): number {
    return this.#keys.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Takes a change whose row is whole (`partial` is null). */
  add(stamp: CommitStamp, change: PendingChange): void {
    const row = change.rowData;
    this.#reserve(64 + change.key.length * 3 + (row === null ? 0 : row.length * 3));
    const block = this.#block;
    const start = this.#at;
    let at = block.writeInt32BE(4, start);
    at = block.writeInt32BE(change.relationId, at);
    at = block.writeInt32BE(4, at);
    at = block.writeInt32BE(change.seq, at);
    if (change.leafId === null) at = block.writeInt32BE(-1, at);
    else at = block.writeInt32BE(change.leafId, block.writeInt32BE(4, at));
    at = block.writeUInt8(change.op.charCodeAt(0), block.writeInt32BE(1, at));
    at = writeText(block, at, change.key);
    at = row === null ? block.writeInt32BE(-1, at) : writeText(block, at, row);
    if (change.incomplete === null && change.jsonNulls === null) {
      at = block.writeInt32BE(-1, block.writeInt32BE(-1, at));
      this.#push(stamp, change, block, start, at);
      this.#at = at;
    } else {
      const whole = withArrays(block.subarray(start, at), change); // rare: kept in a buffer of its own
      this.#push(stamp, change, whole, 0, whole.length);
    }
  }

  /** The rows for COPY into {@link CHANGE_TARGET}, sorted. */
  *chunks(): Generator<Buffer> {
    const order = Uint32Array.from(this.#keys.keys());
    const keys = this.#keys;
    const relations = this.#relationIds;
    order.sort((a, b) => {
      if (relations[a] !== relations[b]) return relations[a]! - relations[b]!;
      const [left, right] = [keys[a]!, keys[b]!];
      return left < right ? -1 : left > right ? 1 : a - b;
    });
    const encoder = new CopyEncoder();
    for (const index of order) {
      encoder.row(COLUMN_COUNT);
      const { copyPrefix } = this.#stamps[index]!;
      encoder.encoded(copyPrefix, 0, copyPrefix.length);
      encoder.encoded(this.#blockOf[index]!, this.#starts[index]!, this.#ends[index]!);
      yield* encoder.take();
    }
    yield* encoder.take(true);
  }

  #push(stamp: CommitStamp, change: PendingChange, block: Buffer, start: number, end: number): void {
    this.#keys.push(change.key);
    this.#relationIds.push(change.relationId);
    this.#stamps.push(stamp);
    this.#blockOf.push(block);
    this.#starts.push(start);
    this.#ends.push(end);
    this.#bytes += end - start + ENTRY_BYTES;
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#block.length) return;
    this.#block = Buffer.allocUnsafeSlow(Math.max(BLOCK_BYTES, bytes));
    this.#at = 0;
  }
}

const EMPTY = Buffer.alloc(0);
/** What an entry costs beside its bytes: key and array slots. */
const ENTRY_BYTES = 100;

function writeText(block: Buffer, at: number, text: string): number {
  const written = block.write(text, at + 4, 'utf8');
  block.writeInt32BE(written, at);
  return at + 4 + written;
}

function withArrays(fields: Buffer, change: PendingChange): Buffer {
  const encoder = new CopyEncoder();
  encoder.encoded(fields, 0, fields.length);
  for (const names of [change.incomplete, change.jsonNulls]) {
    if (names === null) encoder.null();
    else encoder.textArray(names);
  }
  return Buffer.concat(encoder.take(true));
}
