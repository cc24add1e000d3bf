/**
 * Maps failures of database sessions to our codes, by SQLSTATE (PostgreSQL manual, appendix "PostgreSQL Error Codes") or socket
 * error. Messages never contain row data or passwords.
 */
import type { ErrorCode } from '../errors/codes.ts';
import { TimewarpError } from '../errors/timewarp-error.ts';
import { isTooLong } from '../errors/too-long.ts';
import { tlsRemedy } from './tls-remedy.ts';

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

/** serialization_failure and deadlock_detected: the statement was right, and may succeed later. */
const CONFLICT_STATES = new Set(['40001', '40P01']);

/** read_only_sql_transaction: our sessions override a read-only default, so this server accepts no writes at all. */
const READ_ONLY_TRANSACTION = '25006';
const READ_ONLY_CODES = { source: 'SOURCE_IN_RECOVERY', store: 'STORE_READ_ONLY' } as const;

/** SQLSTATEs of a statement during which a table was dropped, renamed or altered. A deadlock with such a change is one. */
const DEFINITION_CHANGE_STATES = new Set(['42P01', '42703', '40P01']);

/** A state of class 22 that quotes settings and arguments, not row data: messages keep the quotes. */
const INVALID_PARAMETER_VALUE = '22023';

/** From the first quotation mark to the last, for the languages of server messages. */
const QUOTED = /["„“”«»「」][\s\S]*["„“”«»「」]/;

const SIDES = new WeakMap<object, DatabaseSide>();

/** Notes the side that an error came from, for code that catches it far from the session. */
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

/** Whether a query of the source failed because the definition of a table changed meanwhile. */
export function isDefinitionChange(error: unknown): boolean {
  const state = error instanceof TimewarpError ? error.facts.sqlstate : sqlState(error);
  return typeof state === 'string' && DEFINITION_CHANGE_STATES.has(state);
}

/** As {@link fromDatabaseError}, for queries of tables that the catalog had a moment before. */
export function fromTableQuery(error: unknown): TimewarpError {
  if (error instanceof TimewarpError || !isDefinitionChange(error)) return fromDatabaseError(error, 'source');
  return new TimewarpError(
    'TABLE_CHANGING',
    `The definition of a table changed while its catalog or rows were read: ${messageWithoutData(error)}.`,
    { cause: error, facts: { side: 'source', sqlstate: sqlState(error) ?? null } },
  );
}

/**
 * The message of an error without the values that PostgreSQL quotes in it: errors of class 22 ("data exception") quote the value
 * that did not fit. (The row that a constraint refused is in the DETAIL, which is never shown.)
 */
export function messageWithoutData(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const state = sqlState(error);
  if (state?.startsWith('22') !== true || state === INVALID_PARAMETER_VALUE) return error.message;
  return error.message.replace(QUOTED, '"…"');
}

/** The stack of an error for --verbose, with its message from {@link messageWithoutData}. */
export function stackWithoutData(error: Error): string {
  const [shown, full] = [messageWithoutData(error), error.message];
  const stack = error.stack ?? `${error.name}: ${full}`;
  return shown === full ? stack : stack.replace(full, () => shown);
}

/**
 * Turns any error of a session into a TimewarpError. A TimewarpError is returned unchanged.
 * @param expected the side of the session, if the error does not have it
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
  const make = (code: ErrorCode, text: string, remedy?: string): TimewarpError =>
    new TimewarpError(code, text, {
      cause: error,
      facts: { side, sqlstate: state ?? null },
      ...(remedy === undefined ? {} : { remedy }),
    });
  const unreachable = side === 'source' ? 'SOURCE_UNREACHABLE' : 'STORE_UNREACHABLE';

  if (state === undefined) {
    if (isTooLong(error))
      return make('ROW_TOO_LARGE', `A row of the ${side} is larger than this program can hold in memory.`);
    if (message.startsWith('SASL'))
      // the password is missing, or the server does not know it
      return make('AUTHENTICATION_FAILED', `The login to the ${side} ${target} failed: ${message}.`);
    return isConnectionFailure(error, message)
      ? make(
          unreachable,
          `The ${side} ${target} cannot be reached: ${message || 'no answer'}.`,
          tlsRemedy(error, side),
        )
      : make('INTERNAL', message);
  }
  if (state === '28P01' || state === '28000')
    return make('AUTHENTICATION_FAILED', `The ${side} refused the login: ${message}.`);
  if (state === '3D000') return make('DATABASE_MISSING', `The ${side} ${target}: ${message}.`);
  if (UNREACHABLE_STATES.has(state)) return make(unreachable, `The ${side} ${target}: ${message}.`);
  if (state === READ_ONLY_TRANSACTION)
    return make(READ_ONLY_CODES[side], `The ${side} accepts no writes: ${message}.`);
  if (state === '42501') return make('PERMISSION_DENIED', `The ${side}: ${message}.`);
  if (state === '55006') return make('SLOT_BUSY', `The ${side}: ${message}.`);
  if (side === 'store' && isSchemaMissing(state, message)) {
    return new TimewarpError('SCHEMA_OUTDATED', 'The store has no pgtimewarp schema, or an older one.', {
      cause: error,
      remedy:
        'For a new store run `pgtimewarp init`, which creates the schema and a node; for one of an older version `pgtimewarp migrate`.',
      facts: { side, sqlstate: state },
    });
  }
  if (CONFLICT_STATES.has(state)) return make('TRANSACTION_CONFLICT', `The ${side}: ${message}.`);
  return make('DATABASE_ERROR', `The ${side}: ${message} (SQLSTATE ${state}).`);
}

/** Whether a table or function of our schema is missing. The partitions of row_changes do not count: they come and go. */
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
