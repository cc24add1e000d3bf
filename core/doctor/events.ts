/** Reads the events of nodes. */
import type { Queryable } from '../pg/connection.ts';
import { formatCommitTime, parseCommitTime } from '../types/commit-time.ts';

export interface HealthEvent {
  readonly id: string;
  /** RFC 3339. */
  readonly ts: string;
  readonly severity: 'info' | 'warn' | 'fail';
  readonly code: string;
  readonly message: string;
}

/** The latest events of a node, and those that concern no single node, newest first. */
export async function readHealthEvents(
  store: Queryable,
  { node, limit }: { node: string; limit: number },
): Promise<HealthEvent[]> {
  const { rows } = await store.query<HealthEvent>(
    `SELECT id, ts, severity, code, message
       FROM pgtimewarp.health_events
      WHERE node_id = $1::text OR node_id IS NULL
      ORDER BY id DESC
      LIMIT $2::int`,
    [node, limit],
  );
  return rows.map((row) => ({ ...row, ts: formatCommitTime(parseCommitTime(row.ts)) }));
}
