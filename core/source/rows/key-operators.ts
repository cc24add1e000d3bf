/**
 * Comparisons of key columns by the operators of their own types. An operator is found along the search path, and a type
 * of an extension (citext) whose operators are not on it would be compared as what it can be read as (text), which is
 * another order and another equality.
 */
import type pg from 'pg';
import { quoteIdentifier } from '../../pg/identifiers.ts';
import { TRANSACTION_OUTPUT_SQL } from '../../pg/session-settings.ts';
import { inSourceTransaction } from '../../pg/transaction.ts';
import type { TableFacts } from '../catalog/table-facts.ts';

/**
 * Runs one statement of `work` with the operators of the key's types in reach, in a transaction of its own that brings its
 * output settings with it, so that rows read here look like rows of the log. The session is outside a transaction.
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
