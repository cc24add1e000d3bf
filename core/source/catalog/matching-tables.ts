/** Finds the tables of the source that match patterns. Tables that a user cannot mean are left out. */
import type { Queryable } from '../../pg/connection.ts';
import type { TableName } from '../../pg/identifiers.ts';
import type { TablePattern } from '../../pg/table-pattern.ts';

export interface MatchingTable extends TableName {
  /** The first of the patterns that matches it. */
  readonly pattern: number;
  /** The extension that it belongs to; null: none. */
  readonly extension: string | null;
}

/**
 * Tables, views and foreign tables, in order of their names. Left out are partitions whose root matches too, and temporary tables. If the
 * schema of a pattern has a wildcard, the schemas of PostgreSQL and of pgtimewarp are left out too.
 * @param without further names to leave out
 */
export async function readMatchingTables(
  source: Queryable,
  patterns: readonly TablePattern[],
  without: readonly TableName[] = [],
): Promise<MatchingTable[]> {
  const { rows } = await source.query<MatchingTable>(
    `WITH patterns AS (
       SELECT * FROM unnest($1::text[], $2::text[], $3::boolean[]) WITH ORDINALITY AS p (schema_like, name_like, is_one_schema, position)),
     matching AS (
       SELECT c.oid, n.nspname, c.relname, c.relkind, c.relispartition, min(p.position) AS position
         FROM pg_catalog.pg_class AS c
         JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
         JOIN patterns AS p ON n.nspname::text LIKE p.schema_like AND c.relname::text LIKE p.name_like
              AND (p.is_one_schema OR n.nspname NOT IN ('information_schema', 'pgtimewarp', 'pgtimewarp_internal') AND n.nspname !~ '^pg_')
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't'
        GROUP BY c.oid, n.nspname, c.relname, c.relkind, c.relispartition)
     SELECT m.nspname AS schema, m.relname AS name, (m.position - 1)::int AS pattern,
            (SELECT e.extname FROM pg_catalog.pg_depend AS d JOIN pg_catalog.pg_extension AS e ON e.oid = d.refobjid
              WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = m.oid AND d.deptype = 'e'
                AND d.refclassid = 'pg_catalog.pg_extension'::regclass) AS extension
       FROM matching AS m
      WHERE NOT EXISTS (SELECT FROM unnest($4::text[], $5::text[]) AS w (schema_name, table_name)
                         WHERE w.schema_name = m.nspname AND w.table_name = m.relname)
        AND NOT (m.relispartition AND EXISTS (
              SELECT FROM matching AS root WHERE root.oid = pg_partition_root(m.oid) AND root.oid <> m.oid))
      ORDER BY m.nspname, m.relname`,
    [
      patterns.map((pattern) => pattern.schemaLike),
      patterns.map((pattern) => pattern.nameLike),
      patterns.map((pattern) => pattern.isOneSchema),
      without.map((table) => table.schema),
      without.map((table) => table.name),
    ],
  );
  return rows;
}
