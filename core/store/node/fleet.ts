/** All nodes of a store at once: which of them a function serves, and how far the worst of them is behind. */
import type { Queryable } from '../../pg/connection.ts';

/** One of several equal parts of the nodes; a node is always in the same part of as many. */
export interface PartOfNodes {
  /** From 0. */
  readonly part: number;
  readonly of: number;
}

/**
 * The names of the nodes of a part that were not removed: by turns the one that is the furthest behind and one drawn by lot. A node that
 * cannot be read stays the furthest behind; many of them, always first, could take all time of every run.
 */
export async function readNodeNames(store: Queryable, { part, of }: PartOfNodes): Promise<string[]> {
  const { rows } = await store.query<{ node_id: string }>(
    `SELECT r.node_id
       FROM (SELECT n.node_id, row_number() OVER (ORDER BY c.applied_ts NULLS FIRST, n.node_id) AS place,
                    row_number() OVER (ORDER BY random()) AS lot
               FROM pgtimewarp.nodes AS n LEFT JOIN pgtimewarp.wal_checkpoints AS c ON c.node_id = n.node_id
              WHERE n.status <> 'removed' AND (hashtext(n.node_id)::bigint & 2147483647) % $2::int = $1::int) AS r
      ORDER BY least(r.place, r.lot), r.place`,
    [part, of],
  );
  return rows.map((row) => row.node_id);
}

/** How far the horizon that is the furthest behind is, in seconds, by the clock of the store; null: there is no node. */
export async function readWorstHorizonAge(store: Queryable): Promise<number | null> {
  const { rows } = await store.query<{ age: number | null }>(
    `SELECT ceil(extract(epoch FROM greatest(clock_timestamp() - min(c.applied_ts), interval '0')))::int AS age
       FROM pgtimewarp.wal_checkpoints AS c JOIN pgtimewarp.nodes AS n ON n.node_id = c.node_id
      WHERE n.status <> 'removed'`,
  );
  return rows[0]!.age;
}
