/** Tables for people: no frame, headings dimmed, cells wrapped so that a line fits the terminal. */
import Table from 'cli-table3';
import type { Output } from '../output.ts';
import { printable } from './printable.ts';

/** One text, or several under each other, which are broken only where nothing else can give way. */
export type Cell = string | readonly string[];

/** Columns are as wide as what is in them; where a line does not fit, the widest give way. */
export function plainTable(
  headings: readonly string[],
  rows: readonly (readonly Cell[])[],
  out: Pick<Output, 'colors' | 'width'>,
): string {
  const cells = rows.map((row) => row.map((cell) => [cell].flat().map(printable).join('\n')));
  const table = new Table({
    head: headings.map((heading) => out.colors.dim(heading)),
    chars: NO_FRAME,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': GAP, compact: true },
    wordWrap: true,
    wrapOnWordBoundary: false,
    colWidths: columnWidths({
      headings,
      cells,
      width: out.width,
      whole: headings.map((_, column) => rows.some((row) => Array.isArray(row[column]))),
    }),
  });
  table.push(...cells);
  return table.toString().replace(/[ \t]+$/gm, '');
}

const GAP = 2;

/** Narrower, with the gap, only when all are. */
const NARROW = 10;

interface Columns {
  readonly headings: readonly string[];
  readonly cells: readonly (readonly string[])[];
  readonly width: number;
  /** Of which columns the lines stay whole. */
  readonly whole: readonly boolean[];
}

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

function columnWidths({ headings, cells, width, whole }: Columns): number[] {
  const longest = (cell: string): number => Math.max(...cell.split('\n').map((line) => line.length));
  const widths = headings.map(
    (heading, column) => Math.max(heading.length, ...cells.map((row) => longest(row[column] ?? ''))) + GAP,
  );
  const room = width + GAP; // nothing follows the last column
  for (let excess = widths.reduce((sum, each) => sum + each, 0) - room; excess > 0; excess--) {
    const flexible = widths.map((each, column) => (whole[column] || each <= NARROW ? 0 : each));
    const candidates = flexible.some((each) => each > 0) ? flexible : widths;
    const widest = candidates.indexOf(Math.max(...candidates));
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return widths;
}
