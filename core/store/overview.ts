/** What the store holds of a node: its horizon, its tables with their progress, and its open gaps. */
import type { Queryable } from '../pg/connection.ts';
import type { TableName } from '../pg/identifiers.ts';
import { type CommitTime, parseCommitTime } from '../types/commit-time.ts';
import { type Lsn, parseLsn } from '../types/lsn.ts';
import { listNodes, readNode, type StoredNode } from './node/nodes.ts';
import type { BaselineState, RelationStatus } from './tables/state.ts';

export interface NodeOverview {
  readonly node: StoredNode;
  readonly relations: readonly RelationOverview[];
  /** Gaps that have no end yet. */
  readonly openGaps: readonly GapOverview[];
}

export interface RelationOverview {
  readonly relationId: number;
  readonly name: TableName;
  readonly status: RelationStatus;
  readonly statusReason: string | null;
  readonly keyColumns: readonly string[];
  readonly trackedFrom: Point | null;
  readonly trackedTo: Point | null;
  readonly baseline: BaselineState;
  readonly baselineRows: number;
  readonly baselineEstimatedRows: number;
  /** As PostgreSQL prints the interval. */
  readonly retention: string | null;
  readonly excludedColumns: readonly string[];
  /** Declared: its numeric and float columns never hold NaN or Infinity. */
  readonly noNan: boolean;
  /** A column that holds NaN or infinity despite `noNan`; null: no run has seen one. */
  readonly noNanRefuted: string | null;
  readonly relid: number | null;
  /** While starting: sessions whose transactions the table waited for at the last check. */
  readonly waitsForPids: readonly number[];
  /** Stored changes as of the store's last ANALYZE; null when there was none. */
  readonly estimatedChanges: number | null;
}

export interface GapOverview {
  readonly table: TableName | null;
  readonly from: Point;
  readonly reason: string;
  /** Runs repair the table, and the gap ends with the repair. */
  readonly isRepaired: boolean;
}

export interface Point {
  readonly lsn: Lsn;
  readonly ts: CommitTime;
}

/** One node, or all of them when `node` is null. Empty when the store has no such node. */
export async function readOverview(store: Queryable, node: string | null): Promise<NodeOverview[]> {
  const one = node === null ? null : await readNode(store, node);
  const nodes = node === null ? await listNodes(store) : one === null ? [] : [one];
  const overviews: NodeOverview[] = [];
  for (const each of nodes) {
    overviews.push({
      node: each,
      relations: await readRelations(store, each.node),
      openGaps: await readOpenGaps(store, each.node),
    });
  }
  return overviews;
}

async function readRelations(store: Queryable, node: string): Promise<RelationOverview[]> {
  const { rows } = await store.query<RelationRow>(
    `SELECT r.relation_id, r.schema_name, r.table_name, r.status, r.status_reason, r.pk_columns, r.tracked_from_lsn,
            r.tracked_from_ts, r.tracked_to_lsn, r.tracked_to_ts, r.baseline_state, r.retention, r.excluded_columns,
            r.no_nan, r.no_nan_refuted,
            r.relid, ARRAY(SELECT l ->> 'pid' FROM jsonb_array_elements(
                       CASE jsonb_typeof(r.start_conditions -> 'lockers') WHEN 'array'
                            THEN r.start_conditions -> 'lockers' ELSE '[]' END) AS l
                     WHERE l ->> 'pid' IS NOT NULL) AS waits_for,
            coalesce((r.baseline_progress ->> 'rows')::int8, 0)::text AS baseline_rows,
            coalesce((r.baseline_progress ->> 'estimated_rows')::int8, 0)::text AS estimated_rows,
            (SELECT (sum(c.reltuples) FILTER (WHERE c.reltuples >= 0))::int8::text
               FROM pg_partition_tree(to_regclass('pgtimewarp.row_changes_r' || r.relation_id)) AS t
               JOIN pg_catalog.pg_class AS c ON c.oid = t.relid AND t.isleaf) AS estimated_changes
       FROM pgtimewarp.tracked_relations AS r
      WHERE r.node_id = $1::text
      ORDER BY r.schema_name, r.table_name`,
    [node],
  );
  return rows.map((row) => ({
    relationId: row.relation_id,
    name: { schema: row.schema_name, name: row.table_name },
    status: row.status,
    statusReason: row.status_reason,
    keyColumns: row.pk_columns,
    trackedFrom: toPoint(row.tracked_from_lsn, row.tracked_from_ts),
    trackedTo: toPoint(row.tracked_to_lsn, row.tracked_to_ts),
    baseline: row.baseline_state,
    baselineRows: Number.parseInt(row.baseline_rows, 10),
    baselineEstimatedRows: Number.parseInt(row.estimated_rows, 10),
    retention: row.retention,
    excludedColumns: row.excluded_columns,
    noNan: row.no_nan,
    noNanRefuted: row.no_nan_refuted,
    relid: row.relid,
    waitsForPids: row.waits_for.map((pid) => Number.parseInt(pid, 10)),
    estimatedChanges: row.estimated_changes === null ? null : Number.parseInt(row.estimated_changes, 10),
  }));
}

/** Gaps without an end. A gap of a table that is no longer tracked is left out, because it does not affect the present. */
async function readOpenGaps(store: Queryable, node: string): Promise<GapOverview[]> {
  const { rows } = await store.query<GapRow>(
    `SELECT p.schema_name, p.table_name, g.from_lsn, g.from_ts, g.reason, t.repair IS NOT NULL AS is_repaired
       FROM pgtimewarp.history_gaps AS g
       LEFT JOIN pgtimewarp.relation_periods AS p USING (relation_id)
       LEFT JOIN pgtimewarp.tracked_relations AS t ON t.relation_id = g.relation_id AND t.status <> 'untracked'
      WHERE g.node_id = $1::text AND g.to_ts IS NULL AND (g.relation_id IS NULL OR t.relation_id IS NOT NULL)
      ORDER BY g.from_ts, g.id`,
    [node],
  );
  return rows.map((row) => ({
    table: row.table_name === null ? null : { schema: row.schema_name!, name: row.table_name },
    from: toPoint(row.from_lsn, row.from_ts)!,
    reason: row.reason,
    isRepaired: row.is_repaired,
  }));
}

function toPoint(lsn: string | null, ts: string | null): Point | null {
  return lsn === null || ts === null ? null : { lsn: parseLsn(lsn), ts: parseCommitTime(ts) };
}

interface RelationRow {
  relation_id: number;
  schema_name: string;
  table_name: string;
  status: RelationStatus;
  status_reason: string | null;
  pk_columns: string[];
  tracked_from_lsn: string | null;
  tracked_from_ts: string | null;
  tracked_to_lsn: string | null;
  tracked_to_ts: string | null;
  baseline_state: BaselineState;
  retention: string | null;
  excluded_columns: string[];
  no_nan: boolean;
  no_nan_refuted: string | null;
  relid: number | null;
  waits_for: string[];
  baseline_rows: string;
  estimated_rows: string;
  estimated_changes: string | null;
}

interface GapRow {
  schema_name: string | null;
  table_name: string | null;
  from_lsn: string;
  from_ts: string;
  reason: string;
  is_repaired: boolean;
}
