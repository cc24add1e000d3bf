/**
 * Handles a transaction that cannot be applied. Later runs try it alone, so that they know which transaction it is. After
 * MAX_FAILURES runs the node is blocked, with position and reason. It is never dropped.
 */
import type pg from 'pg';
import type { TimewarpError } from '../../errors/timewarp-error.ts';
import { isDataRefused } from '../../pg/data-refused.ts';
import { inTransaction } from '../../pg/transaction.ts';
import { isUnprintable } from '../../source/slot/locate-unreadable.ts';
import { type Claim, lockCheckpoint } from '../../store/node/claim.ts';
import { blockNode, MAX_FAILURES, recordFailure, type Suspect } from '../../store/node/failures.ts';
import { formatLsn } from '../../types/lsn.ts';

/** Whether a retry will probably fail in the same way. */
export function isPoison(failure: TimewarpError): boolean {
  if (['STREAM_UNREADABLE', 'ROW_TOO_LARGE', 'INTERNAL'].includes(failure.code)) return true;
  const { sqlstate: state, side } = failure.facts;
  if (failure.code !== 'DATABASE_ERROR' || typeof state !== 'string') return false;
  return isDataRefused(state) || (side === 'source' && isUnprintable(state));
}

/**
 * Counts the failure, and blocks the node after MAX_FAILURES.
 * @returns why the node is blocked; null when a later run tries again
 */
export async function bearFailure(
  { store, claim }: { readonly store: pg.Client; readonly claim: Claim },
  failure: TimewarpError,
  suspect: Suspect | null,
): Promise<string | null> {
  const failures = await recordFailure(store, claim, failure, suspect);
  if (failures < MAX_FAILURES) return null;
  const where = suspect === null ? 'what follows' : `${nameOf(suspect)} at ${formatLsn(suspect.lsn)}`;
  const reason = `${where} could not be applied in ${failures} runs: ${failure.message}`;
  await inTransaction(store, async (tx) => {
    await lockCheckpoint(tx, claim);
    await blockNode(tx, claim, reason, suspect);
  });
  return reason;
}

function nameOf({ xid }: Suspect): string {
  return xid === null ? 'the transaction' : `transaction ${xid}`;
}
