/** Allows one set-up or removal of a node at a time, by an advisory lock of a session of the store. It ends with the session at the latest. */
import { setTimeout as sleep } from 'node:timers/promises';
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { Queryable } from '../pg/connection.ts';
import { isLacking } from '../pg/lacking.ts';

/** First key of the advisory lock ("pgts" in ASCII); the second is a hash of the node. */
const LOCK_CLASS = 0x70677473;
const PATIENCE_MS = 20_000;
const PAUSE_MS = 250;
const AFTER_END_MS = 3_000;

/** Waits without a limit. */
export async function lockSetup(store: Queryable, node: string): Promise<void> {
  await store.query('SELECT pg_advisory_lock($1::int, hashtext($2::text))', [LOCK_CLASS, node]);
}

/**
 * Waits for a set-up that is under way, and calls `meanwhile` regularly. Throws SLOT_BUSY if the set-up does not end.
 * @param meanwhile requests the end of the set-up. If the set-up does not obey, it hangs, and its session is terminated.
 */
export async function lockSetupPatiently(
  store: Queryable,
  node: string,
  meanwhile: (() => Promise<unknown>) | null = null,
): Promise<void> {
  let patience = performance.now() + PATIENCE_MS;
  let mayEnd = meanwhile !== null;
  for (;;) {
    const { rows } = await store.query<{ locked: boolean }>(
      'SELECT pg_try_advisory_lock($1::int, hashtext($2::text)) AS locked',
      [LOCK_CLASS, node],
    );
    if (rows[0]!.locked) return;
    if (performance.now() > patience) {
      if (!mayEnd) {
        throw new TimewarpError('SLOT_BUSY', `Node "${node}" is being set up.`, {
          remedy: 'Repeat the command when the set-up has ended.',
        });
      }
      await endHolder(store, node);
      mayEnd = false;
      patience += AFTER_END_MS;
    }
    await meanwhile?.();
    await sleep(PAUSE_MS);
  }
}

/** Ends the session of the set-up in the store: without it a set-up cannot finish. PostgreSQL may refuse that for another login. */
async function endHolder(store: Queryable, node: string): Promise<void> {
  try {
    await store.query(
      `SELECT pg_catalog.pg_terminate_backend(l.pid) FROM pg_catalog.pg_locks AS l
        WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
          AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database())
          AND l.classid = $1::int::oid AND l.objid = (hashtext($2::text)::int8 & 4294967295)::oid`,
      [LOCK_CLASS, node],
    );
  } catch (error) {
    if (!isLacking(error)) throw error;
  }
}
