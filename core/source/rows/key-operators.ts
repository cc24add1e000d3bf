/**
 * Compares key columns with the operators of their own types. PostgreSQL finds an operator along the search path. If the operators of an
 * extension type (citext) are not on it, PostgreSQL compares values as text, with another order and another equality.
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
