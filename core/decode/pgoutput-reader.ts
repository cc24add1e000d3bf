/**
 * Reads one pgoutput message. The bytes are decoded once, each into one character, so that numbers and ASCII values are slices of
 * one string. Only a value with bytes beyond ASCII is decoded as UTF-8.
 */
const BEYOND_ASCII = /[\u0080-\u00ff]/;
/** Messages up to this size reuse the same buffer. */
const USUAL_BYTES = 64 * 1024;

export class MessageReader {
  /** The message, one character per byte. */
  #chars = '';
  #bytes: Buffer = Buffer.alloc(0);
  readonly #usual = Buffer.allocUnsafeSlow(USUAL_BYTES);
  #at = 0;

  /** Takes a message as the text form of bytea (`\x…`). */
  open(hex: string): void {
    if (!hex.startsWith('\\x')) throw new RangeError('not the text form of bytea');
    const byteCount = (hex.length - 2) / 2;
    this.#bytes = byteCount <= USUAL_BYTES ? this.#usual : Buffer.allocUnsafeSlow(Math.ceil(byteCount));
    // the decoding stops before the first character that is not a hexadecimal digit
    if (this.#bytes.write(hex.slice(2), 0, 'hex') !== byteCount) throw new RangeError('not hexadecimal');
    this.#chars = this.#bytes.toString('latin1', 0, byteCount);
    this.#at = 0;
  }

  char(): string {
    this.#need(1);
    return this.#chars.charAt(this.#at++);
  }

  uint8(): number {
    this.#need(1);
    return this.#chars.charCodeAt(this.#at++);
  }

  uint16(): number {
    return this.uint8() * 0x100 + this.uint8();
  }

  uint32(): number {
    return this.uint16() * 0x10000 + this.uint16();
  }

  int64(): bigint {
    this.#need(8);
    const value = this.#bytes.readBigInt64BE(this.#at);
    this.#at += 8;
    return value;
  }

  skip(byteCount: number): void {
    this.#need(byteCount);
    this.#at += byteCount;
  }

  /** Text of that many bytes. */
  text(byteCount: number): string {
    this.#need(byteCount);
    const from = this.#at;
    this.#at += byteCount;
    return this.textAt(from, this.#at);
  }

  /** Text up to a zero byte. */
  cString(): string {
    const end = this.#chars.indexOf('\0', this.#at);
    if (end === -1) throw new RangeError('a name has no end');
    const text = this.textAt(this.#at, end);
    this.#at = end + 1;
    return text;
  }

  get position(): number {
    return this.#at;
  }

  textAt(from: number, to: number): string {
    const chars = this.#chars.slice(from, to);
    return BEYOND_ASCII.test(chars) ? this.#bytes.toString('utf8', from, to) : chars;
  }

  /** As {@link textAt}, for a value whose text is always ASCII, such as a number. */
  asciiAt(from: number, to: number): string {
    return this.#chars.slice(from, to);
  }

  #need(byteCount: number): void {
    if (this.#at + byteCount > this.#chars.length) throw new RangeError('a message is too short');
  }
}
