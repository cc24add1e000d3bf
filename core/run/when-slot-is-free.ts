/**
 * A run that died leaves its session on the source behind, which goes on reading the slot until it finds nobody to send
 * to. The next run holds the claim of the node, so whoever reads has no say any more: it is waited for, but not for ever.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { RunLimits } from './run-limits.ts';

const PATIENCE_MS = 20_000;

/** Does `work` on the source, again while the slot is in use. Throws SLOT_BUSY when it stays so, and what ends a run. */
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
