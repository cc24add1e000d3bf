/** How much history the tables of a node have, and since when they can answer. */
import type { Queryable } from '../pg/connection.ts';
import type { TableName } from '../pg/identifiers.ts';

export interface RetentionOverview {
  readonly relationId: number;
  readonly name: TableName;
  /** As PostgreSQL prints the interval; null keeps everything. */
  readonly retention: string | null;
  /** The oldest instant that can be answered; null: nothing has expired. */
  readonly oldest: { readonly lsn: string; readonly ts: string } | null;
  readonly ranges: number;
  readonly sizeBytes: number;
}

export async function readRetentionOverview(store: Queryable, nodeId: string): Promise<RetentionOverview[]> {
  const { rows } = await store.query<{
    relation_id: number;
    schema_name: string;
    table_name: string;
    retention: string | null;
    lsn: string | null;
    ts: string | null;
    ranges: number;
    size_bytes: string;
  }>(
    `SELECT r.relation_id, r.schema_name, r.table_name, r.retention, x.expired_before_lsn AS lsn,
            to_char(x.expired_before_ts AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS ts,
            (SELECT count(*)::int FROM pgtimewarp.relation_ranges AS g
              WHERE g.relation_id = r.relation_id AND g.state = 'attached') AS ranges,
            coalesce((SELECT sum(pg_total_relation_size(t.relid))
                        FROM pg_partition_tree(to_regclass('pgtimewarp.row_changes_r' || r.relation_id)) AS t
                       WHERE t.isleaf), 0)::int8 AS size_bytes
       FROM pgtimewarp.tracked_relations AS r
       LEFT JOIN pgtimewarp.relation_retention AS x ON x.relation_id = r.relation_id
      WHERE r.node_id = $1::text
      ORDER BY r.schema_name, r.table_name`,
    [nodeId],
  );
  return rows.map((row) => ({
    relationId: row.relation_id,
    name: { schema: row.schema_name, name: row.table_name },
    retention: row.retention,
    oldest: row.lsn === null || row.ts === null ? null : { lsn: row.lsn, ts: row.ts },
    ranges: row.ranges,
    sizeBytes: Number.parseInt(row.size_bytes, 10),
  }));
}
