/**
 * Writes the texts of changes, each by begin, fields, finish. They lie one after the other in blocks; a block lives as long as texts in it
 * are used. JSON strings get the escapes of PostgreSQL's to_json(text), as {@link quoteJson} writes them.
 */
import { LONGEST_TEXT_BYTES, TextTooLong } from '../errors/too-long.ts';
import { ChangeTexts } from '../types/change-texts.ts';

const BLOCK_BYTES = 256 * 1024;
/** Up to this length a loop copies bytes faster than a call does. */
const SHORT = 48;
/** Up to this length room is made for the longest escapes, without counting them. */
const UNCOUNTED = 256;
/** The length of an escape such as `\u0001`. */
const LONGEST_ESCAPE = 6;
const NULL_LENGTH = -1;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LETTER_U = 0x75;
const ZERO = 0x30;
const HEX = Buffer.from('0123456789abcdef', 'latin1');

/** What follows the backslash of each byte; 0: the byte stays as it is. */
const ESCAPES = new Uint8Array(256);
ESCAPES.fill(LETTER_U, 0, 0x20);
for (const [char, letter] of ['\bb', '\ff', '\nn', '\rr', '\tt', '""', '\\\\'].map((pair) => [...pair]))
  ESCAPES[char!.charCodeAt(0)] = letter!.charCodeAt(0);

export class TextWriter {
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  /** Where the present texts begin. */
  #start = 0;
  /** Where the present field begins, counted from `#start`. */
  #field = 0;

  /** Begins the texts of a change. Texts that were not finished are dropped. */
  begin(): void {
    this.#at = this.#start;
  }

  finish(): ChangeTexts {
    const texts = new ChangeTexts(this.#bytes, this.#start, this.#at);
    this.#start = this.#at;
    return texts;
  }

  openField(): void {
    this.#reserve(4);
    this.#field = this.#at - this.#start;
    this.#at += 4;
  }

  closeField(): void {
    const at = this.#start + this.#field;
    this.#bytes.writeInt32BE(this.#at - at - 4, at);
  }

  nullField(): void {
    this.#reserve(4);
    this.#bytes.writeInt32BE(NULL_LENGTH, this.#at);
    this.#at += 4;
  }

  /** Drops what was written in the present field, and makes it null. */
  makeFieldNull(): void {
    this.#at = this.#start + this.#field;
    this.nullField();
  }

  /** Bytes of the present field so far. */
  get fieldBytes(): number {
    return this.#at - this.#start - this.#field - 4;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#at++] = value;
  }

  text(value: string): void {
    this.#reserve(value.length * 3); // UTF-8 needs at most three bytes per UTF-16 unit
    this.#at += this.#bytes.write(value, this.#at, 'utf8');
  }

  /** Bytes as they are. */
  copy(source: Buffer, from: number, to: number): void {
    this.#reserve(to - from);
    this.#copy(source, from, to);
  }

  /** A JSON string of UTF-8 text. */
  quoted(source: Buffer, from: number, to: number): void {
    const length = to - from;
    if (length > UNCOUNTED) {
      this.#longQuoted(source, from, to);
      return;
    }
    this.#reserve(2 + LONGEST_ESCAPE * length);
    this.#bytes[this.#at++] = QUOTE;
    this.#escaped(source, from, to);
    this.#bytes[this.#at++] = QUOTE;
  }

  #longQuoted(source: Buffer, from: number, to: number): void {
    const plainEnd = firstEscape(source, from, to);
    let length = 2 + to - from;
    for (let i = plainEnd; i < to; i++) {
      const letter = ESCAPES[source[i]!]!;
      if (letter !== 0) length += letter === LETTER_U ? LONGEST_ESCAPE - 1 : 1;
    }
    this.#reserve(length);
    this.#bytes[this.#at++] = QUOTE;
    this.#copy(source, from, plainEnd);
    this.#escaped(source, plainEnd, to);
    this.#bytes[this.#at++] = QUOTE;
  }

  #escaped(source: Buffer, from: number, to: number): void {
    const bytes = this.#bytes;
    let at = this.#at;
    for (let i = from; i < to; i++) {
      const byte = source[i]!;
      const letter = ESCAPES[byte]!;
      if (letter === 0) {
        bytes[at++] = byte;
        continue;
      }
      bytes[at++] = BACKSLASH;
      bytes[at++] = letter;
      if (letter !== LETTER_U) continue;
      bytes[at++] = ZERO;
      bytes[at++] = ZERO;
      bytes[at++] = HEX[byte >> 4]!;
      bytes[at++] = HEX[byte & 15]!;
    }
    this.#at = at;
  }

  #copy(source: Buffer, from: number, to: number): void {
    const bytes = this.#bytes;
    let at = this.#at;
    if (to - from <= SHORT) for (let i = from; i < to; i++) bytes[at++] = source[i]!;
    else at += source.copy(bytes, at, from, to);
    this.#at = at;
  }

  #reserve(count: number): void {
    if (this.#at + count <= this.#bytes.length) return;
    const written = this.#at - this.#start;
    if (written + count > LONGEST_TEXT_BYTES) throw new TextTooLong();
    const block = Buffer.allocUnsafeSlow(
      Math.max(BLOCK_BYTES, written + count, Math.min(written * 2, LONGEST_TEXT_BYTES)),
    );
    this.#bytes.copy(block, 0, this.#start, this.#at);
    this.#bytes = block;
    this.#start = 0;
    this.#at = written;
  }
}

const EACH_20 = 0x20202020;
const EACH_QUOTE = 0x22222222;
const EACH_BACKSLASH = 0x5c5c5c5c;
const EACH_01 = 0x01010101;
const HIGH_BITS = 0x80808080 | 0;

/**
 * Position of the first byte that is escaped, or a few bytes before it; `to` if there is none. It looks at four bytes at a time: subtracting
 * makes the high bit of a byte 1 where the byte was too small, and bytes beyond ASCII are left out by `~`.
 */
function firstEscape(source: Buffer, from: number, to: number): number {
  const view = new DataView(source.buffer, source.byteOffset, source.byteLength);
  let at = from;
  for (; at + 4 <= to; at += 4) {
    const four = view.getInt32(at);
    const quotes = four ^ EACH_QUOTE;
    const backslashes = four ^ EACH_BACKSLASH;
    const found =
      ((four - EACH_20) & ~four) | ((quotes - EACH_01) & ~quotes) | ((backslashes - EACH_01) & ~backslashes);
    if ((found & HIGH_BITS) !== 0) return at;
  }
  while (at < to && ESCAPES[source[at]!] === 0) at += 1;
  return at;
}
