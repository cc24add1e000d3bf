/**
 * Comparisons of key columns by the operators of their own types. An operator is found along the search path, and a type
 * of an extension (citext) whose operators are not on it would be compared as what it can be read as (text), which is
 * another order and another equality.
 */
import type pg from 'pg';
import { quoteIdentifier } from '../pg/identifiers.ts';
import type { TableFacts } from '../slot/table-facts.ts';

/** Runs `work` with the operators of the key's types in reach; the session's search path is pg_catalog otherwise. */
export async function withKeyOperators<T>(
  source: pg.Client,
  key: TableFacts['key'],
  work: () => Promise<T>,
): Promise<T> {
  const schemas = new Set(key.map((column) => column.operatorSchema));
  schemas.delete('pg_catalog');
  if (schemas.size === 0) return work();
  await source.query(`SET search_path = pg_catalog, ${[...schemas].map(quoteIdentifier).join(', ')}`);
  try {
    return await work();
  } finally {
    await source.query('SET search_path = pg_catalog').catch(() => {});
  }
}
