/** Writes health events, which `events` and doctor show. */
import type { Queryable } from '../pg/connection.ts';

export type Severity = 'info' | 'warn' | 'fail';

/** Adds a health event. `meta` holds figures, never row data. */
export async function writeHealthEvent(
  store: Queryable,
  event: {
    readonly nodeId: string | null;
    readonly severity: Severity;
    readonly code: string;
    readonly message: string;
    readonly meta?: object;
  },
): Promise<void> {
  await store.query(
    `INSERT INTO pgtimewarp.health_events (node_id, severity, code, message, meta)
     VALUES ($1::text, $2::text, $3::text, $4::text, $5::jsonb)`,
    [event.nodeId, event.severity, event.code, event.message, JSON.stringify(event.meta ?? {})],
  );
}

/** Like {@link writeHealthEvent}, but not if the same event was written within a day. */
export async function writeDailyEvent(
  store: Queryable,
  event: Parameters<typeof writeHealthEvent>[1],
): Promise<void> {
  const { rows } = await store.query(
    `SELECT FROM pgtimewarp.health_events
      WHERE node_id = $1::text AND code = $2::text AND message = $3::text AND ts > now() - interval '1 day' LIMIT 1`,
    [event.nodeId, event.code, event.message],
  );
  if (rows.length === 0) await writeHealthEvent(store, event);
}

/** Adds an event without a node: every node shows it, and it stays when a node is removed. */
export async function addHealthEvent(
  store: Queryable,
  event: { readonly severity: 'info' | 'warn' | 'fail'; readonly code: string; readonly message: string },
): Promise<void> {
  await store.query(
    `INSERT INTO pgtimewarp.health_events (severity, code, message)
     VALUES ($1::text, $2::text, $3::text)`,
    [event.severity, event.code, event.message],
  );
}
