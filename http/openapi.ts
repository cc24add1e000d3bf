/** Makes the OpenAPI 3.1 document from the routes and their schemas (JSON Schema 2020-12, as OpenAPI 3.1 requires). */
import * as z from 'zod';
import * as activity from '../documents/activity.ts';
import * as answer from '../documents/answer.ts';
import * as checks from '../documents/checks.ts';
import * as diff from '../documents/diff.ts';
import * as history from '../documents/history.ts';
import * as node from '../documents/node.ts';
import { Problem } from '../documents/problem.ts';
import * as restore from '../documents/restore.ts';
import * as table from '../documents/table.ts';
import * as tableRows from '../documents/table-rows.ts';
import { Point } from '../documents/values.ts';
import { namedSchema } from './history-schemas.ts';
import { HTTP, type HttpStatus } from './http-status.ts';
import { PROBLEM_CONTENT } from './problem.ts';
import { RestorePlanBody } from './restore-body.ts';
import type { Route } from './route.ts';
import { ROUTES } from './routes.ts';
import { BatchBody } from './schemas.ts';

const DESCRIPTIONS: Partial<Record<HttpStatus, string>> = {
  [HTTP.ok]: 'The answer',
  [HTTP.notModified]: 'The answer that the caller already has is still correct',
  [HTTP.badRequest]: 'The request is not valid',
  [HTTP.unauthorized]: 'The token is missing or wrong (only if the server requires one)',
  [HTTP.forbidden]:
    'The claim of the token names neither this node nor this table (only if the deployment uses a claim)',
  [HTTP.notFound]:
    'The row did not exist, or the node, tracked table or transaction does not exist. `type` tells which',
  [HTTP.unknown]:
    'It is unknown whether the row existed, or which rows did, or the node has not reached `await_lsn`',
  [HTTP.gone]: 'The history of that time has expired or was erased',
  [HTTP.methodNotAllowed]: 'The route does not allow this method',
  [HTTP.headersTooLarge]: 'URL and headers are too long together',
  [HTTP.tooLarge]: 'The answer does not fit into a response, or the request is too large',
  [HTTP.misdirected]:
    'The Host header names another machine (only if the server requires no token and serves its own machine)',
  [HTTP.internal]: 'The server failed',
  [HTTP.unavailable]: 'The store does not answer, or the archive, if the answer needs it',
};

/** Schemas that get a name in the document. Others refer to them by it, so generated clients make one type of each. */
const NAMED: Readonly<Record<string, z.ZodType>> = {
  Activity: activity.Activity,
  ActivityBucket: activity.ActivityBucket,
  Answer: answer.Answer,
  AnswerProblem: answer.AnswerProblem,
  Answers: answer.Answers,
  AsOfPoint: answer.AsOfPoint,
  Assumes: answer.Assumes,
  BatchBody,
  Change: diff.Change,
  ChangedValue: diff.ChangedValue,
  Check: checks.Check,
  Commit: answer.Commit,
  Diff: diff.Diff,
  FoundVersion: history.FoundVersion,
  FoundVersions: history.FoundVersions,
  Health: checks.Health,
  HorizonPoint: answer.HorizonPoint,
  LastRun: node.LastRun,
  Node: node.Node,
  NodeHealth: checks.NodeHealth,
  Nodes: node.Nodes,
  Operation: answer.Operation,
  Point,
  Problem,
  Reason: answer.Reason,
  RestoreConflict: restore.RestoreConflictOf,
  RestorePlan: restore.Restore,
  RestorePlanBody,
  RestoreRefusal: restore.RestoreRefusal,
  RestoreTable: restore.RestoreTable,
  Row: answer.Row,
  Table: table.Table,
  TableChange: history.TableChange,
  TableChanges: history.TableChanges,
  TableOfNode: history.TableOfNode,
  TableRows: tableRows.TableRows,
  Tables: table.Tables,
  Tier: answer.Tier,
  Transaction: history.Transaction,
  TransactionChange: history.TransactionChange,
  TransactionChanges: history.TransactionChanges,
  TransactionTable: history.TransactionTable,
  Transactions: history.Transactions,
  UnknownInterval: diff.UnknownInterval,
  UnknownOfTables: history.UnknownOfTables,
  Verdict: checks.Verdict,
};

/** Returns plain data, equal on every call. */
export function buildOpenApi(version: string): object {
  return {
    openapi: '3.1.0',
    info: {
      title: 'pgtimewarp',
      version,
      description:
        'Rows of tracked PostgreSQL tables as they were, how they changed, and in which transactions.',
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
      schemas: namedSchemas(),
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
            content: { 'application/json': { schema: reference(route.body) } },
          },
        }),
    responses: Object.fromEntries(
      Object.entries({
        ...route.responses,
        [HTTP.unauthorized]: [Problem],
        ...('node' in route.pathParameters ? { [HTTP.forbidden]: [Problem] } : {}),
        [HTTP.methodNotAllowed]: [Problem],
        [HTTP.misdirected]: [Problem],
        [HTTP.headersTooLarge]: [Problem],
      }).map(([status, bodies]) => [
        status,
        response(route, Number.parseInt(status, 10) as HttpStatus, bodies),
      ]),
    ),
  };
}

// biome-ignore lint/complexity/useMaxParams: the four members of the object that it returns
function parameter(
  name: string,
  place: 'path' | 'query' | 'header',
  schema: z.ZodType,
  required: boolean,
): object {
  const named = namedSchema(schema);
  // the members of an object become parameters of their own (OpenAPI 3.1, "Style Values")
  if (named !== null) return { name, in: place, required, style: 'form', explode: true, schema: named };
  return { name, in: place, required, schema: parameterSchema(schema) };
}

const text = (description: string): object => ({ schema: { type: 'string' }, description });
const HEADERS: Partial<Record<HttpStatus, (route: Route) => object>> = {
  [HTTP.ok]: ({ keepable }) =>
    keepable
      ? {
          ETag: text('covers the answer; for a final answer to a request with instants, all but the horizon'),
        }
      : {},
  [HTTP.methodNotAllowed]: () => ({ Allow: text('the methods that the route allows') }),
  [HTTP.unknown]: () => ({ 'Retry-After': text('seconds; only if the node has not reached `await_lsn`') }),
  [HTTP.unavailable]: () => ({ 'Retry-After': text('seconds') }),
};

function response(route: Route, status: HttpStatus, bodies: readonly z.ZodType[] | null): object {
  const description = DESCRIPTIONS[status]!;
  const headers = HEADERS[status]?.(route) ?? {};
  if (bodies === null) return { description };
  const references = bodies.map(reference);
  const schema = references.length === 1 ? references[0] : { anyOf: references };
  const type = status === HTTP.ok ? 'application/json' : PROBLEM_CONTENT;
  return {
    description,
    ...(Object.keys(headers).length > 0 ? { headers } : {}),
    content: { [type]: { schema } },
  };
}

const PLACE = '#/components/schemas/';

/** The named schemas, in the form of what is sent, with references to each other. */
function namedSchemas(): object {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(NAMED)) registry.add(schema, { id });
  const made = z.toJSONSchema(registry, { io: 'input', uri: (id) => PLACE + id });
  return Object.fromEntries(Object.entries(made.schemas).map(([name, schema]) => [name, bare(schema)]));
}

/** The schema of a parameter describes the text that a client sends. Only numbers are described as numbers. */
function parameterSchema(schema: z.ZodType): object {
  const read = z.toJSONSchema(schema, { io: 'output', unrepresentable: 'any' });
  return bare(read.type === 'integer' ? read : z.toJSONSchema(schema, { io: 'input', reused: 'inline' }));
}

function bare({
  $schema,
  $id,
  id,
  ...rest
}: object & { $schema?: unknown; $id?: unknown; id?: unknown }): object {
  return rest;
}

function reference(schema: z.ZodType): { $ref: string } {
  const found = Object.entries(NAMED).find(([, each]) => each === schema);
  if (found === undefined) throw new Error('a body has a schema without a name');
  return { $ref: PLACE + found[0] };
}
