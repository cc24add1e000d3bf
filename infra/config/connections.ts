/**
 * How many connections a store allows, and how many the functions may open at a time. If questions used them all, the store would
 * refuse runs. One execution environment handles one request, so a function has as many sessions as it has environments.
 */

export interface StoreCapacity {
  readonly kind: 'new' | 'existing';
  readonly maxConnections: number | null;
  readonly minCapacity?: number;
  readonly maxCapacity?: number;
}

/** For each node that is served at a time: a run of the poller and a session that may end it, and a diagnosis of doctor. */
const PER_NODE = 4;
/** For the deployment, maintenance, the archiver, rotations, an operator with psql, and the connections that Aurora reserves. */
const COMMON = 10;

/** @param parts null: each node has a schedule, so all may run at a time */
export function connectionsOfFunctions(
  nodes: number,
  { parts, nodesAtOnce }: { readonly parts: number | null; readonly nodesAtOnce: number },
): number {
  const atOnce = parts === null ? nodes : Math.min(nodes, parts * nodesAtOnce);
  return atOnce * PER_NODE + COMMON;
}

/**
 * null if the configuration does not tell. Aurora User Guide, "Maximum connections for Aurora Serverless v2": 189 for 1 unit, 823 for
 * 4, 1669 for 8, 3360 for 16, at most 5000; at most 2000 if the least capacity is 0 or 0.5. Other capacities lie on the same line.
 */
export function connectionsOfStore(store: StoreCapacity): number | null {
  if (store.maxConnections !== null) return store.maxConnections;
  if (store.kind === 'existing') return null;
  const limit = (store.minCapacity ?? 0) <= 0.5 ? 2000 : 5000;
  return Math.min(limit, Math.floor(211.4 * (store.maxCapacity ?? 1) - 22));
}
