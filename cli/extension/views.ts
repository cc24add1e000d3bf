/**
 * The schema `asof`: one view for each tracked table, which shows its rows as of the setting pgtimewarp.as_of. A view reads an
 * SQL function of the same name, which PostgreSQL inlines. The text of that function has no dependencies, so the views do not
 * prevent changes of the tables (docs/decisions/0038-the-past-in-sql.md). Everything happens in the transaction of the caller.
 */
import pg from 'pg';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import type { Queryable } from '../../core/pg/connection.ts';
import { formatTableName, quoteIdentifier, quoteTable, type TableName } from '../../core/pg/identifiers.ts';

export const PAST_SCHEMA = 'asof';

export interface PastTable {
  readonly name: TableName;
  /** Columns that the history does not have. */
  readonly excludedColumns: readonly string[];
}

export interface PastView {
  readonly view: string;
  readonly table: TableName;
  /** Columns whose values the history does not have: excluded and virtual generated ones. */
  readonly leftOut: readonly string[];
}

/** The comment that marks our views and functions. The name of the table follows. */
const MADE_BY_US = 'made by `pgtimewarp extension views` for ';

/**
 * Creates or replaces the views of these tables. A table that the source does not have gets no view. Throws DATABASE_ERROR if
 * something else has the name of a view, or depends on one.
 */
export async function makeViews(source: Queryable, tables: readonly PastTable[]): Promise<PastView[]> {
  await source.query('SET LOCAL search_path = pg_catalog'); // so that types and operators are printed with their schemas
  const present = await readViews(source);
  const names = nameViews(tables, present);
  await source.query(`CREATE SCHEMA IF NOT EXISTS ${PAST_SCHEMA}`);
  await refuseOwner(source);
  for (const { name } of tables) {
    const before = present.find(({ table }) => table === formatTableName(name));
    if (before !== undefined) await dropView(source, before.view);
  }
  const made: PastView[] = [];
  for (const table of tables) {
    const view = await makeView(source, table, names.get(table)!);
    if (view !== null) made.push(view);
  }
  await source.query(`GRANT USAGE ON SCHEMA ${PAST_SCHEMA} TO PUBLIC`);
  // it checks the rights of its caller on the table
  await source.query(
    'GRANT EXECUTE ON FUNCTION pgtimewarp_internal.past(regclass, text[], text, text, text) TO PUBLIC',
  );
  return made;
}

/** Removes our views, except those of `keep`, and the schema if nothing else is in it. @returns the names of the views */
export async function removeViews(source: Queryable, keep: readonly TableName[] = []): Promise<string[]> {
  const kept = new Set(keep.map(formatTableName));
  const gone = (await readViews(source)).filter(({ table }) => !kept.has(table));
  for (const { view } of gone) await dropView(source, view);
  if (gone.length > 0 && kept.size === 0) {
    await source.query(
      `DO $$ BEGIN DROP SCHEMA ${PAST_SCHEMA}; EXCEPTION WHEN dependent_objects_still_exist THEN NULL; END $$`,
    );
  }
  return gone.map(({ view }) => view);
}

/** The owner of the schema could exchange the views, and so run statements as whoever reads them. */
async function refuseOwner(source: Queryable): Promise<void> {
  const { rows } = await source.query<{ owner: string }>(
    `SELECT r.rolname AS owner FROM pg_namespace AS n JOIN pg_roles AS r ON r.oid = n.nspowner
      WHERE n.nspname = $1::text AND r.rolname <> current_user AND NOT r.rolsuper
        AND r.oid <> (SELECT e.nspowner FROM pg_namespace AS e WHERE e.nspname = 'pgtimewarp_internal')`,
    [PAST_SCHEMA],
  );
  const owner = rows[0]?.owner;
  if (owner === undefined) return;
  throw new TimewarpError('PERMISSION_DENIED', `The schema ${PAST_SCHEMA} belongs to the role ${owner}.`, {
    remedy:
      `Its owner can exchange the views. If you trust that role, run the command as ${owner}, or as a superuser ` +
      `ALTER SCHEMA ${PAST_SCHEMA} OWNER TO CURRENT_USER. Otherwise rename or drop the schema.`,
  });
}

interface KnownView {
  readonly view: string;
  /** In the form of formatTableName(). */
  readonly table: string;
}

async function readViews(source: Queryable): Promise<KnownView[]> {
  const { rows } = await source.query<KnownView>(
    `SELECT p.proname AS view, substr(d.description, length($2::text) + 1) AS table
       FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
       JOIN pg_description AS d ON d.objoid = p.oid AND d.classoid = 'pg_proc'::regclass
      WHERE n.nspname = $1::text AND d.description LIKE $2 || '%'
      ORDER BY p.proname`,
    [PAST_SCHEMA, MADE_BY_US],
  );
  return rows;
}

/**
 * The name of the view: the table's name. If several tables have one name, all but the first (that of the schema public, if
 * there is one) get schema and name.
 */
function nameViews(tables: readonly PastTable[], present: readonly KnownView[]): Map<PastTable, string> {
  const renewed = new Set(tables.map(({ name }) => formatTableName(name)));
  const taken = new Set(present.filter(({ table }) => !renewed.has(table)).map(({ view }) => view));
  const names = new Map<PastTable, string>();
  const publicFirst = tables.toSorted(
    (a, b) => Number(b.name.schema === 'public') - Number(a.name.schema === 'public'),
  );
  for (const table of publicFirst) {
    const name = taken.has(table.name.name) ? formatTableName(table.name) : table.name.name;
    taken.add(name);
    names.set(table, name);
  }
  return names;
}

async function dropView(source: Queryable, view: string): Promise<void> {
  const name = quoteTable({ schema: PAST_SCHEMA, name: view });
  await source.query(`DROP VIEW IF EXISTS ${name}`);
  await source.query(`DROP FUNCTION IF EXISTS ${name}()`);
}

async function makeView(
  source: Queryable,
  { name, excludedColumns }: PastTable,
  view: string,
): Promise<PastView | null> {
  const { rows } = await source.query<ColumnRow>(COLUMNS_SQL, [name.schema, name.name]);
  if (rows.length === 0) return null;
  const columns = rows.filter(({ column, is_virtual }) => !is_virtual && !excludedColumns.includes(column));
  const body = await source.query<{ query: string }>(
    'SELECT pgtimewarp_internal.past_query(to_regclass($1), $2::text[]) AS query',
    [quoteTable(name), columns.map(({ column }) => column)],
  );
  const target = quoteTable({ schema: PAST_SCHEMA, name: view });
  const types = columns.map(({ column, type }) => `${quoteIdentifier(column)} ${type}`).join(', ');
  // a function result has the default collation of its type
  const selected = columns.map(
    ({ column, collation }) =>
      `f.${quoteIdentifier(column)}${collation === null ? '' : ` COLLATE ${collation}`} AS ${quoteIdentifier(column)}`,
  );
  await source.query(
    `CREATE FUNCTION ${target}() RETURNS TABLE (${types}) LANGUAGE sql STABLE AS ${pg.escapeLiteral(body.rows[0]!.query)}`,
  );
  await source.query(
    `CREATE VIEW ${target} WITH (security_invoker = true) AS SELECT ${selected.join(', ')} FROM ${target}() AS f`,
  );
  const comment = pg.escapeLiteral(MADE_BY_US + formatTableName(name));
  await source.query(
    `COMMENT ON FUNCTION ${target}() IS ${comment}; COMMENT ON VIEW ${target} IS ${comment}`,
  );
  await source.query(`GRANT SELECT ON ${target} TO PUBLIC`); // the rights on the table decide
  const shown = new Set(columns.map(({ column }) => column));
  return {
    view,
    table: name,
    leftOut: rows.map(({ column }) => column).filter((column) => !shown.has(column)),
  };
}

interface ColumnRow {
  readonly column: string;
  readonly type: string;
  readonly collation: string | null;
  readonly is_virtual: boolean;
}

const COLUMNS_SQL = `
  SELECT a.attname AS column, format_type(a.atttypid, a.atttypmod) AS type, a.attgenerated = 'v' AS is_virtual,
         (SELECT format('%I.%I', cn.nspname, co.collname) FROM pg_collation AS co JOIN pg_namespace AS cn ON cn.oid = co.collnamespace
           WHERE co.oid = a.attcollation AND co.collname <> 'default') AS collation
    FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
   WHERE n.nspname = $1::text AND c.relname = $2::text AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
   ORDER BY a.attnum`;
