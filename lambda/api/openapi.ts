/** The OpenAPI 3.1 document, from the routes and their schemas (JSON Schema 2020-12, which is what OpenAPI 3.1 speaks). */
import * as z from 'zod';
import { HTTP, type HttpStatus } from './http-status.ts';
import { PROBLEM_CONTENT } from './problem.ts';
import { ROUTES, type Route } from './routes.ts';
import * as schemas from './schemas.ts';

const DESCRIPTIONS: Partial<Record<HttpStatus, string>> = {
  [HTTP.ok]: 'The answer',
  [HTTP.notModified]: 'The answer that the caller has is still right',
  [HTTP.badRequest]: 'The request is wrong as it is written',
  [HTTP.unauthorized]: 'No token, or not the right one (only where the server asks for one)',
  [HTTP.notFound]: 'The row was absent; or there is no such node or tracked table. `type` tells',
  [HTTP.unknown]: 'Whether the row was there is not known; or the node has not been read up to `await_lsn`',
  [HTTP.gone]: 'The history of that time is expired or erased',
  [HTTP.tooLarge]: 'The answer does not fit into a response, or the request is too big',
  [HTTP.misdirected]:
    'The Host header names another machine (only where the server is for its own, without a token)',
  [HTTP.internal]: 'The server failed',
  [HTTP.unavailable]: 'The store does not answer',
};

const NAMED = {
  Answer: schemas.Answer,
  AnswerProblem: schemas.AnswerProblem,
  Answers: schemas.Answers,
  Diff: schemas.Diff,
  Health: schemas.Health,
  Nodes: schemas.Nodes,
  Problem: schemas.Problem,
  Tables: schemas.Tables,
};

/** Plain data, the same on every call. */
export function buildOpenApi(version: string): object {
  return {
    openapi: '3.1.0',
    info: {
      title: 'pgtimewarp',
      version,
      description: 'Rows of tracked PostgreSQL tables as they were, and how they changed.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    security: [{}, { bearer: [] }],
    paths: Object.fromEntries(
      Object.values<Route>(ROUTES).map((route) => [
        route.path,
        { [(route.method ?? 'GET').toLowerCase()]: operation(route) },
      ]),
    ),
    components: {
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } },
      schemas: Object.fromEntries(Object.entries(NAMED).map(([name, schema]) => [name, jsonSchema(schema)])),
    },
  };
}

function operation(route: Route): object {
  return {
    operationId: route.operationId,
    summary: route.summary,
    parameters: [
      ...Object.entries(route.pathParameters).map(([name, schema]) => parameter(name, 'path', schema, true)),
      ...Object.entries(route.query.shape).map(([name, schema]) =>
        parameter(name, 'query', schema as z.ZodType, !(schema as z.ZodType).safeParse(undefined).success),
      ),
      ...(route.keepable ? [parameter('If-None-Match', 'header', z.string(), false)] : []),
    ],
    ...(route.body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: { 'application/json': { schema: jsonSchema(route.body) } },
          },
        }),
    responses: Object.fromEntries(
      Object.entries({
        ...route.responses,
        [HTTP.unauthorized]: [schemas.Problem],
        [HTTP.misdirected]: [schemas.Problem],
      }).map(([status, bodies]) => [
        status,
        response(route, Number.parseInt(status, 10) as HttpStatus, bodies),
      ]),
    ),
  };
}

function parameter(
  name: string,
  place: 'path' | 'query' | 'header',
  schema: z.ZodType,
  required: boolean,
): object {
  return { name, in: place, required, schema: jsonSchema(schema) };
}

function response(route: Route, status: HttpStatus, bodies: readonly z.ZodType[] | null): object {
  const description = DESCRIPTIONS[status]!;
  const headers =
    status === HTTP.ok && route.keepable
      ? { ETag: { schema: { type: 'string' }, description: 'of a final answer' } }
      : {};
  if (bodies === null) return { description };
  const references = bodies.map((body) => ({ $ref: `#/components/schemas/${nameOf(body)}` }));
  const schema = references.length === 1 ? references[0] : { anyOf: references };
  const type = status === HTTP.ok ? 'application/json' : PROBLEM_CONTENT;
  return {
    description,
    ...(Object.keys(headers).length > 0 ? { headers } : {}),
    content: { [type]: { schema } },
  };
}

/** Query parameters are described as what is typed, documents as what is sent. */
function jsonSchema(schema: z.ZodType): object {
  const { $schema, ...rest } = z.toJSONSchema(schema, { io: 'input', reused: 'inline' }) as Record<
    string,
    unknown
  >;
  return rest;
}

function nameOf(schema: z.ZodType): string {
  const found = Object.entries(NAMED).find(([, each]) => each === schema);
  if (found === undefined) throw new Error('a response has a schema without a name');
  return found[0];
}
