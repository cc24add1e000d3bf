/**
 * The steps of pg_repack on a table, in SQL: a log table filled by a trigger, a copy, indexes, and an exchange of files and of
 * TOAST tables in the catalog (its repack_swap; seen with pg_repack 1.4.8 on PostgreSQL 15).
 */
import type pg from 'pg';

/**
 * Statements for a superuser, to be run one after the other while the table is in use. Changes that come while it is copied are
 * taken from the log table. For tables whose key is `id`.
 */
export async function repackSql(source: pg.Client, table: string): Promise<string[]> {
  const { rows } = await source.query<{ columns: string; dropped: string[]; index: string }>(
    `SELECT string_agg(CASE WHEN a.attisdropped THEN format('NULL::int AS %I', a.attname) ELSE quote_ident(a.attname) END, ', ' ORDER BY a.attnum) AS columns,
            array_agg(quote_ident(a.attname)) FILTER (WHERE a.attisdropped) AS dropped,
            (SELECT i.indexrelid::regclass::text FROM pg_index AS i WHERE i.indrelid = $1::regclass AND i.indisprimary) AS index
       FROM pg_attribute AS a WHERE a.attrelid = $1::regclass AND a.attnum > 0`,
    [table],
  );
  const { columns, dropped, index } = rows[0]!;
  return [
    'CREATE SCHEMA repack',
    `CREATE TABLE repack.log (place bigserial PRIMARY KEY, id int, row public.${table})`,
    `CREATE FUNCTION repack.note() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN INSERT INTO repack.log (id, row) VALUES (coalesce(old.id, new.id), new); RETURN NULL; END $$`,
    `CREATE TRIGGER repack_trigger AFTER INSERT OR DELETE OR UPDATE ON ${table} FOR EACH ROW EXECUTE FUNCTION repack.note()`,
    `ALTER TABLE ${table} ENABLE ALWAYS TRIGGER repack_trigger`,
    `CREATE TABLE repack.copy AS SELECT ${columns} FROM ONLY ${table} WITH NO DATA`,
    `INSERT INTO repack.copy SELECT ${columns} FROM ONLY ${table} ORDER BY id`,
    ...(dropped ?? []).map((name) => `ALTER TABLE repack.copy DROP COLUMN ${name}`),
    'CREATE UNIQUE INDEX copied_key ON repack.copy (id)',
    `BEGIN; LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE;
     DELETE FROM repack.copy WHERE id IN (SELECT l.id FROM repack.log AS l);
     INSERT INTO repack.copy SELECT t.* FROM ${table} AS t WHERE t.id IN (SELECT l.id FROM repack.log AS l);
     ${exchangeSql(table, 'repack.copy')}; ${exchangeSql(index, 'repack.copied_key')};
     COMMIT`,
    `BEGIN; DROP TRIGGER repack_trigger ON ${table}; DROP SCHEMA repack CASCADE; COMMIT`,
    `ANALYZE ${table}`,
  ];
}

/** Two relations exchange their files and TOAST tables. */
function exchangeSql(one: string, two: string): string {
  const pair = `SELECT a.oid, b.relfilenode, b.reltoastrelid
                  FROM pg_class AS a, pg_class AS b
                 WHERE (a.oid, b.oid) IN (('${one}'::regclass, '${two}'::regclass), ('${two}'::regclass, '${one}'::regclass))`;
  return `WITH pair AS (${pair})
     UPDATE pg_depend AS d SET refobjid = p.oid FROM pair AS p
      WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'i'
        AND d.objid = p.reltoastrelid AND p.reltoastrelid <> 0;
     WITH pair AS (${pair})
     UPDATE pg_class AS c SET relfilenode = p.relfilenode, reltoastrelid = p.reltoastrelid FROM pair AS p WHERE c.oid = p.oid`;
}
