/**
 * Rows that refer to rows by foreign keys, on the source, and the commits of the history that made them refer there. Only tracked tables
 * are looked at: rows of others make the restore a refusal.
 */
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { Queryable } from '../pg/connection.ts';
import { quoteIdentifier, quoteTable, type TableName } from '../pg/identifiers.ts';
import { jsonMembers, quoteJson } from '../types/json-text.ts';
import type { Members } from './undone-changes.ts';

export interface Referred {
  readonly node: string;
  readonly table: TableName;
  readonly oid: string;
  readonly rows: readonly Members[];
}

/** Commit LSNs. Throws ROWS_UNKNOWN if no transaction is known that made a row refer to one of `rows`. */
export async function referringCommits(
  { store, source }: { readonly store: Queryable; readonly source: Queryable },
  { node, oid, rows }: Referred,
): Promise<string[]> {
  if (rows.length === 0) return [];
  const found: string[] = [];
  for (const key of await foreignKeys(source, oid)) {
    const child = await trackedTable(store, node, key.child);
    if (child === null) continue;
    const keys = await referringRows(source, { key, rows, keyColumns: child.keyColumns });
    if (keys.length > 0) found.push(...(await settingCommits(store, { child, keys, columns: key.columns })));
  }
  return found;
}

interface ForeignKey {
  readonly child: TableName;
  /** Of the child, each with the column that it refers to. */
  readonly columns: readonly string[];
  readonly referred: readonly string[];
  /** The types of the referred columns below domains, without a length or a scale, which would change a value of the past. */
  readonly types: readonly string[];
}

async function foreignKeys(source: Queryable, oid: string): Promise<ForeignKey[]> {
  const { rows } = await source.query<{
    schema_name: string;
    table_name: string;
    columns: readonly string[];
    referred: readonly string[];
    types: readonly string[];
  }>(
    `SELECT n.nspname::text AS schema_name, c.relname::text AS table_name, ARRAY(
              SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u (number, place)
                JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = u.number ORDER BY u.place) AS columns, ARRAY(
              SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY AS u (number, place)
                JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.confrelid AND a.attnum = u.number ORDER BY u.place) AS referred, ARRAY(
              SELECT pg_catalog.format_type((
                       WITH RECURSIVE below AS (
                         SELECT y.oid, y.typbasetype FROM pg_catalog.pg_type AS y WHERE y.oid = a.atttypid
                          UNION ALL
                         SELECT y.oid, y.typbasetype FROM below AS b JOIN pg_catalog.pg_type AS y ON y.oid = b.typbasetype)
                       SELECT b.oid FROM below AS b WHERE b.typbasetype = 0), -1)
                FROM unnest(k.confkey) WITH ORDINALITY AS u (number, place)
                JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.confrelid AND a.attnum = u.number ORDER BY u.place) AS types
       FROM pg_catalog.pg_constraint AS k
       JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid
       JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
      WHERE k.contype = 'f' AND k.conparentid = 0 AND k.confrelid = $1::oid`,
    [oid],
  );
  return rows.map(({ schema_name, table_name, columns, referred, types }) => ({
    child: { schema: schema_name, name: table_name },
    columns,
    referred,
    types,
  }));
}

interface TrackedTable {
  readonly relationId: string;
  readonly keyColumns: readonly string[];
}

async function trackedTable(store: Queryable, node: string, table: TableName): Promise<TrackedTable | null> {
  const { rows } = await store.query<{ relation_id: string; pk_columns: readonly string[] }>(
    `SELECT t.relation_id::text, t.pk_columns FROM pgtimewarp.tracked_relations AS t
      WHERE t.node_id = $1 AND t.schema_name = $2 AND t.table_name = $3`,
    [node, table.schema, table.name],
  );
  const [row] = rows;
  return row === undefined ? null : { relationId: row.relation_id, keyColumns: row.pk_columns };
}

/** The keys of the rows as JSON objects of texts. */
async function referringRows(
  source: Queryable,
  {
    key: { child, columns, referred, types },
    rows,
    keyColumns,
  }: {
    readonly key: ForeignKey;
    readonly rows: readonly Members[];
    readonly keyColumns: readonly string[];
  },
): Promise<string[]> {
  const records = rows.map(
    (row) => `{${[...row].map(([name, value]) => `${quoteJson(name)}:${value}`).join(',')}}`,
  );
  const joins = columns.map(
    (name, index) => `t.${quoteIdentifier(name)} = p.${quoteIdentifier(referred[index]!)}`,
  );
  const members = keyColumns.map(
    (_, index) => `$${index + 2}::text, t.${quoteIdentifier(keyColumns[index]!)}::text`,
  );
  const record = referred.map((name, index) => `${quoteIdentifier(name)} ${types[index]}`);
  const found = await source.query<{ key: string }>(
    `SELECT pg_catalog.json_build_object(${members.join(', ')})::text AS key
       FROM ${quoteTable(child)} AS t
       JOIN pg_catalog.json_to_recordset($1::json) AS p (${record.join(', ')}) ON ${joins.join(' AND ')}`,
    [`[${records.join(',')}]`, ...keyColumns],
  );
  return found.rows.map((row) => row.key);
}

/** Of each row the newest commit that inserted it or changed one of the columns. */
async function settingCommits(
  store: Queryable,
  {
    child,
    keys,
    columns,
  }: { readonly child: TrackedTable; readonly keys: readonly string[]; readonly columns: readonly string[] },
): Promise<string[]> {
  const { rows } = await store.query<{
    pk: string;
    lsn: string;
    op: string;
    xid: string | null;
    row_data: string | null;
  }>(
    `SELECT c.pk, c.valid_from_lsn::text AS lsn, c.op::text, c.xid::text, c.row_data::text
       FROM pgtimewarp.tracked_relations AS t
      CROSS JOIN LATERAL (
            SELECT DISTINCT pgtimewarp.canonical_key(t.pk_columns, t.pk_kinds, k.key::jsonb) COLLATE "C" AS pk
              FROM unnest($2::text[]) AS k (key)) AS k
       JOIN pgtimewarp.row_changes AS c ON c.relation_id = t.relation_id AND c.pk = k.pk
      WHERE t.relation_id = $1::int
      ORDER BY c.pk, c.valid_from_lsn, c.seq`,
    [child.relationId, keys],
  );
  const set = new Map<string, { lsn: string; xid: string | null }>();
  let before: { pk: string; row: Members | null } | null = null;
  for (const { pk, lsn, xid, row_data } of rows) {
    const row: Members | null = row_data === null ? null : jsonMembers(row_data, 0).members;
    const was: Members | null = before?.pk === pk ? before.row : null;
    if (row !== null && (was === null || columns.some((name) => was.get(name) !== row.get(name))))
      set.set(pk, { lsn, xid });
    before = { pk, row };
  }
  return [...set.values()].map(({ lsn, xid }) => {
    if (xid !== null) return lsn;
    throw new TimewarpError(
      'ROWS_UNKNOWN',
      'Rows refer to one that is to be deleted, and no transaction is known that made them.',
    );
  });
}
