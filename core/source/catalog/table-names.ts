/** Reads the tables of the source that a command can name. */
import type { Queryable } from '../../pg/connection.ts';
import type { TableName } from '../../pg/identifiers.ts';

/** Enough for a suggestion. In a database with more tables, the suggestion is one of these. */
const MAX_NAMES = 10_000;

/** Ordinary tables and partition roots outside the schemas of PostgreSQL. */
export async function readTableNames(source: Queryable): Promise<TableName[]> {
  const { rows } = await source.query<{ schema: string; name: string }>(
    `SELECT n.nspname AS schema, c.relname AS name
       FROM pg_catalog.pg_class AS c
       JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
        AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
      ORDER BY n.nspname, c.relname
      LIMIT $1::int`,
    [MAX_NAMES],
  );
  return rows;
}
