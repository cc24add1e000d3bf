/** Tells apart errors about data from errors about a session, a right or an object: only the former repeat with the same data. */

/** SQLSTATE classes in which a server refuses data (PostgreSQL manual, "PostgreSQL Error Codes"). */
const DATA_CLASSES = new Set(['0A', '21', '22', '23', '54', 'P0', 'XX']);

/** @param state an SQLSTATE, if there is one */
export function isDataRefused(state: unknown): boolean {
  return typeof state === 'string' && DATA_CLASSES.has(state.slice(0, 2));
}
