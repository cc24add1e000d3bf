/** When the removal of a node was requested. A setup that began before and still runs must not finish. */
import type { Queryable } from '../../pg/connection.ts';

/**
 * Records the request, also for a node that the store does not know (yet).
 * @param begunMs when the removal began, by performance.now(): a set-up that began later is not meant, even if this statement comes late
 */
export async function askRemoval(store: Queryable, node: string, begunMs: number): Promise<void> {
  await store.query(
    `INSERT INTO pgtimewarp.removals AS r (node_id, asked_at)
     VALUES ($1::text, clock_timestamp() - make_interval(secs => $2::float8 / 1000))
     ON CONFLICT ON CONSTRAINT removals_pkey DO UPDATE SET asked_at = greatest(r.asked_at, excluded.asked_at) -- the last one counts`,
    [node, performance.now() - begunMs],
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
