/**
 * Reading the rows of one table can fail for reasons of that table: a right that is missing, a value that is too large, a key that
 * the store cannot index. Neither the run nor other tables are held up by that: it is noted with the table, told once a
 * day, and tried again by every run.
 */
import type pg from 'pg';
import type { TimewarpError } from '../../errors/timewarp-error.ts';
import { fromDatabaseError } from '../../pg/database-error.ts';
import { formatTableName } from '../../pg/identifiers.ts';
import { writeDailyEvent } from '../../store/health-events.ts';
import type { Claim } from '../../store/node/claim.ts';
import { noteReadFailure } from '../../store/tables/baseline.ts';
import type { TrackedRelation } from '../../store/tables/read.ts';

/** SQLSTATE classes in which a server refuses a statement or a value, others than limits, locks and lost sessions. */
const REFUSALS: ReadonlySet<string> = new Set(['0A', '21', '22', '23', '42', '54', 'P0', 'XX']);

/** Does `work` for a relation. @returns what it returns; undefined when it failed for a reason of the table */
export async function forTable<T>(
  { store, claim }: { readonly store: pg.Client; readonly claim: Claim },
  { relationId, name }: TrackedRelation,
  work: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    const failure = fromDatabaseError(error, 'store'); // the source's errors have been named as such before
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

/** Whether the reason is one table, and reading others may go on. */
export function isOfTable(failure: TimewarpError): boolean {
  if (['ROW_TOO_LARGE', 'KEY_TOO_LONG', 'PERMISSION_DENIED'].includes(failure.code)) return true;
  const state = failure.facts.sqlstate;
  return failure.code === 'DATABASE_ERROR' && typeof state === 'string' && REFUSALS.has(state.slice(0, 2));
}
