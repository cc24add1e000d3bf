/** Tables for people: no frame, headings dimmed, cells wrapped so that a line fits the terminal. */
import Table from 'cli-table3';
import type { Output } from '../output.ts';
import { printable } from './printable.ts';

/** The last column takes what is left of the width. */
export function plainTable(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  out: Output,
): string {
  const cells = rows.map((row) => row.map(printable));
  const table = new Table({
    head: headings.map((heading) => out.colors.dim(heading)),
    chars: NO_FRAME,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': GAP, compact: true },
    wordWrap: true,
    wrapOnWordBoundary: false,
    colWidths: columnWidths(headings, cells, out.width),
  });
  table.push(...cells);
  return table.toString().replace(/[ \t]+$/gm, '');
}

const GAP = 2;

const NO_FRAME = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '',
};

/** Every column as wide as its widest cell, but the last one no wider than what is left. */
function columnWidths(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  width: number,
): number[] {
  const widths = headings.map(
    (heading, column) => Math.max(heading.length, ...rows.map((row) => (row[column] ?? '').length)) + GAP,
  );
  const last = widths.length - 1;
  const before = widths.slice(0, last).reduce((sum, each) => sum + each, 0);
  widths[last] = Math.max(12, Math.min(widths[last] ?? 0, width - before));
  return widths;
}
