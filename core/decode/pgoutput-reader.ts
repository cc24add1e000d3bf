/** Reads one pgoutput message, step by step, where it lies: it copies nothing and makes strings only of names and of what is asked for. */
export class MessageReader {
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  #end = 0;

  /** Begins the message between `start` and `end`. */
  open(bytes: Buffer, start: number, end: number): void {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  /** Positions of values are offsets into these bytes. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  get position(): number {
    return this.#at;
  }

  uint8(): number {
    this.#need(1);
    return this.#bytes[this.#at++]!;
  }

  uint16(): number {
    this.#need(2);
    const value = this.#bytes[this.#at]! * 0x100 + this.#bytes[this.#at + 1]!;
    this.#at += 2;
    return value;
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
    const from = this.#at;
    this.skip(byteCount);
    return this.textAt(from, this.#at);
  }

  /** Text up to a zero byte. */
  cString(): string {
    const end = this.#bytes.indexOf(0, this.#at);
    if (end === -1 || end >= this.#end) throw new RangeError('a name has no end');
    const text = this.textAt(this.#at, end);
    this.#at = end + 1;
    return text;
  }

  textAt(from: number, to: number): string {
    return this.#bytes.toString('utf8', from, to);
  }

  #need(byteCount: number): void {
    if (this.#at + byteCount > this.#end) throw new RangeError('a message is too short');
  }
}
