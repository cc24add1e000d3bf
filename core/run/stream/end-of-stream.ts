/**
 * Whether the stream has delivered everything that was committed before the end of WAL of a run. Only then may the horizon move
 * there, and the slot: what is passed over is lost, and answers that were final would have been wrong.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { TimewarpError } from '../../errors/timewarp-error.ts';
import type { EndOfWal } from '../../source/slot/end-of-wal.ts';
import { formatLsn } from '../../types/lsn.ts';
import type { RunContext } from '../run-context.ts';

/** How long a decoder that is late is waited for, look by look. */
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
