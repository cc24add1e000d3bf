/**
 * Writes a value in PostgreSQL's text output as the JSON text that is stored, bytes to bytes. It gives what {@link renderText} gives. What is
 * rare (arrays, years of another length) goes through renderText().
 */
import type { TypeKind } from '../types/pg-types.ts';
import { isJsonNull, renderText } from '../types/render-text.ts';
import type { TextWriter } from './text-writer.ts';

const QUOTE = 0x22;
const SPACE = 0x20;
const PLUS = 0x2b;
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;
const LETTER_T = 0x54;
const SMALL_N = 0x6e;
const SMALL_T = 0x74;
const TRUE = Buffer.from('true', 'latin1');
const FALSE = Buffer.from('false', 'latin1');
const NO_MINUTES = Buffer.from(':00', 'latin1');
/** `2026-01-01` */
const DATE_LENGTH = 10;
/** `2026-01-01 00:00:00` */
const SECONDS_LENGTH = 19;

// biome-ignore lint/complexity/useMaxParams: called for each value
export function writeValue(
  writer: TextWriter,
  kind: TypeKind,
  bytes: Buffer,
  from: number,
  to: number,
): void {
  switch (kind.rendering) {
    case 'number':
      if (bytes[to - 1]! > NINE) writer.quoted(bytes, from, to);
      else writer.copy(bytes, from, to);
      return;
    case 'boolean':
      if (to - from === 1 && bytes[from] === SMALL_T) writer.copy(TRUE, 0, TRUE.length);
      else writer.copy(FALSE, 0, FALSE.length);
      return;
    case 'json':
      writer.copy(bytes, from, to);
      return;
    case 'text':
      writer.quoted(bytes, from, to);
      return;
    case 'timestamp':
    case 'timestamptz':
      if (isUsualTimestamp(bytes, from, to)) {
        writeTimestamp(writer, kind, bytes, from, to);
        return;
      }
      break;
    default:
  }
  writer.text(renderText(kind, bytes.toString('utf8', from, to)));
}

/** Whether a value of the type is JSON null. */
// biome-ignore lint/complexity/useMaxParams: called for each value
export function isJsonNullAt(kind: TypeKind, bytes: Buffer, from: number, to: number): boolean {
  if (kind.rendering !== 'json') return false;
  const first = bytes[from]!;
  if (first > SPACE && first !== SMALL_N) return false; // white space may precede the word
  return isJsonNull(kind, bytes.toString('utf8', from, to));
}

/** Whether the year has four digits, before a space, and no era follows: it ends in a digit. */
export function isUsualTimestamp(bytes: Buffer, from: number, to: number): boolean {
  const last = bytes[to - 1]!;
  return to - from >= SECONDS_LENGTH && bytes[from + DATE_LENGTH] === SPACE && last >= ZERO && last <= NINE;
}

/** Writes a usual timestamp as to_json() does: ISO 8601, with minutes of the offset. */
// biome-ignore lint/complexity/useMaxParams: called for each value
export function writeTimestamp(
  writer: TextWriter,
  kind: TypeKind,
  bytes: Buffer,
  from: number,
  to: number,
): void {
  writer.byte(QUOTE);
  writer.copy(bytes, from, from + DATE_LENGTH);
  writer.byte(LETTER_T);
  writer.copy(bytes, from + DATE_LENGTH + 1, to);
  const sign = bytes[to - 3];
  if (kind.rendering === 'timestamptz' && (sign === PLUS || sign === MINUS))
    writer.copy(NO_MINUTES, 0, NO_MINUTES.length);
  writer.byte(QUOTE);
}
