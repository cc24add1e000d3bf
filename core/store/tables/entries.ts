/** The entries of `tracked_relations` by name, for the commands that start or end the tracking of tables. */
import type { Queryable } from '../../pg/connection.ts';
import { formatTableName, type TableName } from '../../pg/identifiers.ts';
import type { TablePattern } from '../../pg/table-pattern.ts';
import { type BaselineState, STATE_COLUMNS, type StateRow, stateOf, type TableState } from './state.ts';

export interface RelationEntry {
  readonly relationId: number;
  readonly state: TableState;
  readonly trackedFrom: { readonly lsn: string; readonly ts: string } | null;
  readonly baselineState: BaselineState;
  readonly baselineRows: number;
  readonly noNan: boolean;
  /** A column that holds NaN or infinity despite `noNan`; null: no run has seen one. */
  readonly noNanRefuted: string | null;
}

type EntryRow = Record<string, string | number | boolean | null> & StateRow;

const ENTRY_COLUMNS = `
  r.relation_id, ${STATE_COLUMNS},
  to_char(r.tracked_from_ts AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS tracked_from_ts,
  coalesce((r.baseline_progress ->> 'rows')::bigint, 0)::text AS baseline_rows, r.no_nan, r.no_nan_refuted`;

/** The entry of a table; null when it was never tracked. `forUpdate` locks it. */
export async function readRelationEntry(
  store: Queryable,
  nodeId: string,
  name: TableName & { readonly forUpdate?: boolean },
): Promise<RelationEntry | null> {
  const { rows } = await store.query<EntryRow>(
    `SELECT ${ENTRY_COLUMNS} FROM pgtimewarp.tracked_relations AS r
      WHERE r.node_id = $1::text AND r.schema_name = $2::text AND r.table_name = $3::text
      ${name.forUpdate ? 'FOR UPDATE' : ''}`,
    [nodeId, name.schema, name.name],
  );
  return rows[0] === undefined ? null : toEntry(rows[0]);
}

/** The entries of the tables, by formatted name. Tables that were never tracked have none. */
export async function readRelationEntries(
  store: Queryable,
  nodeId: string,
  names: readonly TableName[],
): Promise<Map<string, RelationEntry>> {
  const { rows } = await store.query<EntryRow & { schema_name: string; table_name: string }>(
    `SELECT r.schema_name, r.table_name, ${ENTRY_COLUMNS}
       FROM pgtimewarp.tracked_relations AS r
       JOIN unnest($2::text[], $3::text[]) AS w (schema_name, table_name)
         ON w.schema_name = r.schema_name AND w.table_name = r.table_name
      WHERE r.node_id = $1::text`,
    [nodeId, names.map((name) => name.schema), names.map((name) => name.name)],
  );
  return new Map(
    rows.map((row) => [formatTableName({ schema: row.schema_name, name: row.table_name }), toEntry(row)]),
  );
}

function toEntry(row: EntryRow): RelationEntry {
  return {
    relationId: row.relation_id as number,
    state: stateOf(row),
    trackedFrom:
      row.tracked_from_lsn === null ? null : { lsn: row.tracked_from_lsn, ts: row.tracked_from_ts as string },
    baselineState: row.baseline_state,
    baselineRows: Number.parseInt(row.baseline_rows as string, 10),
    noNan: row.no_nan as boolean,
    noNanRefuted: row.no_nan_refuted as string | null,
  };
}

/** Whether the table of the entry is tracked now. */
export function isTrackedNow(entry: RelationEntry | null | undefined): boolean {
  return entry !== null && entry !== undefined && entry.state.kind !== 'untracked';
}

/** Every table that is or was tracked. */
export async function readKnownNames(store: Queryable, nodeId: string): Promise<TableName[]> {
  const { rows } = await store.query<TableName>(
    'SELECT schema_name AS schema, table_name AS name FROM pgtimewarp.tracked_relations WHERE node_id = $1::text',
    [nodeId],
  );
  return rows;
}

/** The tracked tables that match a pattern. `ended` includes those that are no longer tracked. */
export async function readMatchingEntries(
  store: Queryable,
  nodeId: string,
  { patterns, ended }: { readonly patterns: readonly TablePattern[]; readonly ended: boolean },
): Promise<TableName[]> {
  const { rows } = await store.query<TableName>(
    `SELECT r.schema_name AS schema, r.table_name AS name
       FROM pgtimewarp.tracked_relations AS r
      WHERE r.node_id = $1::text AND (r.status <> 'untracked' OR $4::boolean)
        AND EXISTS (SELECT FROM unnest($2::text[], $3::text[]) AS p (schema_like, name_like)
                     WHERE r.schema_name LIKE p.schema_like AND r.table_name LIKE p.name_like)
      ORDER BY r.schema_name, r.table_name`,
    [
      nodeId,
      patterns.map((pattern) => pattern.schemaLike),
      patterns.map((pattern) => pattern.nameLike),
      ended,
    ],
  );
  return rows;
}
