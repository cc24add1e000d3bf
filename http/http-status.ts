/** The HTTP status of every outcome. An error code that is not listed has 400 if the request was wrong, otherwise 500. */
import { ERROR_CODES, type ErrorCode } from '../core/errors/codes.ts';
import type { TimewarpError } from '../core/errors/timewarp-error.ts';
import type { AsOfReason, AsOfStatus } from '../core/query/as-of.ts';

export const HTTP = {
  ok: 200,
  noContent: 204,
  notModified: 304,
  badRequest: 400,
  unauthorized: 401,
  forbidden: 403,
  notFound: 404,
  methodNotAllowed: 405,
  timeout: 408,
  unknown: 409,
  gone: 410,
  tooLarge: 413,
  expectationFailed: 417,
  misdirected: 421,
  headersTooLarge: 431,
  internal: 500,
  unavailable: 503,
} as const;

export type HttpStatus = (typeof HTTP)[keyof typeof HTTP];

const OF_CODE: Partial<Record<ErrorCode, HttpStatus>> = {
  NODE_UNKNOWN: HTTP.notFound,
  TABLE_NOT_TRACKED: HTTP.notFound,
  TRANSACTION_UNKNOWN: HTTP.notFound,
  HORIZON_BEHIND: HTTP.unknown,
  ROWS_UNKNOWN: HTTP.unknown,
  VALUES_UNKNOWN: HTTP.unknown,
  ARCHIVE_UNREACHABLE: HTTP.unavailable,
  INTERRUPTED: HTTP.unknown, // the caller disconnected while it waited
  STORE_UNREACHABLE: HTTP.unavailable,
  AUTHENTICATION_FAILED: HTTP.unavailable,
  SECRET_UNREADABLE: HTTP.unavailable,
  DATABASE_MISSING: HTTP.unavailable,
  SCHEMA_OUTDATED: HTTP.unavailable,
  TRANSACTION_CONFLICT: HTTP.unavailable, // a standby as store cancels queries that conflict with replay
};

export function statusOfError({ code, facts }: Pick<TimewarpError, 'code' | 'facts'>): HttpStatus {
  if (code === 'ROWS_UNKNOWN' && facts.reason === 'expired') return HTTP.gone;
  return OF_CODE[code] ?? (ERROR_CODES[code].action === 'client' ? HTTP.badRequest : HTTP.internal);
}

/** absent: 404. unknown: 409, or 410 if the history has expired or was erased. */
export function statusOfAnswer(status: AsOfStatus, reason: AsOfReason | null): HttpStatus {
  if (status === 'found') return HTTP.ok;
  if (status === 'absent') return HTTP.notFound;
  return reason === 'expired' || reason === 'erased' ? HTTP.gone : HTTP.unknown;
}
