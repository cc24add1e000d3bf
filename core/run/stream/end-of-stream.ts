/**
 * Checks that the stream has delivered every commit before the end of WAL of a run. Only then may horizon and slot move there.
 * Otherwise commits would be lost, and final answers would be wrong.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { TimewarpError } from '../../errors/timewarp-error.ts';
import type { EndOfWal } from '../../source/slot/end-of-wal.ts';
import { formatLsn } from '../../types/lsn.ts';
import type { RunContext } from '../run-context.ts';

/** The waits for a late decoder, one per look. */
const PAUSES_MS = [50, 200, 800, 2000];

/**
 * Call it when a peek has delivered all that there is up to `end`.
 * @param looks how often this was asked before in the run
 * @returns null: peek again. Throws POSITIONS_DIFFER
 */
export async function reachedEnd(
  { endMarks, limits }: RunContext,
  { complete, mark, upto }: EndOfWal,
  looks: number,
): Promise<boolean | null> {
  if (!complete || mark === null) return complete;
  const at = endMarks.get(mark.id);
  if (at === undefined) {
    const pauseMs = PAUSES_MS[looks];
    if (pauseMs === undefined) return false;
    await sleep(pauseMs);
    limits.checkStop();
    return null;
  }
  if (at > mark.after && at <= upto) return true;
  throw new TimewarpError(
    'POSITIONS_DIFFER',
    `The source says that its log stood at ${formatLsn(mark.after)}, then at ${formatLsn(upto)}; what was written in between comes from the slot at ${formatLsn(at)}.`,
  );
}
