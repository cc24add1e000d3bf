/** The slot follows what the store has committed, never the other way round. */
import { advanceSlot } from '../source/slot/advance.ts';
import type { RunContext } from './run-context.ts';

/** Moves the slot to the horizon. */
export async function advance({ source, node, claim, limits }: RunContext): Promise<void> {
  await limits.onSource(() => advanceSlot(source, node.slotName, claim.horizon.lsn));
}
