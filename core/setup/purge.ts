/**
 * Deletes history for good, in one transaction: a purge is complete or does nothing.
 */
import type { StoreTransaction } from '../pg/transaction.ts';

/** Deletes every tracking period of every table of a node, all other data of the node, and the node itself. */
export async function purgeNode(store: StoreTransaction, node: string): Promise<{ relations: number }> {
  const { rows } = await store.query<{ relation_id: number }>(
    'SELECT relation_id FROM pgtimewarp.relation_periods WHERE node_id = $1::text',
    [node],
  );
  const relationIds = rows.map((row) => row.relation_id);
  await dropHistory(store, relationIds);
  for (const table of TABLES_BY_NODE)
    await store.query(`DELETE FROM pgtimewarp.${table} WHERE node_id = $1::text`, [node]);
  return { relations: relationIds.length };
}

/**
 * Deletes the history of one period of a table that is no longer tracked. Its entry stays and says that the history has expired, so that
 * answers about deleted rows are `expired`.
 */
export async function purgeRelation(store: StoreTransaction, relationId: number): Promise<void> {
  await dropHistory(store, [relationId]);
  await store.query(
    `INSERT INTO pgtimewarp.relation_retention AS x (relation_id, expired_before_lsn, expired_before_ts, is_dropped)
     SELECT relation_id, tracked_to_lsn + 1, tracked_to_ts + interval '1 microsecond', true
       FROM pgtimewarp.tracked_relations
      WHERE relation_id = $1::int AND tracked_from_lsn IS NOT NULL
     ON CONFLICT ON CONSTRAINT relation_retention_pkey DO UPDATE -- the table had a window, or was purged before
        SET expired_before_lsn = excluded.expired_before_lsn, expired_before_ts = excluded.expired_before_ts, is_dropped = true`,
    [relationId],
  );
}

/** Deletes the rows, events and leaves of relations, and the contexts of commits that changed no other table. The entries in `tracked_relations` stay. */
export async function dropHistory(store: StoreTransaction, relationIds: readonly number[]): Promise<void> {
  await store.query('SELECT pgtimewarp.drop_relation_partition(id) FROM unnest($1::int[]) AS id', [
    relationIds,
  ]);
  await store.query('DELETE FROM pgtimewarp.archive_files WHERE relation_id = ANY ($1::int[])', [
    relationIds,
  ]);
  await store.query('DELETE FROM pgtimewarp.archive_units WHERE relation_id = ANY ($1::int[])', [
    relationIds,
  ]);
  await store.query('DELETE FROM pgtimewarp.relation_events WHERE relation_id = ANY ($1::int[])', [
    relationIds,
  ]);
  await store.query('DELETE FROM pgtimewarp.relation_leaves WHERE relation_id = ANY ($1::int[])', [
    relationIds,
  ]);
  await store.query('DELETE FROM pgtimewarp.virtual_columns WHERE relation_id = ANY ($1::int[])', [
    relationIds,
  ]);
  await store.query('DELETE FROM pgtimewarp.history_gaps WHERE relation_id = ANY ($1::int[])', [relationIds]);
  await store.query(
    `DELETE FROM pgtimewarp.transaction_contexts AS t
      WHERE t.relation_ids && $1::int[] AND NOT pgtimewarp.context_is_kept(t.node_id, t.lsn_space, t.lsn, t.relation_ids)`,
    [relationIds],
  );
}

/** Tables that refer to `nodes` come before it. */
const TABLES_BY_NODE = [
  'blocked_changes',
  'history_gaps',
  'health_events',
  'lsn_time_map',
  'transaction_contexts',
  'past_relations',
  'tracked_relations',
  'wal_checkpoints',
  'archive_settings',
  'follow_rules',
  'removals',
  'nodes',
];
