/**
 * What a failure of a database session means: the one table from SQLSTATEs and socket errors to our codes
 * (PostgreSQL manual, appendix "PostgreSQL Error Codes"). Messages never carry row data or passwords.
 */
import type { ErrorCode } from '../errors/codes.ts';
import { TimewarpError } from '../errors/timewarp-error.ts';
import { isTooLong } from '../errors/too-long.ts';

export type DatabaseSide = 'source' | 'store';

const SOCKET_ERRORS = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'ETIMEDOUT',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EPIPE',
  'EAI_AGAIN',
  'ENOENT',
]);

/** SQLSTATEs after which the session is gone or the server is not ready: the call may succeed later. */
const UNREACHABLE_STATES = new Set([
  '57P01',
  '57P02',
  '57P03',
  '08000',
  '08003',
  '08006',
  '08001',
  '08004',
  '53300',
]);

/** serialization_failure and deadlock_detected: nothing is wrong with what was asked, only with the moment. */
const CONFLICT_STATES = new Set(['40001', '40P01']);

/** read_only_sql_transaction: our sessions may write wherever the server lets them, so it is one that cannot be written to. */
const READ_ONLY_TRANSACTION = '25006';
const READ_ONLY_CODES = { source: 'SOURCE_IN_RECOVERY', store: 'STORE_READ_ONLY' } as const;

/** SQLSTATEs of a statement beneath which a table was dropped, renamed or altered, or that gave way to such a change. */
const DEFINITION_CHANGE_STATES = new Set(['42P01', '42703', '40P01']);

/** Class 22, but about settings and arguments, whose names help. */
const INVALID_PARAMETER_VALUE = '22023';

/** From the first quotation mark to the last, in the languages in which servers speak. */
const QUOTED = /["„“”«»「」][\s\S]*["„“”«»「」]/;

const SIDES = new WeakMap<object, DatabaseSide>();

/** Notes where an error came from, for whoever meets it far from the session. */
export function noteSide(error: unknown, side: DatabaseSide): void {
  if (typeof error === 'object' && error !== null) SIDES.set(error, side);
}

/** The side of a session whose query failed with this error; undefined for anything else. */
export function sideOf(error: unknown): DatabaseSide | undefined {
  return typeof error === 'object' && error !== null ? SIDES.get(error) : undefined;
}

/** The SQLSTATE of an error of pg, undefined for anything else. */
export function sqlState(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && !code.startsWith('E') ? code : undefined;
}

/** Whether a query of a source failed because the definition of a table changed beneath it. */
export function isDefinitionChange(error: unknown): boolean {
  const state = error instanceof TimewarpError ? error.facts.sqlstate : sqlState(error);
  return typeof state === 'string' && DEFINITION_CHANGE_STATES.has(state);
}

/** As {@link fromDatabaseError}, of queries about tables that the catalog had a moment before. */
export function fromTableQuery(error: unknown): TimewarpError {
  if (error instanceof TimewarpError || !isDefinitionChange(error)) return fromDatabaseError(error, 'source');
  return new TimewarpError(
    'TABLE_CHANGING',
    `A table of the source was changed while it was looked at: ${messageWithoutData(error)}.`,
    { cause: error, facts: { side: 'source', sqlstate: sqlState(error) ?? null } },
  );
}

/**
 * What an error says, without the values that PostgreSQL quotes in it: errors of class 22 ("data exception") name the
 * value that did not fit. (What a check or a key refused stands in the DETAIL, which is never shown.)
 */
export function messageWithoutData(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const state = sqlState(error);
  if (state?.startsWith('22') !== true || state === INVALID_PARAMETER_VALUE) return error.message;
  return error.message.replace(QUOTED, '"…"');
}

/** The stack of an error, for who asks for it; its message as {@link messageWithoutData} gives it. */
export function stackWithoutData(error: Error): string {
  const [shown, full] = [messageWithoutData(error), error.message];
  const stack = error.stack ?? `${error.name}: ${full}`;
  return shown === full ? stack : stack.replace(full, () => shown);
}

/**
 * Turns whatever a session threw into a TimewarpError (returned as it is when it already is one).
 * @param expected whose session it was, where that was not noted with the error
 * @param target the connection without its password, for the message
 */
export function fromDatabaseError(
  error: unknown,
  expected: DatabaseSide,
  target = sideOf(error) ?? (expected as string),
): TimewarpError {
  if (error instanceof TimewarpError) return error;
  const side = sideOf(error) ?? expected;
  const message = messageWithoutData(error) || String((error as { code?: string }).code);
  const state = sqlState(error);
  const make = (code: ErrorCode, text: string): TimewarpError =>
    new TimewarpError(code, text, { cause: error, facts: { side, sqlstate: state ?? null } });
  const unreachable = side === 'source' ? 'SOURCE_UNREACHABLE' : 'STORE_UNREACHABLE';

  if (state === undefined) {
    if (isTooLong(error))
      return make('ROW_TOO_LARGE', `A row of the ${side} is larger than this program can hold at once.`);
    if (message.startsWith('SASL'))
      // the password is missing, or the server does not know it
      return make('AUTHENTICATION_FAILED', `The ${side} ${target} could not be logged into: ${message}.`);
    return isConnectionFailure(error, message)
      ? make(unreachable, `The ${side} ${target} cannot be reached: ${message || 'no answer'}.`)
      : make('INTERNAL', message);
  }
  if (state === '28P01' || state === '28000')
    return make('AUTHENTICATION_FAILED', `The ${side} refused the login: ${message}.`);
  if (state === '3D000') return make('DATABASE_MISSING', `The ${side} ${target}: ${message}.`);
  if (UNREACHABLE_STATES.has(state)) return make(unreachable, `The ${side} ${target}: ${message}.`);
  if (state === READ_ONLY_TRANSACTION)
    return make(READ_ONLY_CODES[side], `The ${side} can only be read: ${message}.`);
  if (state === '42501') return make('PERMISSION_DENIED', `The ${side}: ${message}.`);
  if (state === '55006') return make('SLOT_BUSY', `The ${side}: ${message}.`);
  if (side === 'store' && isSchemaMissing(state, message)) {
    return new TimewarpError('SCHEMA_OUTDATED', 'The store has no pgtimewarp schema, or an older one.', {
      cause: error,
      remedy:
        'A new store: `pgtimewarp init`, which sets it and a node up. One of an older version: `pgtimewarp migrate`.',
      facts: { side, sqlstate: state },
    });
  }
  if (CONFLICT_STATES.has(state)) return make('TRANSACTION_CONFLICT', `The ${side}: ${message}.`);
  return make('DATABASE_ERROR', `The ${side}: ${message} (SQLSTATE ${state}).`);
}

/** A table of ours is not there; those that hold the history of one table come and go. */
function isSchemaMissing(state: string, message: string): boolean {
  if (state !== '42P01' && state !== '3F000') return false;
  return /pgtimewarp/.test(message) && !/row_changes_r\d/.test(message);
}

function isConnectionFailure(error: unknown, message: string): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code === 'string' && SOCKET_ERRORS.has(code)) return true;
  if (error instanceof AggregateError)
    return error.errors.some((each) => isConnectionFailure(each, String(each)));
  return /connection (terminated|timeout|ended)|timeout expired|certificate|SSL|TLS|not queryable/i.test(
    message,
  );
}
