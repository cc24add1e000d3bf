/** Tables for people, without a frame. Headings are dimmed, and cells are broken so that lines fit the terminal. */
import type { Output } from '../output.ts';
import { printable } from './printable.ts';
import { breakText, padTo, visibleWidth } from './width.ts';

/**
 * One text, or several lines, which are broken only if no other column can become narrower; lines without spaces (a time, an LSN) only if
 * no lines with spaces can.
 */
export type Cell = string | readonly string[];

/** Columns are as wide as their texts. If a line does not fit, the widest columns become narrower. */
export function plainTable(
  headings: readonly string[],
  rows: readonly (readonly Cell[])[],
  out: Pick<Output, 'colors' | 'width'>,
): string {
  const cells = rows.map((row) => row.map((cell) => [cell].flat().map(printable)));
  const widths = columnWidths({
    cells: [headings.map((heading) => [heading]), ...cells],
    width: out.width,
    whole: headings.map((_, column) => rows.some((row) => Array.isArray(row[column]))),
  });
  const head = rowLines(
    headings.map((heading) => [heading]),
    widths,
  ).map((line) => out.colors.dim(line));
  return [...head, ...cells.flatMap((row) => rowLines(row, widths))].join('\n');
}

/** The number of spaces between two cells. */
const GAP = 2;
/** A column becomes narrower than this (with the gap) only when all others are already. */
const NARROW = 10;

/** The lines of one row: its broken cells side by side. */
function rowLines(row: readonly (readonly string[])[], widths: readonly number[]): string[] {
  const broken = row.map((cell, column) =>
    cell.flatMap((text) => breakText(text, Math.max(1, (widths[column] ?? GAP) - GAP))),
  );
  const height = Math.max(...broken.map((lines) => lines.length));
  return Array.from({ length: height }, (_, line) =>
    broken
      .map((lines, column) => padTo(lines[line] ?? '', widths[column] ?? 0))
      .join('')
      .trimEnd(),
  );
}

interface Columns {
  readonly cells: readonly (readonly (readonly string[])[])[];
  readonly width: number;
  /** For each column, whether its lines stay whole. */
  readonly whole: readonly boolean[];
}

function columnWidths({ cells, width, whole }: Columns): number[] {
  const room = width + GAP; // nothing follows the last column
  // a cell that is longer than the terminal is wide counts as that wide, unmeasured
  const wide = (text: string): number => (text.length > room ? room : visibleWidth(text));
  const widths = whole.map(
    (_, column) => Math.max(...cells.map((row) => Math.max(0, ...(row[column] ?? []).map(wide)))) + GAP,
  );
  const hasWords = whole.map((_, column) =>
    cells.slice(1).some((row) => row[column]?.some((line) => line.includes(' '))),
  );
  for (let excess = widths.reduce((sum, each) => sum + each, 0) - room; excess > 0; excess--) {
    const wider = widths.map((each) => (each <= NARROW ? 0 : each));
    const flexible = wider.map((each, column) => (whole[column] ? 0 : each));
    const ofWords = wider.map((each, column) => (hasWords[column] ? each : 0));
    const candidates = [flexible, ofWords].find((some) => some.some((each) => each > 0)) ?? widths;
    const widest = candidates.indexOf(Math.max(...candidates));
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return widths;
}
