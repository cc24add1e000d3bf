/** When the removal of a node was requested. A setup that began before and still runs must not finish. */
import type { Queryable } from '../../pg/connection.ts';

/** Records the request, also for a node that the store does not know (yet). */
export async function askRemoval(store: Queryable, node: string): Promise<void> {
  await store.query(
    `INSERT INTO pgtimewarp.removals AS r (node_id, asked_at) VALUES ($1::text, clock_timestamp())
     ON CONFLICT ON CONSTRAINT removals_pkey DO UPDATE SET asked_at = excluded.asked_at -- only the last request counts`,
    [node],
  );
}

/** Whether the removal was requested within the last `withinMs`. */
export async function isRemovalAsked(store: Queryable, node: string, withinMs: number): Promise<boolean> {
  const { rows } = await store.query(
    `SELECT FROM pgtimewarp.removals
      WHERE node_id = $1::text AND asked_at > clock_timestamp() - make_interval(secs => $2::float8 / 1000)`,
    [node, withinMs],
  );
  return rows.length > 0;
}
