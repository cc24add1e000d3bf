/** The slot moves only to positions that the store has committed. */
import { advanceSlot } from '../source/slot/advance.ts';
import type { RunContext } from './run-context.ts';

/** Moves the slot to the horizon. */
export async function advance({ source, node, claim, limits }: RunContext): Promise<void> {
  await limits.onSource(() => advanceSlot(source, node.slotName, claim.horizon.lsn));
}
