/** One set-up or removal of a node at a time: a lock of the store's session, which ends with it at the latest. */
import { setTimeout as sleep } from 'node:timers/promises';
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { Queryable } from '../pg/connection.ts';

/** First key of the advisory lock ("pgts" in ASCII); the second is a hash of the node. */
const LOCK_CLASS = 0x70677473;
const PATIENCE_MS = 20_000;
const PAUSE_MS = 250;

/** Waits for as long as it takes. */
export async function lockSetup(store: Queryable, node: string): Promise<void> {
  await store.query('SELECT pg_advisory_lock($1::int, hashtext($2::text))', [LOCK_CLASS, node]);
}

/**
 * Waits for a set-up that is under way, and does `meanwhile` now and then. Throws SLOT_BUSY when it does not end.
 */
export async function lockSetupPatiently(
  store: Queryable,
  node: string,
  meanwhile: () => Promise<unknown> = async () => {},
): Promise<void> {
  const patience = performance.now() + PATIENCE_MS;
  for (;;) {
    const { rows } = await store.query<{ locked: boolean }>(
      'SELECT pg_try_advisory_lock($1::int, hashtext($2::text)) AS locked',
      [LOCK_CLASS, node],
    );
    if (rows[0]!.locked) return;
    if (performance.now() > patience) {
      throw new TimewarpError('SLOT_BUSY', `Node "${node}" is being set up.`, {
        remedy: 'Repeat it when the set-up has ended.',
      });
    }
    await meanwhile();
    await sleep(PAUSE_MS);
  }
}
