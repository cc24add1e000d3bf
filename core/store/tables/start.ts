/** How the tracking of a table begins: it is requested, waits for transactions that have locked the table, and starts at a horizon. */
import type { Queryable } from '../../pg/connection.ts';
import type { TableName } from '../../pg/identifiers.ts';
import type { StoreTransaction } from '../../pg/transaction.ts';
import { formatCommitTime } from '../../types/commit-time.ts';
import { formatLsn } from '../../types/lsn.ts';
import type { Horizon } from '../node/claim.ts';
import type { StoredColumn } from './facts.ts';
import type { TrackedRelation } from './read.ts';
import { type StartConditions, wantsRows } from './state.ts';

export interface NewRelation {
  readonly nodeId: string;
  readonly name: TableName;
  readonly relid: number;
  readonly keyColumns: readonly string[];
  readonly keyKinds: readonly string[];
  readonly columns: readonly StoredColumn[];
  readonly persistence: string;
  readonly replicaIdentity: string;
  readonly isPartitioned: boolean;
  readonly baseline: boolean;
  /** As interval text; null: the default of the node. Without a default the store keeps everything. */
  readonly retention: string | null;
  readonly excludedColumns: readonly string[];
  /** Declared: its numeric and float columns never hold NaN or Infinity. */
  readonly noNan: boolean;
}

/**
 * Creates the entry and its partition. An earlier, ended period of the table moves to `past_relations`, where its history
 * stays readable under its own id.
 */
export async function insertRelation(store: StoreTransaction, relation: NewRelation): Promise<number> {
  await keepEndedPeriod(store, relation);
  const { rows } = await store.query<{ relation_id: number }>(
    `INSERT INTO pgtimewarp.tracked_relations (node_id, schema_name, table_name, lsn_space, relid, pk_columns, pk_kinds,
            columns, persistence, replica_identity, is_partitioned, baseline_state, retention, excluded_columns, no_nan)
     SELECT $1::text, $2::text, $3::text, c.lsn_space, $4::oid, $5::text[], $6::text[], $7::jsonb, $8::"char", $9::"char",
            $10::boolean, CASE WHEN $11::boolean THEN 'pending' ELSE 'none' END,
            coalesce($12::interval, (n.meta ->> 'default_retention')::interval), $13::text[], $14::boolean
       FROM pgtimewarp.wal_checkpoints AS c JOIN pgtimewarp.nodes AS n ON n.node_id = c.node_id
      WHERE c.node_id = $1::text
     RETURNING relation_id`,
    [
      relation.nodeId,
      relation.name.schema,
      relation.name.name,
      relation.relid,
      relation.keyColumns,
      relation.keyKinds,
      JSON.stringify(relation.columns),
      relation.persistence,
      relation.replicaIdentity,
      relation.isPartitioned,
      relation.baseline,
      relation.retention,
      relation.excludedColumns,
      relation.noNan,
    ],
  );
  const relationId = rows[0]!.relation_id;
  await store.query('SELECT pgtimewarp.create_relation_partition($1::int)', [relationId]);
  return relationId;
}

/**
 * Moves an ended entry of the table to `past_relations`. It looks first: a run that follows a pattern has the rights of
 * pgtimewarp_writer, which may not delete, and only takes tables without an entry.
 */
async function keepEndedPeriod(store: StoreTransaction, { nodeId, name }: NewRelation): Promise<void> {
  const entry = [nodeId, name.schema, name.name];
  const { rows } = await store.query(
    `SELECT FROM pgtimewarp.tracked_relations
      WHERE node_id = $1::text AND schema_name = $2::text AND table_name = $3::text AND status = 'untracked'`,
    entry,
  );
  if (rows.length === 0) return;
  await store.query(
    `WITH ended AS (
       DELETE FROM pgtimewarp.tracked_relations
        WHERE node_id = $1::text AND schema_name = $2::text AND table_name = $3::text AND status = 'untracked'
       RETURNING *)
     INSERT INTO pgtimewarp.past_relations (relation_id, node_id, schema_name, table_name, lsn_space, pk_columns, pk_kinds,
            columns, tracked_from_lsn, tracked_from_ts, tracked_to_lsn, tracked_to_ts, baseline_state, baseline_lsn,
            unseen_unknown_before_lsn, unseen_unknown_before_ts, excluded_columns, catalog_facts)
     SELECT relation_id, node_id, schema_name, table_name, lsn_space, pk_columns, pk_kinds,
            columns, tracked_from_lsn, tracked_from_ts, tracked_to_lsn, tracked_to_ts, baseline_state, baseline_lsn,
            unseen_unknown_before_lsn, unseen_unknown_before_ts, excluded_columns, catalog_facts
       FROM ended`,
    entry,
  );
}

/**
 * Begins a new period of a table after a gap of its node. Its baseline rows get the position just before the end of the gap,
 * which no commit can have. So deletions at the end of the gap are changes of the new period.
 */
// biome-ignore lint/complexity/useMaxParams: each caller has exactly these values at hand
export async function continueRelation(
  store: StoreTransaction,
  before: TrackedRelation,
  after: Omit<NewRelation, 'retention' | 'baseline'>,
  end: Horizon,
): Promise<void> {
  const relationId = await insertRelation(store, {
    ...after,
    retention: before.retention,
    baseline: wantsRows(before.state),
  });
  await store.query(
    `UPDATE pgtimewarp.tracked_relations
        SET status = 'active', tracked_from_lsn = $2::pg_lsn - 1, tracked_from_ts = $3::timestamptz,
            follows_relation_id = CASE WHEN pk_columns = $5::text[] THEN $4::int END, updated_at = now()
      WHERE relation_id = $1::int`,
    [relationId, formatLsn(end.lsn), formatCommitTime(end.time), before.relationId, before.keyColumns],
  );
}

/** Stores which transactions the relations wait for, and from which position they can start. */
export async function writeStartConditions(
  store: Queryable,
  conditions: ReadonlyMap<number, StartConditions>,
): Promise<void> {
  if (conditions.size === 0) return;
  await store.query(
    `UPDATE pgtimewarp.tracked_relations AS r SET start_conditions = n.conditions::jsonb, updated_at = now()
       FROM unnest($1::int[], $2::text[]) AS n (relation_id, conditions)
      WHERE r.relation_id = n.relation_id`,
    [[...conditions.keys()], [...conditions.values()].map((each) => JSON.stringify(each))],
  );
}

/** Fixes L0 of starting relations whose conditions the horizon has passed. */
export async function startRelations(
  store: StoreTransaction,
  relationIds: readonly number[],
  horizon: Horizon,
): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.tracked_relations
        SET status = 'active', tracked_from_lsn = $2::pg_lsn, tracked_from_ts = $3::timestamptz, updated_at = now()
      WHERE relation_id = ANY ($1::int[]) AND status = 'starting'`,
    [relationIds, formatLsn(horizon.lsn), formatCommitTime(horizon.time)],
  );
}

/** Ends gaps that were open when an earlier period of the tables ended: from the new start on the tables are known again. */
export async function endGapsOfPast(
  store: StoreTransaction,
  relationIds: readonly number[],
  horizon: Horizon,
): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.history_gaps AS g
        SET to_lsn = CASE WHEN p.lsn_space = r.lsn_space THEN $2::pg_lsn END, to_ts = $3::timestamptz
       FROM pgtimewarp.past_relations AS p
       JOIN pgtimewarp.tracked_relations AS r
         ON (r.node_id, r.schema_name, r.table_name) = (p.node_id, p.schema_name, p.table_name)
      WHERE r.relation_id = ANY ($1::int[]) AND g.relation_id = p.relation_id AND g.to_ts IS NULL`,
    [relationIds, formatLsn(horizon.lsn), formatCommitTime(horizon.time)],
  );
}
