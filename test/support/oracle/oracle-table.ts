/**
 * A table of the oracle, and the form in which its rows are compared: the text of every column as the source prints it. Rows of
 * the history get the same form through json_populate_record() on the source. So of our code only the stored text takes part in
 * the comparison.
 */
import type fc from 'fast-check';
import type pg from 'pg';
import { quoteIdentifier, quoteTable, type TableName } from '../../../core/pg/identifiers.ts';
import { jsonMembers, quoteJson } from '../../../core/types/json-text.ts';

/** A column with SQL literals for it. */
export interface OracleColumn {
  readonly name: string;
  readonly literal: fc.Arbitrary<string>;
  /** For a key column whose equal values have several texts: SQL of the text that they share, over the row `r`. */
  readonly keyText?: string;
}

export interface OracleTable extends TableName {
  /** SQL that makes everything the table needs; run once on the source. */
  readonly create: string;
  /** In key order. There are few different values, so that transactions conflict. */
  readonly key: readonly OracleColumn[];
  /** A key that `key` never makes, with one literal for each column: swaps use it in between. */
  readonly spareKey: readonly string[];
  readonly values: readonly OracleColumn[];
  /** Whether no statement empties the whole table. */
  readonly neverEmptied?: boolean;
}

/** A row of the history. */
export interface StoredRow {
  readonly rowData: string;
  readonly incomplete: readonly string[];
  readonly jsonNulls: readonly string[];
}

export const columnNames = (table: OracleTable): string[] =>
  [...table.key, ...table.values].map((column) => column.name);

/** `schema.table` as in the store. */
export const storedName = (table: TableName): string => `${table.schema}.${table.name}`;

/** All rows of all tables as one statement: table, key (texts as a JSON array), column texts (as an array). */
export function wholeStateSql(tables: readonly OracleTable[]): string {
  return tables
    .map(
      (table, index) =>
        `SELECT ${index}, array_to_json(ARRAY[${keyTexts(table)}])::text, ARRAY[${texts([...table.key, ...table.values])}]::text FROM ${quoteTable(table)} AS r`,
    )
    .join(' UNION ALL ');
}

/** The column texts that the source makes of rows of the history, in the same form and in the order of `rows`. */
export async function readBack(
  source: pg.Client,
  table: OracleTable,
  rows: readonly StoredRow[],
): Promise<string[]> {
  const names = columnNames(table);
  const result: string[] = new Array(rows.length);
  const groups = new Map<string, number[]>();
  rows.forEach((row, index) => {
    const group = row.jsonNulls.join('\0');
    groups.set(group, [...(groups.get(group) ?? []), index]);
  });
  for (const indexes of groups.values()) {
    const { jsonNulls } = rows[indexes[0]!]!;
    // json_populate_record() cannot return JSON null, but a row may contain it.
    const base = names.map((name) => `${jsonNulls.includes(name) ? `'null'` : 'NULL'}`).join(', ');
    const { rows: texts_ } = await source.query<{ place: number; texts: string }>(
      `SELECT u.place::int AS place, ARRAY[${texts([...table.key, ...table.values])}]::text AS texts
         FROM unnest($1::text[]) WITH ORDINALITY AS u (data, place),
              json_populate_record(ROW(${base})::${quoteTable(table)}, u.data::json) AS r`,
      [indexes.map((index) => without(rows[index]!.rowData, jsonNulls))],
    );
    for (const { place, texts: text } of texts_) result[indexes[place - 1]!] = text;
  }
  return result;
}

function without(rowData: string, names: readonly string[]): string {
  if (names.length === 0) return rowData;
  const members = [...jsonMembers(rowData, 0).members].filter(([name]) => !names.includes(name));
  return `{${members.map(([name, value]) => `${quoteJson(name)}:${value}`).join(',')}}`;
}

function keyTexts(table: OracleTable): string {
  return table.key.map((column) => column.keyText ?? texts([column])).join(', ');
}

function texts(columns: readonly OracleColumn[]): string {
  return columns.map((column) => `r.${quoteIdentifier(column.name)}::text`).join(', ');
}
