/**
 * Reading the rows of one table can fail for a reason that concerns this table only: a missing right, a value that is too
 * large, a key that the store cannot index. The run and other tables continue. The failure is stored with the table and
 * reported once a day, and every run tries again.
 */
import type pg from 'pg';
import type { TimewarpError } from '../../errors/timewarp-error.ts';
import { fromDatabaseError } from '../../pg/database-error.ts';
import { formatTableName } from '../../pg/identifiers.ts';
import { writeDailyEvent } from '../../store/health-events.ts';
import type { Claim } from '../../store/node/claim.ts';
import { noteReadFailure } from '../../store/tables/baseline.ts';
import type { TrackedRelation } from '../../store/tables/read.ts';

/** SQLSTATE classes in which a server refuses a statement or a value. Limits, locks and lost sessions have other classes. */
const REFUSALS: ReadonlySet<string> = new Set(['0A', '21', '22', '23', '42', '54', 'P0', 'XX']);

/** Does `work` for a relation. @returns its result; undefined when it failed for a reason that concerns the table only */
export async function forTable<T>(
  { store, claim }: { readonly store: pg.Client; readonly claim: Claim },
  { relationId, name }: TrackedRelation,
  work: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    const failure = fromDatabaseError(error, 'store'); // onSource() has already marked errors of the source
    if (!isOfTable(failure)) throw error;
    const message = `The rows of ${formatTableName(name)} cannot be read: ${failure.message}`;
    await noteReadFailure(store, relationId, message);
    await writeDailyEvent(store, {
      nodeId: claim.nodeId,
      severity: 'fail',
      code: 'TABLE_UNREADABLE',
      message,
    });
    return undefined;
  }
}

/** Whether the failure concerns one table only, so that the run may read others. */
export function isOfTable(failure: TimewarpError): boolean {
  if (['ROW_TOO_LARGE', 'KEY_TOO_LONG', 'PERMISSION_DENIED'].includes(failure.code)) return true;
  const state = failure.facts.sqlstate;
  return failure.code === 'DATABASE_ERROR' && typeof state === 'string' && REFUSALS.has(state.slice(0, 2));
}
