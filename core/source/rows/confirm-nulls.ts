/**
 * Reads from the source whether columns are NULL in the row that a transaction made: the row of that key whose `xmin` is the transaction
 * (PostgreSQL manual, "System Columns"). There is no answer if the row was changed or deleted since, or if a subtransaction wrote it,
 * which has its own transaction ID.
 */
import type { Queryable } from '../../pg/connection.ts';
import { quoteIdentifier, quoteOwnRows, type TableName } from '../../pg/identifiers.ts';
import type { TableFacts } from '../catalog/table-facts.ts';
import { keyColumnSql, keyValueSql } from './key-operators.ts';

export interface NullQuestion {
  readonly xid: string;
  /** Canonical texts, in key order. */
  readonly key: readonly string[];
}

/** The columns that are NULL, by index into `questions`. A question without an answer has no entry. */
// biome-ignore lint/complexity/useMaxParams: the parts of one query
export async function confirmNulls(
  source: Queryable,
  table: TableName & { readonly relkind: string },
  key: TableFacts['key'],
  columns: readonly string[],
  questions: readonly NullQuestion[],
): Promise<Map<number, ReadonlySet<string>>> {
  const answers = new Map<number, ReadonlySet<string>>();
  if (questions.length === 0 || columns.length === 0) return answers;
  const names = key.map((_, index) => `k${index}`);
  const matches = key.map(
    (column, index) => `${keyColumnSql(column, 't.')} = ${keyValueSql(column, `q.k${index}`)}`,
  );
  const nulls = columns.map(
    (column, index) => `CASE WHEN t.${quoteIdentifier(column)} IS NULL THEN ${index} END`,
  );
  const { rows } = await source.query<{ place: number; nulls: string }>(
    `SELECT q.place::int4 AS place, array_remove(ARRAY[${nulls.join(', ')}], NULL)::text AS nulls
       FROM unnest($1::text[], ${names.map((_, index) => `$${index + 2}::text[]`).join(', ')})
              WITH ORDINALITY AS q (xid, ${names.join(', ')}, place)
       JOIN ${quoteOwnRows(table)} AS t ON ${matches.join(' AND ')} AND t.xmin = q.xid::xid`,
    [
      questions.map(({ xid }) => xid),
      ...key.map((_, index) => questions.map((question) => question.key[index])),
    ],
  );
  for (const { place, nulls: found } of rows) {
    const indexes = found
      .slice(1, -1)
      .split(',')
      .filter((text) => text !== '');
    answers.set(place - 1, new Set(indexes.map((text) => columns[Number.parseInt(text, 10)]!)));
  }
  return answers;
}
