/** The tables of a restore as they are now: what a script must find there again, and why a table cannot be restored. */
import type { Queryable } from '../pg/connection.ts';
import { quoteTable, type TableName } from '../pg/identifiers.ts';

export interface SourceColumn {
  readonly name: string;
  readonly isGenerated: boolean;
  readonly isAlwaysIdentity: boolean;
  readonly isJson: boolean;
  /** Comparing keys uses operators of pg_catalog only. */
  readonly isForeignType: boolean;
  /** The sequence of an identity or serial column, quoted. */
  readonly sequence: string | null;
}

export interface SourceTrigger {
  readonly name: string;
  /** The table or partition, quoted. */
  readonly on: string;
  /** ENABLE ALWAYS: it fires whatever session_replication_role says. */
  readonly isAlways: boolean;
}

export interface SourceTable {
  readonly oid: string;
  readonly relkind: string;
  readonly fingerprint: string;
  readonly columns: readonly SourceColumn[];
  /** The triggers that fire on writes, those of partitions too. */
  readonly triggers: readonly SourceTrigger[];
  readonly hasRules: boolean;
  readonly hasInheritance: boolean;
  readonly isFiltered: boolean;
  readonly mayWrite: boolean;
}

/** An expression for the definition of the columns of a table; a change of it stops a script. @param oid SQL */
export const fingerprintSql = (oid: string): string => `(
  SELECT pg_catalog.string_agg(pg_catalog.format('%s %I %s %s %s', a.attnum, a.attname,
           pg_catalog.format_type(a.atttypid, a.atttypmod), a.attgenerated, a.attidentity), ', ' ORDER BY a.attnum)
    FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = ${oid} AND a.attnum > 0 AND NOT a.attisdropped)`;

/** null: there is no such table. */
export async function sourceTable(source: Queryable, table: TableName): Promise<SourceTable | null> {
  const { rows } = await source.query<TableRow>(
    `SELECT c.oid::text, c.relkind::text, ${fingerprintSql('c.oid')} AS fingerprint,
            EXISTS (SELECT FROM pg_catalog.pg_rewrite AS r WHERE r.ev_class = c.oid) AS has_rules,
            EXISTS (SELECT FROM pg_catalog.pg_inherits AS i WHERE c.oid IN (i.inhparent, i.inhrelid)) AND c.relkind <> 'p'
              OR c.relispartition AS has_inheritance,
            pg_catalog.row_security_active(c.oid) AS is_filtered,
            pg_catalog.has_table_privilege(c.oid, 'SELECT') AND pg_catalog.has_table_privilege(c.oid, 'INSERT')
              AND pg_catalog.has_table_privilege(c.oid, 'UPDATE') AND pg_catalog.has_table_privilege(c.oid, 'DELETE') AS may_write,
            coalesce((
              SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
                       'name', g.tgname, 'on', pg_catalog.format('%I.%I', m.nspname, r.relname), 'isAlways', g.tgenabled = 'A')
                       ORDER BY g.tgname, m.nspname, r.relname)
                FROM pg_catalog.pg_trigger AS g
                JOIN pg_catalog.pg_class AS r ON r.oid = g.tgrelid
                JOIN pg_catalog.pg_namespace AS m ON m.oid = r.relnamespace
               WHERE (r.oid = c.oid OR r.oid IN (SELECT p.relid FROM pg_catalog.pg_partition_tree(c.oid) AS p))
                 AND NOT g.tgisinternal AND g.tgenabled IN ('O', 'A')), '[]')::text AS triggers
       FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
      WHERE n.nspname = $1 AND c.relname = $2`,
    [table.schema, table.name],
  );
  const [row] = rows;
  if (row === undefined) return null;
  return {
    oid: row.oid,
    relkind: row.relkind,
    fingerprint: row.fingerprint,
    columns: await sourceColumns(source, table, row.oid),
    triggers: JSON.parse(row.triggers) as SourceTrigger[], // names only
    hasRules: row.has_rules,
    hasInheritance: row.has_inheritance,
    isFiltered: row.is_filtered,
    mayWrite: row.may_write,
  };
}

async function sourceColumns(source: Queryable, table: TableName, oid: string): Promise<SourceColumn[]> {
  const { rows } = await source.query<ColumnRow>(
    `SELECT a.attname AS name, a.attgenerated <> '' AS is_generated, a.attidentity = 'a' AS is_always,
            coalesce(nullif(y.typbasetype, 0), y.oid) IN (114, 3802) AS is_json, b.typnamespace <> 'pg_catalog'::regnamespace AS is_foreign,
            pg_catalog.pg_get_serial_sequence($2, a.attname) AS sequence
       FROM pg_catalog.pg_attribute AS a
       JOIN pg_catalog.pg_type AS y ON y.oid = a.atttypid
       JOIN pg_catalog.pg_type AS b ON b.oid = coalesce(nullif(y.typbasetype, 0), y.oid)
      WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped
      ORDER BY a.attnum`,
    [oid, quoteTable(table)],
  );
  return rows.map((row) => ({
    name: row.name,
    isGenerated: row.is_generated,
    isAlwaysIdentity: row.is_always,
    isJson: row.is_json,
    isForeignType: row.is_foreign,
    sequence: row.sequence,
  }));
}

interface TableRow {
  readonly oid: string;
  readonly relkind: string;
  readonly fingerprint: string;
  readonly has_rules: boolean;
  readonly has_inheritance: boolean;
  readonly is_filtered: boolean;
  readonly may_write: boolean;
  readonly triggers: string;
}

interface ColumnRow {
  readonly name: string;
  readonly is_generated: boolean;
  readonly is_always: boolean;
  readonly is_json: boolean;
  readonly is_foreign: boolean;
  readonly sequence: string | null;
}
