/**
 * Makes responses, and problem documents (RFC 9457) from errors. A problem shows no internals: an error that is not the caller's
 * fault gets an id, and the log has the details under that id.
 */
import { randomUUID } from 'node:crypto';
import type { TimewarpError } from '../core/errors/timewarp-error.ts';
import { type ProblemMembers, problemText } from '../documents/problem.ts';
import { HTTP, type HttpStatus, statusOfError } from './http-status.ts';
import { inParameters } from './in-parameters.ts';

export const PROBLEM_CONTENT = 'application/problem+json';

export interface Refusal extends ProblemMembers {
  readonly status: HttpStatus;
}

/** The response for any error. */
export function problem({
  headers,
  ...members
}: Refusal & { readonly headers?: Readonly<Record<string, string>> }): Response {
  return respond(members.status, problemText(members), {
    'content-type': PROBLEM_CONTENT,
    'cache-control': 'no-store',
    ...headers,
  });
}

/** The problem document of an error that the caller made. */
export function problemTextOfError(error: TimewarpError): string {
  return problemText(clientProblem(error));
}

function clientProblem(error: TimewarpError): Refusal {
  const { code, message, remedy } = error;
  const status = statusOfError(error);
  return {
    ...{ status, kind: `error:${code}`, title: titleOf(status) },
    ...{ detail: message, remedy: inParameters(remedy) },
  };
}

/** Retry-After of a 503. */
const RETRY_SECONDS = '5';

/** The response for an error. If it is not the caller's fault, `report` gets the whole error, with the id that the caller sees. */
export function problemOfError(
  error: TimewarpError,
  report: (error: TimewarpError, id: string) => void,
): Response {
  const status = statusOfError(error);
  if (status < HTTP.internal) {
    const headers: Record<string, string> = error.code === 'HORIZON_BEHIND' ? { 'retry-after': '1' } : {};
    return problem({ ...clientProblem(error), headers });
  }
  const id = `urn:uuid:${randomUUID()}`;
  report(error, id);
  return status === HTTP.unavailable
    ? problem({
        status,
        kind: `error:${error.code}`,
        title: `The ${unavailable(error)} is not available`,
        detail: `The ${unavailable(error)} does not answer.`,
        instance: id,
        headers: { 'retry-after': RETRY_SECONDS },
      })
    : problem({
        status,
        kind: 'error:INTERNAL',
        title: titleOf(status),
        detail: 'The request failed. The log of the server has the reason under this instance.',
        instance: id,
      });
}

/** What a 503 is about. */
const unavailable = ({ code }: TimewarpError): string =>
  code === 'ARCHIVE_UNREACHABLE' ? 'archive' : 'store';

const TITLES: Partial<Record<HttpStatus, string>> = {
  [HTTP.badRequest]: 'The request is not well-formed',
  [HTTP.notFound]: 'The resource does not exist',
  [HTTP.unknown]: 'Not known yet',
  [HTTP.internal]: 'Internal error',
};

function titleOf(status: HttpStatus): string {
  return TITLES[status] ?? 'Error';
}

/** A response whose text is sent as it is. */
export function respond(status: HttpStatus, text: string | null, headers: Record<string, string>): Response {
  const length: Record<string, string> =
    text === null ? {} : { 'content-length': String(Buffer.byteLength(text)) };
  return new Response(text, { status, headers: { ...length, ...headers } });
}
