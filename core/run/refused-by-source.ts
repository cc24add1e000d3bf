/** What a run may not or cannot change on the source must not keep it from reading: it is told, and tried again later. */
import type pg from 'pg';
import { TimewarpError } from '../errors/timewarp-error.ts';
import { messageWithoutData, sqlState } from '../pg/database-error.ts';
import { writeDailyEvent } from '../store/health-events.ts';

/** SQLSTATE classes of what the server refuses (PostgreSQL manual, "Error Codes"), others than a lost session or a time-out. */
const REFUSALS: ReadonlySet<string> = new Set(['0A', '22', '42', '55', 'XX']);
const CODES: ReadonlySet<string> = new Set(['PUBLICATION_RIGHTS', 'PUBLICATION_MISSING', 'TABLE_CHANGING']);

/** Tells it once a day; rethrows what is no refusal. */
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
