/** All routes with their inputs and responses. The app and the OpenAPI document are both made from this list. */
import type * as z from 'zod';
import { Answer, AnswerProblem, Answers } from '../documents/answer.ts';
import { Health } from '../documents/checks.ts';
import { Diff } from '../documents/diff.ts';
import { Nodes } from '../documents/node.ts';
import { Problem } from '../documents/problem.ts';
import { Tables } from '../documents/table.ts';
import { NodeName } from '../documents/values.ts';
import { HTTP, type HttpStatus } from './http-status.ts';
import { AsOfQuery, BatchBody, BatchQuery, DiffQuery, NoQuery, TableSegment } from './schemas.ts';

export interface Route {
  readonly operationId: string;
  /** Default: GET, and with it HEAD. */
  readonly method?: 'POST';
  /** The body of a POST. */
  readonly body?: z.ZodType;
  /** With `{parameter}`s as in OpenAPI. */
  readonly path: string;
  readonly summary: string;
  readonly pathParameters: Readonly<Record<string, z.ZodType>>;
  readonly query: z.ZodObject;
  /** Bodies by status; 200 is JSON, the others are problem documents; null: no body. */
  readonly responses: Readonly<Partial<Record<HttpStatus, readonly z.ZodType[] | null>>>;
  /** Whether a final answer has an ETag and may be cached. */
  readonly keepable: boolean;
}

const FAILURES = {
  [HTTP.badRequest]: [Problem],
  [HTTP.internal]: [Problem],
  [HTTP.unavailable]: [Problem],
} as const;
const ONE_TABLE = { node: NodeName, table: TableSegment } as const;
const define = <const T extends Record<string, Route>>(routes: T): T => routes;

export const ROUTES = define({
  nodes: {
    operationId: 'listNodes',
    path: '/v1/nodes',
    summary: 'The nodes, and how far each has been read',
    pathParameters: {},
    query: NoQuery,
    responses: { [HTTP.ok]: [Nodes], ...FAILURES },
    keepable: false,
  },
  tables: {
    operationId: 'listTables',
    path: '/v1/nodes/{node}/tables',
    summary: 'The tracked tables of a node',
    pathParameters: { node: NodeName },
    query: NoQuery,
    responses: { [HTTP.ok]: [Tables], ...FAILURES, [HTTP.notFound]: [Problem] },
    keepable: false,
  },
  asOf: {
    operationId: 'asOf',
    path: '/v1/nodes/{node}/tables/{table}/asof',
    summary: 'A row as it was at an instant (default: now)',
    pathParameters: ONE_TABLE,
    query: AsOfQuery,
    responses: {
      [HTTP.ok]: [Answer],
      [HTTP.notModified]: null,
      ...FAILURES,
      [HTTP.notFound]: [AnswerProblem, Problem],
      [HTTP.unknown]: [AnswerProblem, Problem],
      [HTTP.gone]: [AnswerProblem],
      [HTTP.tooLarge]: [Problem],
    },
    keepable: true,
  },
  asOfBatch: {
    operationId: 'asOfBatch',
    method: 'POST',
    body: BatchBody,
    path: '/v1/nodes/{node}/tables/{table}/asof:batch',
    summary: 'Many rows as they were at one instant (default: now)',
    pathParameters: ONE_TABLE,
    query: BatchQuery,
    responses: {
      [HTTP.ok]: [Answers],
      ...FAILURES,
      [HTTP.notFound]: [Problem],
      [HTTP.unknown]: [Problem],
      [HTTP.tooLarge]: [Problem],
    },
    keepable: false,
  },
  diff: {
    operationId: 'diff',
    path: '/v1/nodes/{node}/tables/{table}/diff',
    summary: 'How a row changed between two instants (default: from the start of tracking to the horizon)',
    pathParameters: ONE_TABLE,
    query: DiffQuery,
    responses: {
      [HTTP.ok]: [Diff],
      [HTTP.notModified]: null,
      ...FAILURES,
      [HTTP.notFound]: [Problem],
      [HTTP.unknown]: [Problem],
    },
    keepable: true,
  },
  health: {
    operationId: 'health',
    path: '/v1/health',
    summary: 'The health of the nodes, from the store alone',
    pathParameters: {},
    query: NoQuery,
    responses: { [HTTP.ok]: [Health], ...FAILURES },
    keepable: false,
  },
});

/** The methods of a route that is not a POST. */
export const READING = 'GET, HEAD, OPTIONS';

/** The methods of a route, as in the header Allow. */
export function allowed(route: Route): string {
  return route.method === undefined ? READING : `${route.method}, OPTIONS`;
}

/** The path in the form of Hono's router. */
export function routerPath(route: Route): string {
  return route.path.replaceAll(/\{(\w+)\}/g, ':$1');
}
