/**
 * The width of text on a terminal, and breaking text. The time is linear in the length of the text. What knows emoji and scripts takes
 * 20 ms to load, as long as a short command, so it is loaded at the first text that is not ASCII.
 */
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const PLAIN = /^[\x20-\x7e]*$/;
let graphemes: Intl.Segmenter | null = null;
/** The largest number of code units in one column: an emoji made of several. */
const UNITS_PER_COLUMN = 16;

/** The columns of a terminal that the text takes. Colours take none, Chinese characters two. */
export function visibleWidth(text: string): number {
  return PLAIN.test(text) ? text.length : widthOfAny(text);
}

function widthOfAny(text: string): number {
  const { default: stringWidth } = require('string-width') as typeof import('string-width');
  return stringWidth(text);
}

/**
 * The text in pieces of at most `width` columns (and at least one character each). It is broken at a space or after a comma in the second half,
 * if any; the space at which it is broken is in no piece.
 */
export function breakText(text: string, width: number): string[] {
  const lines: string[] = [];
  for (let at = 0; at < text.length; ) {
    const plain = text.slice(at, at + width);
    const fitting = PLAIN.test(plain)
      ? plain
      : firstColumns(text.slice(at, at + width * UNITS_PER_COLUMN), width);
    const isWhole = at + fitting.length >= text.length || text[at + fitting.length] === ' ';
    const end = isWhole ? 0 : Math.max(fitting.lastIndexOf(' '), fitting.lastIndexOf(',') + 1);
    const line = end * 2 >= fitting.length && end > 0 ? fitting.slice(0, end) : fitting;
    lines.push(line);
    at += line.length;
    if (at < text.length && text[at] === ' ') at++;
  }
  return lines.length === 0 ? [''] : lines;
}

/** The longest beginning of at most `width` columns, but at least the first character. */
export function firstColumns(text: string, width: number): string {
  let [end, columns] = [0, 0];
  graphemes ??= new Intl.Segmenter('en', { granularity: 'grapheme' });
  for (const { segment } of graphemes.segment(text.slice(0, width * UNITS_PER_COLUMN))) {
    columns += visibleWidth(segment);
    if (columns > width && end > 0) break;
    end += segment.length;
    if (columns >= width) break;
  }
  return text.slice(0, end);
}

/** The text in at most `width` columns; if it is cut, it ends with `…`. */
export function shorten(text: string, width: number): string {
  if (text.length <= width * UNITS_PER_COLUMN && visibleWidth(text) <= width) return text;
  return `${firstColumns(text, Math.max(1, width - 1))}…`;
}

/** The text, padded with spaces to `width` columns. */
export function padTo(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - visibleWidth(text)));
}
