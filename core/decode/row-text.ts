/**
 * The JSON text of one row of wal2json, where it lies. What is the same in every row (a {@link Word}) is compared four bytes at a time.
 * Nothing is copied, and there are no strings, except for those who look at a text.
 */
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** Up to this length a loop finds the end of a string faster than a call does. */
const NEAR = 64;

export class RowText {
  bytes: Buffer = Buffer.alloc(0);
  start = 0;
  end = 0;
  /** Rows that arrived together lie in the same bytes and share it. */
  view = new DataView(this.bytes.buffer);
  #latin1: string | null = null;

  /** Begins the row between `start` and `end`. */
  open(bytes: Buffer, start: number, end: number): void {
    if (bytes !== this.bytes) {
      this.bytes = bytes;
      this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    this.start = start;
    this.end = end;
    this.#latin1 = null;
  }

  /** The byte at a position; -1 at the end of the row. */
  at(position: number): number {
    return position < this.end ? this.bytes[position]! : -1;
  }

  /** Position after the closing quote of the JSON string that opens at `from`. Throws RangeError if it has no end. */
  stringEnd(from: number): number {
    const { bytes, end } = this;
    let at = from + 1;
    for (const near = Math.min(end, at + NEAR); at < near; ) {
      const byte = bytes[at]!;
      if (byte === QUOTE) return at + 1;
      at += byte === BACKSLASH ? 2 : 1;
    }
    for (;;) {
      const quote = bytes.indexOf(QUOTE, at);
      if (quote === -1 || quote >= end) throw new RangeError('a JSON string has no end');
      let escapes = quote;
      while (escapes > at && bytes[escapes - 1] === BACKSLASH) escapes -= 1;
      if ((quote - escapes) % 2 === 0) return quote + 1;
      at = quote + 1;
    }
  }

  /** Position of the next quote, whether or not it is escaped; `end` if there is none. */
  nextQuote(from: number): number {
    let at = from;
    while (at < this.end && this.bytes[at] !== QUOTE) at += 1;
    return at;
  }

  /** The row with one character for each byte: position 0 is `start`. */
  get latin1(): string {
    this.#latin1 ??= this.bytes.toString('latin1', this.start, this.end);
    return this.#latin1;
  }
}

/** Bytes that many rows contain. */
export class Word {
  readonly bytes: Buffer;
  readonly length: number;
  /** All groups of four bytes. If some are left over, the last group overlaps the one before. */
  readonly #fours: Int32Array;

  /** @param latin1 one character for each byte */
  constructor(latin1: string) {
    this.bytes = Buffer.from(latin1, 'latin1');
    this.length = this.bytes.length;
    this.#fours = new Int32Array(this.length < 4 ? 0 : Math.ceil(this.length / 4));
    for (let i = 0; i < this.#fours.length; i++) this.#fours[i] = this.bytes.readInt32BE(this.#groupAt(i));
  }

  /** Whether the text has this word at a position. */
  isAt(text: RowText, position: number): boolean {
    const { length } = this;
    if (position + length > text.end) return false;
    const fours = this.#fours;
    const { view } = text;
    if (length < 4) {
      for (let i = 0; i < length; i++) if (text.bytes[position + i] !== this.bytes[i]) return false;
      return true;
    }
    const last = fours.length - 1;
    for (let i = 0; i < last; i++) if (view.getInt32(position + 4 * i) !== fours[i]) return false;
    return view.getInt32(position + length - 4) === fours[last];
  }

  #groupAt(index: number): number {
    return Math.min(index * 4, this.length - 4);
  }
}
