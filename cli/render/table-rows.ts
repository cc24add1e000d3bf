/** All rows of a table for people, page by page, each page as a table with its own widths. */
import { formatTableName } from '../../core/pg/identifiers.ts';
import type { TableAt, TableRow } from '../../core/query/table-rows.ts';
import type { Output } from '../output.ts';
import { withLocalTimes } from './local-time.ts';
import { type Cell, plainTable } from './plain-table.ts';
import { printable } from './printable.ts';
import { shorten } from './width.ts';
import { wrap } from './wrap.ts';

/** Longer values are cut. JSON, NDJSON and CSV contain the full values. */
const SHOWN_VALUE = 40;

export function renderTableHeading(
  { table, lsn, archived }: TableAt,
  requested: string | null,
  out: Output,
): string {
  const where = archived === null ? '' : ', from the archive';
  const title = `${printable(formatTableName(table))} as of ${requested ?? 'now'}  (${lsn}${where})`;
  return `${wrap(withLocalTimes(title), out.width, '  ')}\n`;
}

export function renderRows({ columns }: TableAt, rows: readonly TableRow[], out: Output): string {
  return plainTable(
    columns.columns.map(({ name }) => printable(name)),
    rows.map(({ cells }): Cell[] => cells.map((cell) => shorten(printable(cell ?? 'null'), SHOWN_VALUE))),
    out,
  );
}
