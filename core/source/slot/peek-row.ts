/** One row of the slot function, as the bytes that a binary cursor sends: position, transaction, and the output of the plugin. */
import type { Lsn } from '../../types/lsn.ts';
import type { StreamRow } from '../../types/stream.ts';

/** A row is the number of its fields, then for each field its length and its bytes. */
const LSN_AT = 2 + 4;
const XID_AT = LSN_AT + 8 + 4;
const DATA_AT = XID_AT + 4 + 4;

export class PeekRow implements StreamRow {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;

  /** @param from where the number of fields is */
  constructor(bytes: Buffer, from: number, end: number) {
    this.bytes = bytes;
    this.start = from + DATA_AT;
    this.end = end;
    if (bytes.readInt32BE(this.start - 4) !== end - this.start)
      throw new RangeError('a row of the slot function has other fields');
  }

  get lsn(): Lsn {
    return this.bytes.readBigUInt64BE(this.start - DATA_AT + LSN_AT) as Lsn;
  }

  get xid(): string {
    return String(this.bytes.readUInt32BE(this.start - DATA_AT + XID_AT));
  }

  get byteCount(): number {
    return this.end - this.start;
  }
}
