/**
 * Removes history for good. Everything happens in the caller's transaction: a purge is whole or not at all.
 */
import type { Queryable } from '../pg/connection.ts';

/** Removes every period of every table of a node, and all that is kept for the node as a whole, and the node itself. */
export async function purgeNode(store: Queryable, node: string): Promise<{ relations: number }> {
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

/** Removes the rows, events and leaves of relations, and who made the commits that touched nothing else; their entries in `tracked_relations` stay. */
export async function dropHistory(store: Queryable, relationIds: readonly number[]): Promise<void> {
  await store.query('SELECT pgtimewarp.drop_relation_partition(id) FROM unnest($1::int[]) AS id', [
    relationIds,
  ]);
  await store.query('DELETE FROM pgtimewarp.relation_events WHERE relation_id = ANY ($1::int[])', [
    relationIds,
  ]);
  await store.query('DELETE FROM pgtimewarp.relation_leaves WHERE relation_id = ANY ($1::int[])', [
    relationIds,
  ]);
  await store.query('DELETE FROM pgtimewarp.history_gaps WHERE relation_id = ANY ($1::int[])', [relationIds]);
  await store.query(
    `DELETE FROM pgtimewarp.transaction_contexts AS t
      WHERE t.relation_ids && $1::int[] AND NOT pgtimewarp.context_is_kept(t.node_id, t.lsn_space, t.lsn, t.relation_ids)`,
    [relationIds],
  );
}

/** Those that refer to `nodes` before it. */
const TABLES_BY_NODE = [
  'blocked_changes',
  'history_gaps',
  'health_events',
  'lsn_time_map',
  'transaction_contexts',
  'past_relations',
  'tracked_relations',
  'wal_checkpoints',
  'nodes',
];
