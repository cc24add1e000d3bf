/** Every route: what it takes, what it answers. The app and the OpenAPI document are both made from this list. */
import type { z } from 'zod';
import { HTTP, type HttpStatus } from './http-status.ts';
import {
  Answer,
  AnswerProblem,
  AsOfQuery,
  Diff,
  DiffQuery,
  Health,
  NodeName,
  Nodes,
  NoQuery,
  Problem,
  TableSegment,
  Tables,
} from './schemas.ts';

export interface Route {
  readonly operationId: string;
  /** With `{parameter}`s, as OpenAPI writes them. */
  readonly path: string;
  readonly summary: string;
  readonly pathParameters: Readonly<Record<string, z.ZodType>>;
  readonly query: z.ZodObject;
  /** Bodies by status; 200 is JSON, the others are problem documents; null: no body. */
  readonly responses: Readonly<Partial<Record<HttpStatus, readonly z.ZodType[] | null>>>;
  /** Whether a final answer carries an ETag and may be kept. */
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
    summary: 'The observed databases, and how far each has been read',
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
    summary: 'The row as it was at an instant (default: now)',
    pathParameters: ONE_TABLE,
    query: AsOfQuery,
    responses: {
      [HTTP.ok]: [Answer],
      [HTTP.notModified]: null,
      ...FAILURES,
      [HTTP.notFound]: [AnswerProblem, Problem],
      [HTTP.unknown]: [AnswerProblem],
      [HTTP.gone]: [AnswerProblem],
      [HTTP.tooLarge]: [Problem],
    },
    keepable: true,
  },
  diff: {
    operationId: 'diff',
    path: '/v1/nodes/{node}/tables/{table}/diff',
    summary: 'How a row changed between two instants (default: from the start of tracking to the horizon)',
    pathParameters: ONE_TABLE,
    query: DiffQuery,
    responses: { [HTTP.ok]: [Diff], [HTTP.notModified]: null, ...FAILURES, [HTTP.notFound]: [Problem] },
    keepable: true,
  },
  health: {
    operationId: 'health',
    path: '/v1/health',
    summary: 'How the nodes are, as far as the store can tell',
    pathParameters: {},
    query: NoQuery,
    responses: { [HTTP.ok]: [Health], ...FAILURES },
    keepable: false,
  },
});

/** The path as Hono's router takes it. */
export function routerPath(route: Route): string {
  return route.path.replaceAll(/\{(\w+)\}/g, ':$1');
}
