/** Parses the parts of a request. Throws BAD_FLAGS with one sentence if a part is wrong. */
import type { Context } from 'hono';
import type * as z from 'zod';
import { TimewarpError } from '../core/errors/timewarp-error.ts';
import type { ColumnValues } from '../core/query/history-page.ts';
import { type Instant, parseInstant } from '../core/query/instant.ts';
import { parseTableSegment } from '../documents/table-segment.ts';
import { NodeName } from '../documents/values.ts';
import { namedSchema } from './history-schemas.ts';
import { TableSegment } from './schemas.ts';

/**
 * Parses the query of a request by its schema. Refuses parameters that the schema does not have, or that come twice. Parameters
 * `PREFIX.NAME` are gathered where the schema has values by name.
 */
export function readQuery<T extends z.ZodObject>(context: Context, schema: T): z.output<T> {
  const given = new Map<string, string | Map<string, string>>();
  for (const [name, values] of Object.entries(context.req.queries())) {
    if (values.length > 1) throw badRequest(`The parameter ${name.slice(0, 40)} is given more than once.`);
    const dot = name.indexOf('.');
    const prefix = name.slice(0, Math.max(0, dot));
    if (!Object.hasOwn(schema.shape, prefix) || namedSchema(schema.shape[prefix] as z.ZodType) === null) {
      given.set(name, values[0]!);
      continue;
    }
    const members = given.get(prefix);
    if (typeof members === 'string') continue; // the parameter without a name is refused
    given.set(prefix, new Map(members).set(name.slice(dot + 1), values[0]!));
  }
  const entries = [...given].map(([name, value]) => [
    name,
    typeof value === 'string' ? value : Object.fromEntries(value),
  ]);
  return check(schema, Object.fromEntries(entries));
}

export function readPathParameter<T extends z.ZodType>(
  context: Context,
  name: string,
  schema: T,
): z.output<T> {
  return check(schema, context.req.param(name), name);
}

/** The node and table of the path. */
export function readTable(context: Context): { node: string; table: ReturnType<typeof parseTableSegment> } {
  const node = readPathParameter(context, 'node', NodeName);
  return { node, table: parseTableSegment(readPathParameter(context, 'table', TableSegment)) };
}

/** What a row must have: `where.COLUMN=VALUE` and `null=COLUMN,…` together. Undefined: nothing was asked for. Throws BAD_FLAGS. */
export function rowValues(query: {
  readonly where?: Readonly<Record<string, string>> | undefined;
  readonly null?: readonly string[] | undefined;
}): ColumnValues | undefined {
  const { where, null: nulls = [] } = query;
  if (where === undefined && nulls.length === 0) return undefined;
  const values = new Map<string, string | null>(Object.entries(where ?? {}));
  for (const name of nulls) {
    if (values.has(name))
      throw badRequest(`The column ${name.slice(0, 60)} is named more than once in where and null.`);
    values.set(name, null);
  }
  return Object.fromEntries(values);
}

/** As on the command line. A plus sign that the client did not encode arrives as a space. */
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

/** Throws if a percent sign of the URL does not begin a valid character. */
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
 * Throws if the path, as the client sent it, has a segment `.` or `..`. This server would resolve it to another path than the one
 * by which a gateway permitted the request. RFC 3986 section 5.2.4: the client resolves such segments.
 */
export function requirePlainPath(pathAsSent: string): void {
  const [path = ''] = pathAsSent.split('?');
  const segments = path.replaceAll(/%2e/gi, '.').split(/[/\\]/);
  if (!segments.some((segment) => segment === '.' || segment === '..')) return;
  throw new TimewarpError('BAD_FLAGS', 'The path has a segment "." or "..".', {
    remedy: 'Send the path without such segments.',
  });
}

/** Throws BAD_FLAGS with the first mistake. */
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
