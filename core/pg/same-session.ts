/**
 * Checks whether a session still has the server process that it was opened on. A pooler in transaction mode may give every
 * transaction another process: it lacks the settings and locks of the session, and locks stay behind on the old one. So each
 * session of ours marks its process by a setting with a random value.
 */
import { randomUUID } from 'node:crypto';
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { DatabaseSide } from './database-error.ts';

const MARKS = new WeakMap<object, string>();

/** An SQL expression: the mark of the process that runs the statement; NULL on a process without a mark. */
export const MARK_SQL = `current_setting('pgtimewarp.session', true)`;

/** SQL that marks the process of the session, for the first time or again. */
export function markSessionSql(session: object): string {
  const mark = MARKS.get(session) ?? randomUUID();
  MARKS.set(session, mark);
  return `SET pgtimewarp.session = '${mark}'`;
}

/** The mark of a session that `connect` has opened; null for any other. */
export function markOf(session: object): string | null {
  return MARKS.get(session) ?? null;
}

/** Throws SESSION_CHANGED when a statement has read another mark by {@link MARK_SQL} than that of its session. */
export function requireSameSession(session: object, side: DatabaseSide, found: string | null): void {
  const mark = markOf(session);
  if (mark === null || mark === found) return;
  throw new TimewarpError(
    'SESSION_CHANGED',
    `Between two transactions the ${side} gave the session another server process: a pooler in transaction mode.`,
    { facts: { side } },
  );
}
