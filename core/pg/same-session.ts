/**
 * Whether the server process behind a session is still the one that it was opened on. A pooler in transaction mode gives
 * every transaction another one: settings and locks of the session are then somebody else's, and a lock that was taken
 * stays behind. Each session of ours carries a mark of its own, in a setting, by which it is known again.
 */
import { randomUUID } from 'node:crypto';
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { DatabaseSide } from './database-error.ts';

const MARKS = new WeakMap<object, string>();

/** As an expression of SQL: the mark of the process that runs the statement; NULL on one that was never ours. */
export const MARK_SQL = `current_setting('pgtimewarp.session', true)`;

/** As SQL: marks the process of the session, for the first time or again. */
export function markSessionSql(session: object): string {
  const mark = MARKS.get(session) ?? randomUUID();
  MARKS.set(session, mark);
  return `SET pgtimewarp.session = '${mark}'`;
}

/** The mark of a session that `connect` has opened; null of any other. */
export function markOf(session: object): string | null {
  return MARKS.get(session) ?? null;
}

/** Throws SESSION_CHANGED when what a statement has read by {@link MARK_SQL} is not the mark of its session. */
export function requireSameSession(session: object, side: DatabaseSide, found: string | null): void {
  const mark = markOf(session);
  if (mark === null || mark === found) return;
  throw new TimewarpError(
    'SESSION_CHANGED',
    `Between two transactions the ${side} gave the session another server process: a pooler in transaction mode.`,
    { facts: { side } },
  );
}
