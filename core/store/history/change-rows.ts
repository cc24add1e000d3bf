/**
 * Collects row versions for the store. It encodes each one at once, so that bytes wait and not objects, and memory stays
 * within {@link ChangeRows.bytes}. COPY gets the rows by relation and roughly sorted by key, so that rows of one index page
 * come together.
 */
import { postgresMicros } from '../../types/commit-time.ts';
import type { PendingChange } from '../../types/stored.ts';
import type { CommitStamp } from './commit-stamp.ts';
import { CopyEncoder } from './copy.ts';
import { type KeyBytes, roughOrder } from './rough-order.ts';

/** The columns in the order in which {@link ChangeRows} encodes them. */
export const CHANGE_TARGET =
  'pgtimewarp.row_changes (valid_from_lsn, valid_from_ts, xid, read_lsn, relation_id, seq, leaf_id, nulls_assumed, op, pk, row_data, incomplete, json_nulls)';
const COLUMN_COUNT = 13;
const BLOCK_BYTES = 1024 * 1024;
/** Bytes of a row without its texts: the lengths of all fields, and the fields of fixed size. */
const FIXED_BYTES = 2 + 3 * 12 + 4 + 3 * 8 + 2 * 5 + 2 * 4 + 2 * 4;
/** Memory of an entry beside its encoded bytes: key and array slots. */
const ENTRY_BYTES = 60;
const FEW_ROWS = 64;

/** Where the encoded rows of one relation are, and in them the keys. Its numbers are no objects, so nobody has to collect them. */
class RelationRows implements KeyBytes {
  readonly blocks: readonly Buffer[];
  count = 0;
  /** The index of the block of each row; positions in that block. */
  blockOf = new Uint32Array(FEW_ROWS);
  keys = new Uint32Array(FEW_ROWS);
  starts = new Uint32Array(FEW_ROWS);
  ends = new Uint32Array(FEW_ROWS);

  constructor(blocks: readonly Buffer[]) {
    this.blocks = blocks;
  }

  // biome-ignore lint/complexity/useMaxParams: called per row, so it allocates no object
  add(block: number, start: number, keyAt: number, end: number): void {
    const place = this.count++;
    if (place === this.keys.length) this.#grow();
    this.blockOf[place] = block;
    this.keys[place] = keyAt;
    this.starts[place] = start;
    this.ends[place] = end;
  }

  #grow(): void {
    this.blockOf = twiceAsLong(this.blockOf);
    this.keys = twiceAsLong(this.keys);
    this.starts = twiceAsLong(this.starts);
    this.ends = twiceAsLong(this.ends);
  }
}

function twiceAsLong(numbers: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const longer = new Uint32Array(numbers.length * 2);
  longer.set(numbers);
  return longer;
}

export class ChangeRows {
  readonly #relations = new Map<number, RelationRows>();
  /** The relation of the previous row, and its id. */
  #rows: RelationRows | null = null;
  #relationId = 0;
  readonly #blocks: Buffer[] = [];
  #blockIndex = -1;
  #block: Buffer = Buffer.alloc(0);
  #view = new DataView(this.#block.buffer);
  #at = 0;
  #bytes = 0;
  #count = 0;
  /** The commit of the previous row, and its numbers as they are encoded. */
  #stamp: CommitStamp | null = null;
  #time = 0n;
  #xid = 0n;

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Adds a change with a complete row (`partial` is null). */
  add(stamp: CommitStamp, change: PendingChange): void {
    const { texts, leafId } = change;
    if (stamp !== this.#stamp) {
      this.#stamp = stamp;
      this.#time = postgresMicros(stamp.time);
      this.#xid = BigInt(stamp.xid);
    }
    const key = texts === null ? change.key : '';
    const rowData = texts === null ? change.rowData : null;
    this.#reserve(
      FIXED_BYTES + (texts === null ? 3 * (key.length + (rowData ?? '').length) : texts.byteCount),
    );
    const block = this.#block;
    const view = this.#view;
    const start = this.#at;
    view.setInt16(start, COLUMN_COUNT);
    let at = putInt8(view, start + 2, stamp.lsn);
    at = putInt8(view, at, this.#time);
    at = putInt8(view, at, this.#xid);
    at = putNull(view, at); // read_lsn
    at = putInt4(view, at, change.relationId);
    at = putInt4(view, at, change.seq);
    at = leafId === null ? putNull(view, at) : putInt4(view, at, leafId);
    at = change.nullsAssumed ? putByte(view, at, 1) : putNull(view, at);
    at = putByte(view, at, change.op.charCodeAt(0));
    const keyAt = at;
    if (texts === null) {
      at = putText(block, view, at, key);
      at = rowData === null ? putNull(view, at) : putText(block, view, at, rowData);
    } else at += texts.bytes.copy(block, at, texts.start, texts.end);
    if (change.incomplete === null && change.jsonNulls === null) {
      at = putNull(view, putNull(view, at));
      this.#note(change.relationId, this.#blockIndex, start, keyAt, at);
      this.#at = at;
    } else {
      const whole = withArrays(block.subarray(start, at), change); // rare, so it gets a buffer of its own
      this.#note(change.relationId, this.#blocks.push(whole) - 1, 0, keyAt - start, whole.length);
    }
  }

  /** The rows for COPY into {@link CHANGE_TARGET}. */
  *chunks(): Generator<Buffer> {
    const encoder = new CopyEncoder();
    for (const rows of this.#relations.values()) {
      const { blocks, blockOf, starts, ends } = rows;
      for (const place of roughOrder(rows)) {
        encoder.encoded(blocks[blockOf[place]!]!, starts[place]!, ends[place]!);
        if (encoder.hasFull) yield* encoder.take();
      }
    }
    yield* encoder.take(true);
  }

  // biome-ignore lint/complexity/useMaxParams: called per row, so it allocates no object
  #note(relationId: number, block: number, start: number, keyAt: number, end: number): void {
    if (this.#rows === null || relationId !== this.#relationId) {
      this.#rows = this.#rowsOf(relationId);
      this.#relationId = relationId;
    }
    this.#rows.add(block, start, keyAt, end);
    this.#count += 1;
    this.#bytes += end - start + ENTRY_BYTES;
  }

  #rowsOf(relationId: number): RelationRows {
    let rows = this.#relations.get(relationId);
    if (rows === undefined) {
      rows = new RelationRows(this.#blocks);
      this.#relations.set(relationId, rows);
    }
    return rows;
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#block.length) return;
    this.#block = Buffer.allocUnsafeSlow(Math.max(BLOCK_BYTES, bytes));
    this.#view = new DataView(this.#block.buffer);
    this.#at = 0;
    this.#blockIndex = this.#blocks.push(this.#block) - 1;
  }
}

function putNull(view: DataView, at: number): number {
  view.setInt32(at, -1);
  return at + 4;
}

/** A boolean, or a "char". */
function putByte(view: DataView, at: number, value: number): number {
  view.setInt32(at, 1);
  view.setUint8(at + 4, value);
  return at + 5;
}

function putInt4(view: DataView, at: number, value: number): number {
  view.setInt32(at, 4);
  view.setInt32(at + 4, value);
  return at + 8;
}

function putInt8(view: DataView, at: number, value: bigint): number {
  view.setInt32(at, 8);
  view.setBigInt64(at + 4, value);
  return at + 12;
}

// biome-ignore lint/complexity/useMaxParams: called per row, so it allocates no object
function putText(block: Buffer, view: DataView, at: number, text: string): number {
  const written = block.write(text, at + 4, 'utf8');
  view.setInt32(at, written);
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
