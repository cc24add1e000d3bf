/** What a route is: what it takes, how it answers, and its responses. */
import type { Context } from 'hono';
import type * as z from 'zod';
import { Problem } from '../documents/problem.ts';
import { NodeName } from '../documents/values.ts';
import { HTTP, type HttpStatus } from './http-status.ts';
import { TableSegment } from './schemas.ts';
import type { Service } from './service.ts';

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
  /** Answers a request that the caller may make. Lists leave out what the caller may not read. */
  readonly answer: (context: Context, service: Service) => Promise<Response>;
}

/** Of every route. */
export const FAILURES = {
  [HTTP.badRequest]: [Problem],
  [HTTP.internal]: [Problem],
  [HTTP.unavailable]: [Problem],
} as const;
/** The path of a route about one table. */
export const ONE_TABLE = { node: NodeName, table: TableSegment } as const;
export const define = <const T extends Record<string, Route>>(routes: T): T => routes;
