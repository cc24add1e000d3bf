/**
 * Waits for the slot. A run that died can leave a session on the source, which reads the slot until it notices that its
 * client is gone. The next run holds the claim, so that reader is left over from a dead run: wait at most 20 s.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { RunLimits } from './run-limits.ts';

const PATIENCE_MS = 20_000;

/** Does `work` on the source, again while the slot is in use. Throws SLOT_BUSY when it stays so, DEADLINE or INTERRUPTED. */
export async function whenSlotIsFree<T>(limits: RunLimits, work: () => Promise<T>): Promise<T> {
  const patience = performance.now() + PATIENCE_MS;
  for (let pauseMs = 20; ; pauseMs = Math.min(pauseMs * 2, 500)) {
    try {
      return await limits.onSource(work);
    } catch (error) {
      const inUse = error instanceof TimewarpError && error.code === 'SLOT_BUSY';
      if (!inUse || performance.now() > patience) throw error;
      await sleep(pauseMs);
      limits.checkStop();
    }
  }
}
