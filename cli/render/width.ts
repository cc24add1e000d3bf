/** How wide text is on a terminal, and where to break it: in time that grows with its length only. */
import stringWidth from 'string-width';

const PLAIN = /^[\x20-\x7e]*$/;
const GRAPHEMES = new Intl.Segmenter('en', { granularity: 'grapheme' });
/** Most code units that one column takes: an emoji made of several. */
const UNITS_PER_COLUMN = 16;

/** Columns of a terminal that the text takes; colours take none, Chinese characters two. */
export function visibleWidth(text: string): number {
  return PLAIN.test(text) ? text.length : stringWidth(text);
}

/** The text in pieces of at most `width` columns (and at least one character each). */
export function breakText(text: string, width: number): string[] {
  const lines: string[] = [];
  for (let at = 0; at < text.length; ) {
    const plain = text.slice(at, at + width);
    const line = PLAIN.test(plain)
      ? plain
      : firstColumns(text.slice(at, at + width * UNITS_PER_COLUMN), width);
    lines.push(line);
    at += line.length;
  }
  return lines.length === 0 ? [''] : lines;
}

/** As much of the beginning as takes at most `width` columns, or its first character. */
export function firstColumns(text: string, width: number): string {
  let [end, columns] = [0, 0];
  for (const { segment } of GRAPHEMES.segment(text.slice(0, width * UNITS_PER_COLUMN))) {
    columns += visibleWidth(segment);
    if (columns > width && end > 0) break;
    end += segment.length;
    if (columns >= width) break;
  }
  return text.slice(0, end);
}

/** At most `width` columns; what is cut shows as `…`. */
export function shorten(text: string, width: number): string {
  if (text.length <= width * UNITS_PER_COLUMN && visibleWidth(text) <= width) return text;
  return `${firstColumns(text, Math.max(1, width - 1))}…`;
}

/** The text and spaces after it, up to `width` columns. */
export function padTo(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - visibleWidth(text)));
}
