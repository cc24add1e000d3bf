/**
 * Reads the condition of the history of a node: expired history that is not dropped yet, ranges that do not exist ahead of the
 * writes, columns of which the stream omits values, units that are not in the archive yet. It reads what runs have recorded, never the history itself.
 */
import type { Queryable } from '../pg/connection.ts';
import { FactReader } from '../pg/fact-reader.ts';
import type { TableName } from '../pg/identifiers.ts';

export interface HistoryCondition {
  readonly windows: readonly WindowState[];
  readonly incomplete: readonly IncompleteColumn[];
  readonly unverified: readonly UnverifiedUnit[];
  /** The oldest transaction of the store whose snapshot prevents the drop of expired history; null: none, or not known. */
  readonly oldestReader: { readonly pid: number; readonly ageSeconds: number } | null;
}

/** The history of a table with a retention window, or of an earlier tracking period of it. */
export interface WindowState extends TableName {
  /** For how long the drop of its oldest range has been due; 0: no drop is due. */
  readonly overdueSeconds: number;
  /** Whether a range exists for the next changes. */
  readonly rangeAhead: boolean;
}

export interface IncompleteColumn extends TableName {
  readonly column: string;
  /** Since a run noticed it. */
  readonly ageSeconds: number;
}

/** A unit of the archive whose files have not been compared with the store yet. */
export interface UnverifiedUnit extends TableName {
  readonly unit: number;
  /** planned, written or committed */
  readonly state: string;
  /** Since it was planned. */
  readonly ageSeconds: number;
}

export async function readHistoryCondition(store: Queryable, node: string): Promise<HistoryCondition> {
  const { rows } = await store.query<{ condition: string }>(CONDITION, [node]);
  const oldest = await new FactReader(store).fact<string>('pg_stat_activity', OLDEST_READER);
  return {
    ...(JSON.parse(rows[0]!.condition) as Omit<HistoryCondition, 'oldestReader'>), // names and counts of the catalog only
    oldestReader: oldest === null ? null : (JSON.parse(oldest) as HistoryCondition['oldestReader']),
  };
}

/**
 * The drop of a range is due once a later range began before the window: then no question inside the window needs the older
 * one. (Empty ranges in between may be gone.) It is not due while its rows wait for a baseline or a repair.
 */
const CONDITION = `
  WITH windows AS (
    SELECT p.schema_name, p.table_name, p.tracked_from_ts, p.tracked_to_ts, c.applied_lsn, c.applied_ts, x.retention, x.relation_id
      FROM pgtimewarp.relation_retention AS x
      JOIN pgtimewarp.relation_periods AS p ON p.relation_id = x.relation_id
      JOIN pgtimewarp.wal_checkpoints AS c ON c.node_id = p.node_id
      LEFT JOIN pgtimewarp.tracked_relations AS t ON t.relation_id = x.relation_id
     WHERE p.node_id = $1::text AND x.retention IS NOT NULL AND NOT x.is_dropped
       AND p.baseline_state <> 'pending' AND t.repair IS NULL),
  due AS (
    SELECT g.relation_id, min(n.opened_ts) AS ts
      FROM pgtimewarp.relation_ranges AS g
      JOIN pgtimewarp.relation_ranges AS n
        ON n.relation_id = g.relation_id AND n.state = 'attached' AND n.from_lsn >= g.to_lsn
     WHERE g.state = 'attached' AND NOT g.is_base
     GROUP BY g.relation_id)
  SELECT json_build_object(
    'windows', coalesce((
       SELECT json_agg(json_build_object(
                'schema', w.schema_name, 'name', w.table_name,
                'overdueSeconds', coalesce(greatest(0,
                   extract(epoch FROM w.applied_ts - least(due.ts, w.tracked_to_ts) - w.retention)), 0)::int8,
                'rangeAhead', w.tracked_to_ts IS NOT NULL OR (w.tracked_from_ts <= w.applied_ts - w.retention / 4) IS NOT TRUE
                   OR EXISTS (
                   SELECT FROM pgtimewarp.relation_ranges AS g
                    WHERE g.relation_id = w.relation_id AND g.state = 'attached' AND g.to_lsn IS NULL
                      AND g.from_lsn > w.applied_lsn))
                ORDER BY w.schema_name, w.table_name, w.relation_id)
         FROM windows AS w LEFT JOIN due ON due.relation_id = w.relation_id), '[]'),
    'incomplete', coalesce((
       SELECT json_agg(json_build_object('schema', t.schema_name, 'name', t.table_name,
                                         'column', e.meta ->> 'column',
                                         'ageSeconds', extract(epoch FROM now() - e.ts)::int8)
                       ORDER BY e.id)
         FROM pgtimewarp.health_events AS e
         JOIN pgtimewarp.tracked_relations AS t
           ON t.node_id = e.node_id AND t.relation_id = (e.meta ->> 'relation_id')::int AND t.status <> 'untracked'
        WHERE e.node_id = $1::text AND e.code = 'COLUMN_INCOMPLETE'), '[]'),
    'unverified', coalesce((
       SELECT json_agg(json_build_object('schema', p.schema_name, 'name', p.table_name, 'unit', u.unit, 'state', u.state,
                                         'ageSeconds', extract(epoch FROM now() - u.planned_at)::int8)
                       ORDER BY p.schema_name, p.table_name, u.unit)
         FROM pgtimewarp.archive_units AS u
         JOIN pgtimewarp.relation_periods AS p ON p.relation_id = u.relation_id
        WHERE p.node_id = $1::text AND u.state <> 'verified'), '[]')
  )::text AS condition`;

const OLDEST_READER = `
  SELECT json_build_object('pid', pid, 'ageSeconds', extract(epoch FROM clock_timestamp() - xact_start)::int8)::text AS fact
    FROM pg_catalog.pg_stat_activity
   WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL AND backend_xmin IS NOT NULL
   ORDER BY xact_start LIMIT 1`;
