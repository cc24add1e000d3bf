/** How much a purge would remove. */
import type { Queryable } from '../pg/connection.ts';
import type { TableName } from '../pg/identifiers.ts';

export interface KeptHistory {
  /** Tables with stored history. */
  readonly tables: number;
  /** On disk, indexes and TOAST included. */
  readonly bytes: bigint;
}

/** The history of one table without its past periods, which `untrack` keeps; with null, that of the whole node. */
export async function historyOf(
  store: Queryable,
  nodeId: string,
  table: TableName | null,
): Promise<KeptHistory> {
  const { rows } = await store.query<{ tables: number; bytes: string }>(
    `SELECT count(DISTINCT (p.schema_name, p.table_name))::int AS tables, coalesce(sum(s.bytes), 0)::text AS bytes
       FROM pgtimewarp.relation_periods AS p
      CROSS JOIN LATERAL (
            SELECT sum(pg_total_relation_size(t.relid)) AS bytes
              FROM pg_partition_tree(to_regclass('pgtimewarp.row_changes_r' || p.relation_id)) AS t
             WHERE t.isleaf) AS s
      WHERE p.node_id = $1::text AND s.bytes IS NOT NULL
        AND ($2::text IS NULL OR p.relation_id IN (
              SELECT r.relation_id FROM pgtimewarp.tracked_relations AS r
               WHERE r.node_id = $1::text AND r.schema_name = $2::text AND r.table_name = $3::text))`,
    [nodeId, table?.schema ?? null, table?.name ?? null],
  );
  return { tables: rows[0]!.tables, bytes: BigInt(rows[0]!.bytes) };
}
