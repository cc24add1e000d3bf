/**
 * Compares key columns with texts of keys, by the operators of their own types. PostgreSQL finds an operator along the search path. If
 * the operators of an extension type (citext) are not on it, PostgreSQL compares values as text, with another order and another equality.
 */
import type pg from 'pg';
import { quoteIdentifier } from '../../pg/identifiers.ts';
import { TRANSACTION_OUTPUT_SQL } from '../../pg/session-settings.ts';
import { inSourceTransaction } from '../../pg/transaction.ts';
import type { TableFacts } from '../catalog/table-facts.ts';

/**
 * Runs one statement of `work` with the operators of the key types on the search path, in a transaction of its own. The transaction sets
 * the output settings, so that rows read here have the same text as rows of the log. The session must be outside a transaction.
 */
export async function withKeyOperators<T>(
  source: pg.Client,
  key: TableFacts['key'],
  work: () => Promise<T>,
): Promise<T> {
  const schemas = new Set(key.map((column) => column.operatorSchema));
  schemas.delete('pg_catalog');
  const path = ['pg_catalog', ...[...schemas].map(quoteIdentifier)].join(', ');
  const begin = `BEGIN READ ONLY; ${TRANSACTION_OUTPUT_SQL}; SET LOCAL search_path = ${path}`;
  return inSourceTransaction(source, work, begin);
}

/**
 * The value that a text of a key stands for. The cast is to the plain type: a cast to `varchar(5)` or `numeric(10,2)` would turn a key
 * from before the column became narrower into the key of another row. A cast to a domain would check its conditions, which older rows may
 * violate and whose functions may need another search path.
 * @param text SQL of the text
 */
export function keyValueSql({ plainType }: KeyColumn, text: string): string {
  return `${text}::${plainType}`;
}

/** The column as the left side of a comparison: enums have operators, domains over them have none. @param prefix such as `t.` */
export function keyColumnSql({ name, plainType }: KeyColumn, prefix = ''): string {
  return `${prefix}${quoteIdentifier(name)}::${plainType}`;
}

type KeyColumn = TableFacts['key'][number];
