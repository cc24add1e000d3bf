/**
 * Reads one pgoutput message. The bytes are decoded once, one character each, so that numbers and plain values are cut
 * out of one string; only a value with bytes beyond ASCII is decoded as UTF-8.
 */
const BEYOND_ASCII = /[\u0080-\u00ff]/;

export class MessageReader {
  /** The message, one character per byte. */
  #chars = '';
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;

  /** Takes a message as the text form of bytea (`\x…`). */
  open(hex: string): void {
    if (!hex.startsWith('\\x')) throw new RangeError('not the text form of bytea');
    this.#bytes = Buffer.from(hex.slice(2), 'hex');
    if (this.#bytes.length !== (hex.length - 2) / 2) throw new RangeError('not hexadecimal');
    this.#chars = this.#bytes.toString('latin1');
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
    return BigInt.asIntN(64, (BigInt(this.uint32()) << 32n) | BigInt(this.uint32()));
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

  /** As {@link textAt}, of a value that is ASCII whatever it is: a number, say. */
  asciiAt(from: number, to: number): string {
    return this.#chars.slice(from, to);
  }

  #need(byteCount: number): void {
    if (this.#at + byteCount > this.#chars.length) throw new RangeError('a message is too short');
  }
}
