/** Adds to the log of what happened, for `events` and the doctor to show. */
import type { Queryable } from '../pg/connection.ts';

/** An event of no node in particular: every node shows it, and removing a node leaves it. */
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
