/**
 * A table of the oracle, and the one form in which its rows are compared: the text of every column as the source prints
 * it. Rows of the history take the same form through json_populate_record() on the source, so nothing of ours is part of
 * the comparison but what was stored.
 */
import type fc from 'fast-check';
import type pg from 'pg';
import { quoteIdentifier, quoteTable, type TableName } from '../../../core/pg/identifiers.ts';
import { jsonMembers, quoteJson } from '../../../core/types/json-text.ts';

/** A column with SQL literals for it. */
export interface OracleColumn {
  readonly name: string;
  readonly literal: fc.Arbitrary<string>;
  /** Of a key column whose equal values have several texts: SQL of the one text they share, over the row `r`. */
  readonly keyText?: string;
}

export interface OracleTable extends TableName {
  /** Everything the table needs: run once on the source. */
  readonly create: string;
  /** In key order. Few different values, so that transactions meet. */
  readonly key: readonly OracleColumn[];
  /** A key that `key` never makes, one literal per column: swaps go by way of it. */
  readonly spareKey: readonly string[];
  readonly values: readonly OracleColumn[];
  /** Whether no statement empties it as a whole. */
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

/** `schema.table` as the store names it. */
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

/** The column texts that rows of the history give on the source, in the same form; in the order of `rows`. */
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
    // JSON null cannot come through json_populate_record(), but a base row may hold it.
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
