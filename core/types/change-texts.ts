/**
 * The texts of a change, as bytes from the decoder to the store: the key and the row as two fields of COPY's binary format. Each is a length
 * of four bytes (-1: there is no text) and UTF-8. Strings are made only for those who look at a text.
 */
const LENGTH_BYTES = 4;

export class ChangeTexts {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;

  /** The fields are in `bytes` between `start` and `end`. */
  constructor(bytes: Buffer, start: number, end: number) {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
  }

  get byteCount(): number {
    return this.end - this.start;
  }

  get keyByteCount(): number {
    return this.bytes.readInt32BE(this.start);
  }

  /** The canonical key (see `canonicalKey`). */
  get key(): string {
    const from = this.start + LENGTH_BYTES;
    return this.bytes.toString('utf8', from, from + this.keyByteCount);
  }

  /** The row as a JSON object; null: a deletion, or a row with holes. */
  get rowData(): string | null {
    const from = this.start + LENGTH_BYTES + this.keyByteCount + LENGTH_BYTES;
    return this.bytes.readInt32BE(from - LENGTH_BYTES) === -1
      ? null
      : this.bytes.toString('utf8', from, this.end);
  }

  hasSameKey(other: ChangeTexts): boolean {
    const length = LENGTH_BYTES + this.keyByteCount;
    for (let i = 0; i < length; i++)
      if (this.bytes[this.start + i] !== other.bytes[other.start + i]) return false;
    return true;
  }
}
