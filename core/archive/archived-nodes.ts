/** Which nodes of a store have an archive, and how long their units wait. */
import type { Queryable } from '../pg/connection.ts';

/**
 * Of these nodes those of which units are begun or under way. Their order is by chance: a node with more work than one run can do must
 * not keep the others waiting for ever.
 */
export async function readArchivedNodes(store: Queryable, nodes: readonly string[]): Promise<string[]> {
  const { rows } = await store.query<{ node_id: string }>(
    `SELECT n.node_id
       FROM pgtimewarp.nodes AS n
      WHERE n.node_id = ANY ($1::text[]) AND n.status <> 'removed'
        AND EXISTS (SELECT FROM pgtimewarp.archive_settings AS s
                     WHERE s.node_id = n.node_id
                       AND (s.is_on OR EXISTS (SELECT FROM pgtimewarp.archive_units AS u
                                                 JOIN pgtimewarp.relation_periods AS p ON p.relation_id = u.relation_id
                                                WHERE p.node_id = s.node_id AND p.schema_name = s.schema_name
                                                  AND p.table_name = s.table_name AND u.state <> 'verified')))
      ORDER BY random()`,
    [nodes],
  );
  return rows.map((row) => row.node_id);
}

/** How long the oldest unit of a node that is not verified has been due, in seconds; 0: none is. */
export async function readDueUnitAge(store: Queryable, node: string): Promise<number> {
  const { rows } = await store.query<{ age: number }>(
    `SELECT coalesce(ceil(extract(epoch FROM clock_timestamp() - min(u.planned_at)))::int, 0) AS age
       FROM pgtimewarp.archive_units AS u
       JOIN pgtimewarp.relation_periods AS p ON p.relation_id = u.relation_id
       JOIN pgtimewarp.archive_settings AS s
         ON s.node_id = p.node_id AND s.schema_name = p.schema_name AND s.table_name = p.table_name
      WHERE p.node_id = $1::text AND u.state <> 'verified'`,
    [node],
  );
  return rows[0]!.age;
}
