/**
 * All rows of a table as of an instant, as JSON and as CSV. Values are the text of the history: JSON unchanged, CSV as the
 * source printed it.
 */
import * as z from 'zod';
import type { TableAt, TableRow } from '../core/query/table-rows.ts';
import { quoteJson } from '../core/types/json-text.ts';
import { valueText } from '../core/types/value-text.ts';
import { Assumes, Row, Tier } from './answer.ts';
import { csvLine } from './csv.ts';
import { Lsn, Point, Text } from './values.ts';

/** A row as a JSON object with every column. */
export function rowObjectText(at: TableAt, { cells }: TableRow): string {
  const members = at.columns.columns.map(({ name }, index) => `${quoteJson(name)}:${cells[index] ?? 'null'}`);
  return `{${members.join(',')}}`;
}

export function csvHeader(at: TableAt): string {
  return csvLine(at.columns.columns.map(({ name }) => name));
}

export function csvRow({ columns: { columns } }: TableAt, { cells }: TableRow): string {
  return csvLine(
    columns.map(({ kind }, index) => {
      const cell = cells[index] ?? null;
      return cell === null ? null : valueText(kind, cell);
    }),
  );
}

/** A page of a whole table over HTTP. */
export const TableRows = z.object({
  schema: Text,
  table: Text,
  as_of: z.object({ requested: Text.nullable(), lsn: Lsn }),
  horizon: Point.nullable(),
  final: z.boolean(),
  columns: z.array(Text),
  rows: z.array(Row).meta({ description: 'every column of each row, in the order of keys' }),
  assumes: Assumes.optional(),
  tier: Tier.optional(),
  next: Text.nullable().meta({
    description: 'the `cursor` of the next page, also if this one has no rows; null: nothing follows',
  }),
});

export function tablePageText(page: {
  readonly table: TableAt;
  readonly requested: string | null;
  /** JSON texts of the rows. */
  readonly texts: readonly string[];
  readonly isAssumed: boolean;
  readonly next: string | null;
}): string {
  const next = page.next === null ? 'null' : quoteJson(page.next);
  return `{${tableFrameText(page.table, page.requested)},"rows":[${page.texts.join(',')}]${assumesText(page.isAssumed)},"next":${next}}`;
}

/** The members of a document about all rows: position, horizon, columns. */
export function tableFrameText(at: TableAt, requested: string | null): string {
  const { table, lsn, horizon, final, columns, archived } = at;
  return [
    `"schema":${quoteJson(table.schema)},"table":${quoteJson(table.name)}`,
    `"as_of":{"requested":${requested === null ? 'null' : quoteJson(requested)},"lsn":${quoteJson(lsn)}}`,
    `"horizon":${horizon === null ? 'null' : `{"lsn":${quoteJson(horizon.lsn)},"ts":${quoteJson(horizon.ts)}}`}`,
    `"final":${final},"columns":[${columns.columns.map(({ name }) => quoteJson(name)).join(',')}]${archived === null ? '' : ',"tier":"archive"'}`,
  ].join(',');
}

/** The member that says that nulls count as NULL because of --no-nan. */
export function assumesText(isAssumed: boolean): string {
  return isAssumed ? ',"assumes":"no-nan"' : '';
}
