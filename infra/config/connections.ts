/**
 * How many connections a store takes, and how many the functions may have at a time: more than it takes would turn away
 * runs because of questions. One execution environment handles one request, so a function has as many sessions of its
 * kind as it has environments.
 */

interface StoreCapacity {
  readonly kind: 'new' | 'existing';
  readonly maxConnections: number | null;
  readonly minCapacity?: number;
  readonly maxCapacity?: number;
}

/** Of a node: a run of the poller and what ends it, the doctor's examination. */
const PER_NODE = 4;
/** The deployment, maintenance, rotations, somebody with psql, and what Aurora keeps for itself. */
const COMMON = 10;

export function connectionsOfFunctions(nodes: number): number {
  return nodes * PER_NODE + COMMON;
}

/**
 * null where nobody said. Aurora User Guide, "Maximum connections for Aurora Serverless v2": 189 of 1 unit, 823 of 4, 1669 of 8,
 * 3360 of 16, 5000 at most; 2000 at most where the least capacity is 0 or 0.5. What is between lies on the same line.
 */
export function connectionsOfStore(store: StoreCapacity): number | null {
  if (store.maxConnections !== null) return store.maxConnections;
  if (store.kind === 'existing') return null;
  const limit = (store.minCapacity ?? 0) <= 0.5 ? 2000 : 5000;
  return Math.min(limit, Math.floor(211.4 * (store.maxCapacity ?? 1) - 22));
}
