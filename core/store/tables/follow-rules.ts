/** The rules of `follow_rules`: which tables runs begin to track when they appear, and how. */
import type { Queryable } from '../../pg/connection.ts';
import type { TablePattern } from '../../pg/table-pattern.ts';
import { parseTablePattern } from '../../pg/table-pattern.ts';

export interface FollowSettings {
  /** As interval text; null: the default of the node. */
  readonly retention: string | null;
  /** Columns that are not tracked in tables that have them. */
  readonly excludedColumns: readonly string[];
  readonly baseline: boolean;
  readonly noNan: boolean;
  /** Another node of the same database may track such a table, too. */
  readonly shared: boolean;
}

export interface FollowRule extends FollowSettings {
  readonly pattern: TablePattern;
  /** Matching tables that the last run could not track. */
  readonly notTracked: readonly NotTracked[];
}

export interface NotTracked {
  readonly table: string;
  readonly reason: string;
}

/** The rules of a node, oldest first: if two match a table, the older one applies. */
export async function readFollowRules(store: Queryable, nodeId: string): Promise<FollowRule[]> {
  const { rows } = await store.query<{
    pattern: string;
    retention: string | null;
    excluded_columns: string[];
    baseline: boolean;
    no_nan: boolean;
    is_shared: boolean;
    not_tracked: string;
  }>(
    `SELECT pattern, retention::text, excluded_columns, baseline, no_nan, is_shared, not_tracked::text
       FROM pgtimewarp.follow_rules WHERE node_id = $1::text ORDER BY created_at, pattern`,
    [nodeId],
  );
  return rows.map((row) => ({
    pattern: parseTablePattern(row.pattern),
    retention: row.retention,
    excludedColumns: row.excluded_columns,
    baseline: row.baseline,
    noNan: row.no_nan,
    shared: row.is_shared,
    notTracked: JSON.parse(row.not_tracked) as NotTracked[], // our own: names and messages
  }));
}

/** Creates the rule, or changes its settings. */
export async function writeFollowRule(
  store: Queryable,
  nodeId: string,
  { pattern, ...settings }: FollowSettings & { readonly pattern: TablePattern },
): Promise<void> {
  await store.query(
    `INSERT INTO pgtimewarp.follow_rules AS f (node_id, pattern, retention, excluded_columns, baseline, no_nan, is_shared)
     VALUES ($1::text, $2::text, $3::interval, $4::text[], $5::boolean, $6::boolean, $7::boolean)
     ON CONFLICT ON CONSTRAINT follow_rules_pkey DO UPDATE -- a repeated request: new tables get the latest settings
        SET retention = excluded.retention, excluded_columns = excluded.excluded_columns,
            baseline = excluded.baseline, no_nan = excluded.no_nan, is_shared = excluded.is_shared`,
    [
      nodeId,
      pattern.text,
      settings.retention,
      settings.excludedColumns,
      settings.baseline,
      settings.noNan,
      settings.shared,
    ],
  );
}

/** Removes rules. @returns the patterns of those that existed */
export async function removeFollowRules(
  store: Queryable,
  nodeId: string,
  patterns: readonly TablePattern[],
): Promise<string[]> {
  const { rows } = await store.query<{ pattern: string }>(
    `DELETE FROM pgtimewarp.follow_rules WHERE node_id = $1::text AND pattern = ANY ($2::text[]) RETURNING pattern`,
    [nodeId, patterns.map((pattern) => pattern.text)],
  );
  return rows.map((row) => row.pattern);
}

/** Stores which matching tables cannot be tracked, for `status`. */
export async function writeNotTracked(
  store: Queryable,
  nodeId: string,
  { pattern, notTracked }: Pick<FollowRule, 'pattern' | 'notTracked'>,
): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.follow_rules SET not_tracked = $3::jsonb WHERE node_id = $1::text AND pattern = $2::text`,
    [nodeId, pattern.text, JSON.stringify(notTracked)],
  );
}
