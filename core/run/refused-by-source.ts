/** A change of the source that the server refuses does not stop the run: it is reported, and a later run tries again. */
import type pg from 'pg';
import { TimewarpError } from '../errors/timewarp-error.ts';
import { messageWithoutData, sqlState } from '../pg/database-error.ts';
import { writeDailyEvent } from '../store/health-events.ts';

/** SQLSTATE classes of refusals (PostgreSQL manual, "Error Codes"). A lost session or a time-out has another class. */
const REFUSALS: ReadonlySet<string> = new Set(['0A', '22', '42', '55', 'XX']);
const CODES: ReadonlySet<string> = new Set(['PUBLICATION_RIGHTS', 'PUBLICATION_MISSING', 'TABLE_CHANGING']);

/** Reports a refusal, once a day. Rethrows every other error. */
export async function tellRefusal(
  { store, nodeId }: { readonly store: pg.Client; readonly nodeId: string },
  code: 'COLUMN_LIST_OUTDATED' | 'GENERATED_HIDDEN' | 'REPAIR_WAITS' | 'SOURCE_WRITES_FAIL',
  error: unknown,
): Promise<void> {
  const isKnown = error instanceof TimewarpError && CODES.has(error.code);
  if (!isKnown && !REFUSALS.has(sqlState(error)?.slice(0, 2) ?? '')) throw error;
  const message = isKnown ? `${error.message} ${error.remedy}` : messageWithoutData(error);
  await writeDailyEvent(store, { nodeId, severity: 'warn', code, message });
}
