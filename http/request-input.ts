/** Reads a request into what a route takes. Everything that is wrong with it is BAD_FLAGS, in one sentence. */
import type { Context } from 'hono';
import type * as z from 'zod';
import { TimewarpError } from '../core/errors/timewarp-error.ts';
import { type Instant, parseInstant } from '../core/query/instant.ts';

/** The query of a request by its schema: parameters that it does not know, or that come twice, are refused. */
export function readQuery<T extends z.ZodObject>(context: Context, schema: T): z.output<T> {
  const given: Record<string, string> = {};
  for (const [name, values] of Object.entries(context.req.queries())) {
    if (values.length > 1) throw badRequest(`The parameter ${name.slice(0, 40)} is given more than once.`);
    given[name] = values[0]!;
  }
  return check(schema, given);
}

export function readPathParameter<T extends z.ZodType>(
  context: Context,
  name: string,
  schema: T,
): z.output<T> {
  return check(schema, context.req.param(name), name);
}

/** As on the command line; a plus sign that nobody encoded has become a space on the way. */
export function readInstant(text: string | undefined): Instant | null {
  if (text === undefined) return null;
  try {
    return parseInstant(text);
  } catch (error) {
    if (!(error instanceof TimewarpError) || !text.includes(' ')) throw error;
    throw new TimewarpError(error.code, error.message, {
      remedy: `${error.remedy} In a URL write + as %2B.`,
    });
  }
}

/** Throws unless every percent sign of the URL begins a character. */
export function requireEncoding(url: string): void {
  const path = url.replace(/^[a-z]+:\/\/[^/]*/i, '');
  try {
    decodeURIComponent(path.replaceAll('+', ' '));
  } catch (cause) {
    throw new TimewarpError('BAD_FLAGS', 'The URL is not percent-encoded UTF-8.', {
      cause,
      remedy: 'Encode names and values as UTF-8; a percent sign itself is %25.',
    });
  }
}

/**
 * Throws where the path, as it was sent, has a segment `.` or `..`: it would be resolved here, after whoever let the request
 * through by its path has read another (RFC 3986 section 5.2.4: to be resolved by the client).
 */
export function requirePlainPath(pathAsSent: string): void {
  const [path = ''] = pathAsSent.split('?');
  const segments = path.replaceAll(/%2e/gi, '.').split(/[/\\]/);
  if (!segments.some((segment) => segment === '.' || segment === '..')) return;
  throw new TimewarpError('BAD_FLAGS', 'The path has a segment "." or "..".', {
    remedy: 'Send the path that is meant.',
  });
}

/** Throws BAD_FLAGS with the first thing that is wrong. */
export function check<T extends z.ZodType>(schema: T, value: unknown, name = ''): z.output<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue?.code === 'unrecognized_keys' ? '' : `${name || issue?.path.join('.') || 'request'}: `;
  const missing = issue?.code === 'invalid_type' && issue.message.includes('received undefined');
  throw badRequest(`${where}${missing ? 'is missing' : (issue?.message ?? 'is wrong')}.`.slice(0, 200));
}

function badRequest(message: string): TimewarpError {
  return new TimewarpError('BAD_FLAGS', message, { remedy: 'See /openapi.json.' });
}
