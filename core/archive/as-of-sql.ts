/**
 * The query that gives the rows of a table as of an instant out of its Iceberg table, for engines that read such tables. It follows the
 * rules of functions/history/rows_at.sql: the last version of each key, unless it is a deletion or a TRUNCATE has closed it. The
 * store says which position the instant has, and refuses instants for which not all rows are known.
 */
import type { Client } from 'pg';
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { Queryable } from '../pg/connection.ts';
import { formatTableName, type TableName } from '../pg/identifiers.ts';
import { inSourceTransaction } from '../pg/transaction.ts';
import { type Instant, instantParameters } from '../query/instant.ts';
import { openTable, SNAPSHOT, type TableAt } from '../query/table-rows.ts';
import { parseLsn } from '../types/lsn.ts';
import { requireTable, tableId } from './archive-table.ts';
import type { ArchiveTarget } from './archive-target.ts';
import { requireArchive } from './change-archive.ts';

export const DIALECTS = ['duckdb', 'spark', 'trino', 'athena'] as const;
export type Dialect = (typeof DIALECTS)[number];

export interface AsOfSqlRequest {
  readonly node: string;
  readonly table: TableName;
  readonly at: Instant;
  readonly dialect: Dialect;
  readonly target: ArchiveTarget;
}

export interface AsOfSql {
  readonly sql: string;
  readonly table: string;
  readonly dialect: Dialect;
  readonly requested: string | null;
  readonly lsn: string;
  /** The newest metadata file of the Iceberg table; null: the catalog does not tell. */
  readonly metadataLocation: string | null;
}

/** Throws ARCHIVE_NOT_SET, ARCHIVE_NOT_YET, ROWS_UNKNOWN, and what the catalog throws. */
export async function asOfSql(store: Client, request: AsOfSqlRequest): Promise<AsOfSql> {
  const { node, table, at, dialect, target } = request;
  const [opened, archiveId] = await inSourceTransaction(
    store,
    async () => {
      await requireArchive(store, node, table);
      const position = await openTable(store, { node, table, at, mayBeArchived: true });
      return [position, await requireArchived(store, position)] as const;
    },
    SNAPSHOT,
  );
  const { metadataLocation } = await requireTable(target, { nodeId: node, table, archiveId });
  const id = tableId(node, table);
  return {
    sql: query(opened, dialect, reference(dialect, id, metadataLocation)),
    table: formatTableName(table),
    dialect,
    requested: instantParameters(at)[2],
    lsn: opened.lsn,
    metadataLocation,
  };
}

/**
 * After the last unit the archive is right as long as the store has no later change of the table: no unit is made of nothing.
 *
 * A baseline row that was read after the instant is outdated if its key changed in between, which the archive need not have. Then the
 * whole query is refused. What a repair has read counts from the end of its gap. @returns the id of the archive
 */
async function requireArchived(store: Queryable, at: TableAt): Promise<string> {
  const { rows } = await store.query<{ archive_id: string; is_archived: boolean; is_read_later: boolean }>(
    `SELECT s.archive_id,
            u.to_lsn IS NOT NULL AND (
              u.to_lsn > $2::pg_lsn
              OR NOT EXISTS (SELECT FROM pgtimewarp.row_changes AS c
                              WHERE c.relation_id = $1::int AND c.valid_from_lsn >= u.to_lsn AND c.valid_from_lsn <= $2::pg_lsn)
                 AND NOT EXISTS (SELECT FROM pgtimewarp.relation_events AS e
                                  WHERE e.relation_id = $1::int AND e.lsn >= u.to_lsn AND e.lsn <= $2::pg_lsn)) AS is_archived,
            coalesce($2::pg_lsn < p.baseline_lsn, false) AS is_read_later
       FROM pgtimewarp.relation_periods AS p
       JOIN pgtimewarp.archive_settings AS s
         ON s.node_id = p.node_id AND s.schema_name = p.schema_name AND s.table_name = p.table_name
      CROSS JOIN pgtimewarp.archive_verified_to(p.relation_id) AS u (to_lsn)
      WHERE p.relation_id = $1::int`,
    [at.relationId, at.lsn],
  );
  const row = rows[0]!;
  const name = formatTableName(at.table);
  if (!row.is_archived)
    throw new TimewarpError('ARCHIVE_NOT_YET', `${name} is not archived up to that instant.`);
  if (row.is_read_later) throw stillBeingRead(at.table);
  return row.archive_id;
}

function stillBeingRead(table: TableName): TimewarpError {
  return new TimewarpError(
    'ROWS_UNKNOWN',
    `The rows of ${formatTableName(table)} were still being read at that instant: the archive alone cannot tell which of them had changed.`,
    { remedy: 'Ask for a later time, or for one row: pgtimewarp asof TABLE --pk KEY --at TIME.' },
  );
}

function reference(
  dialect: Dialect,
  { namespace, name }: { readonly namespace: string; readonly name: string },
  metadataLocation: string | null,
): string {
  switch (dialect) {
    case 'duckdb':
      return metadataLocation === null
        ? `"${namespace}"."${name}"`
        : `iceberg_scan('${metadataLocation.replaceAll("'", "''")}')`;
    case 'spark':
      return `\`${namespace}\`.\`${name}\``;
    default:
      return `"${namespace}"."${name}"`;
  }
}

/** The same text for all engines but for the name of the table: window functions and joins, which all of them have. */
function query({ relationId, lsnSpace, lsn }: TableAt, dialect: Dialect, table: string): string {
  const rows = `FROM ${table}
     WHERE relation_id = ${relationId} AND lsn_space = ${lsnSpace} AND valid_from_lsn <= ${parseLsn(lsn)}`;
  return `-- ${dialect}: one row per row of the table; row_data is its JSON text as the store has it
WITH versions AS (
    SELECT pk, op, valid_from_lsn, seq, valid_from_ts, xid, leaf_id, row_data, incomplete, json_nulls, nulls_assumed, context,
           row_number() OVER (PARTITION BY pk ORDER BY valid_from_lsn DESC, seq DESC) AS newest
      ${rows} AND op <> 'T'),
  truncates AS (
    SELECT leaf_id, valid_from_lsn, seq,
           row_number() OVER (PARTITION BY leaf_id ORDER BY valid_from_lsn DESC, seq DESC) AS newest
      ${rows} AND op = 'T' AND pk = '')
SELECT v.pk, v.op, v.valid_from_lsn, v.seq, v.valid_from_ts, v.xid, v.row_data, v.incomplete, v.json_nulls, v.nulls_assumed, v.context
  FROM versions v
  LEFT JOIN truncates t ON t.newest = 1 AND t.leaf_id IS NULL
  LEFT JOIN truncates p ON p.newest = 1 AND p.leaf_id = v.leaf_id
 WHERE v.newest = 1 AND v.op <> 'D'
   AND (t.valid_from_lsn IS NULL OR ${isAfter('t')})
   AND (p.valid_from_lsn IS NULL OR ${isAfter('p')})`;
}

/** Whether the version came after the TRUNCATE. A row that was read (S) sorts after every event at its position. */
function isAfter(truncate: string): string {
  return `v.valid_from_lsn > ${truncate}.valid_from_lsn OR v.valid_from_lsn = ${truncate}.valid_from_lsn AND (v.op = 'S' OR v.seq > ${truncate}.seq)`;
}
