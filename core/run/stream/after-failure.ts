/** What follows a failure of a run with a claim: most failures end the run, some change the state of the node. */
import { fromDatabaseError } from '../../pg/database-error.ts';
import type { Suspect } from '../../store/node/failures.ts';
import type { Loss } from '../loss/detect-loss.ts';
import type { RunContext } from '../run-context.ts';
import { bearFailure, isPoison } from './poison.ts';

/**
 * busy: another run has taken the node | deadline: the time was over | gap: changes are lost, and the gap is not recorded yet |
 * blocked: the run reached MAX_FAILURES and has blocked the node
 */
export type AfterFailure =
  | { readonly outcome: 'busy' | 'deadline' }
  | { readonly outcome: 'gap'; readonly loss: Loss }
  | { readonly outcome: 'blocked'; readonly reason: string };

/** Counts a failure that a retry may not solve. Throws the failure itself when the run ends with it. */
export async function afterFailure(
  { store, claim, limits }: RunContext,
  error: unknown,
  suspect: Suspect | null,
): Promise<AfterFailure> {
  const failure = fromDatabaseError(error, 'store'); // onSource() has already marked errors of the source
  if (failure.code === 'CLAIM_LOST') return { outcome: 'busy' };
  if (limits.isTimeUp(failure)) return { outcome: 'deadline' };
  if (failure.code === 'HISTORY_FORKED' || failure.code === 'SLOT_MISSING')
    return { outcome: 'gap', loss: { code: failure.code, reason: failure.message } };
  if (isPoison(failure)) {
    const reason = await bearFailure({ store, claim }, failure, suspect);
    if (reason !== null) return { outcome: 'blocked', reason };
  }
  throw failure;
}
