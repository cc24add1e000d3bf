/**
 * The HTTP API (routes.ts): one app for Lambda and for `serve`. It only reads. It passes answers of the store through as text.
 * Everything else is a problem document, which shows no internals.
 */
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { compress } from 'hono/compress';
import { cors } from 'hono/cors';
import type { TimewarpError } from '../core/errors/timewarp-error.ts';
import { fromDatabaseError } from '../core/pg/database-error.ts';
import type { ReadArchive } from '../core/query/archived.ts';
import { type AsOfRequest, type AsOfResult, asOf } from '../core/query/as-of.ts';
import type { WithStore } from '../core/query/await-horizon.ts';
import { NodeName } from '../documents/values.ts';
import type { Grants } from './grants.ts';
import { HTTP } from './http-status.ts';
import openApi from './openapi.json' with { type: 'json' };
import { type Page, pageResponse } from './page.ts';
import { problem, problemOfError, respond } from './problem.ts';
import {
  readPathParameter,
  readQuery,
  readTable,
  requireEncoding,
  requirePlainPath,
} from './request-input.ts';
import { forbidden, own, tooLarge } from './responses.ts';
import type { Route } from './route.ts';
import { allowed, READING, ROUTES, routerPath } from './routes.ts';
import { NoQuery } from './schemas.ts';
import { asking, type Service } from './service.ts';

export interface AppOptions {
  /** Lends a session of the store for one question. Throws TimewarpErrors. */
  readonly withStore: WithStore;
  /** Asks every store, for questions about all nodes. Default: the one of `withStore`. */
  readonly withEveryStore?: Service['withEveryStore'];
  /** Answers the question about one key; a caller may gather several questions into one statement. */
  readonly askAsOf?: (request: AsOfRequest) => Promise<AsOfResult>;
  /** Gets what only the archive has, for questions about one row; without it these are refused. */
  readonly readArchive?: ReadArchive;
  /** Whether responses may be streams; default: no. */
  readonly streams?: boolean;
  /** Gets each failure that is not the caller's fault, with the id that the caller sees. */
  readonly report: (error: TimewarpError, id: string) => void;
  /** Whether to answer a request, by its Authorization header. Without this function every request is answered. */
  readonly authorize?: (authorization: string | undefined, context: Context) => boolean;
  /** The nodes and tables that the caller may read. Null, or without this function: all. */
  readonly grantsOf?: (context: Context) => Grants | null;
  /** The path as the caller sent it; needed where a gateway permits requests by their path. */
  readonly pathAsSent?: (context: Context) => string | undefined;
  /** The time until the request is ended from outside; without this function there is no limit. */
  readonly timeLeftMs?: (context: Context) => number;
  /** Whether a request is meant for this server, by its Host header. Without this function every request is. */
  readonly isOwnHost?: (host: string | undefined) => boolean;
  /** Origins whose pages may read the answers (Fetch Standard, "CORS protocol"); default: none. */
  readonly corsOrigins?: readonly string[];
  /** The page for browsers; null, or without this function: none. */
  readonly page?: () => Page | null;
}

export function createApp(options: AppOptions): Hono {
  const app = new Hono();
  const { withStore, grantsOf = () => null, report } = options;
  guard(app, options);
  const service: Service = {
    withStore,
    withEveryStore: options.withEveryStore ?? (async (ask) => [await withStore(ask)]),
    askAsOf: options.askAsOf ?? ((request) => withStore((store) => asOf(store, request))),
    ...(options.readArchive === undefined ? {} : { readArchive: options.readArchive }),
    streams: options.streams ?? false,
    grantsOf,
    ask: asking(withStore, options.timeLeftMs),
  };

  for (const route of Object.values<Route>(ROUTES)) {
    if (route.body !== undefined) app.use(routerPath(route), bodyLimit(BODY_LIMIT));
    app.on(route.method ?? 'GET', routerPath(route), (context) => {
      if (route.query === NoQuery) readQuery(context, route.query);
      return mayAsk(context, route, grantsOf(context)) ? route.answer(context, service) : forbidden();
    });
    app.all(routerPath(route), (context) => otherMethod(context, allowed(route)));
  }
  app.get('/openapi.json', () => own(openApi));
  app.all('/openapi.json', (context) => otherMethod(context, READING));
  app.notFound(() =>
    problem({
      status: HTTP.notFound,
      kind: 'no-such-route',
      title: 'There is no such route',
      detail: 'The path belongs to no route; see /openapi.json.',
    }),
  );
  app.onError((error) => problemOfError(fromDatabaseError(error, 'store'), report));
  return app;
}

/** What happens before every route: compression, CORS, and the refusal of requests that may not be answered. */
function guard(app: Hono, { authorize, pathAsSent, isOwnHost, corsOrigins = [], page }: AppOptions): void {
  app.use(compress());
  app.use(async (context, next) => {
    if (isOwnHost !== undefined && !isOwnHost(context.req.header('host'))) return misdirected();
    return next();
  });
  // a browser loads the page without a token: it has no data
  app.use(async (context, next) => {
    const shown = page?.() ?? null;
    return (shown && pageResponse(context, shown)) ?? next();
  });
  // a browser sends a preflight request, which has no token
  if (corsOrigins.length > 0) app.use(cors({ ...CORS, origin: [...corsOrigins] }));
  app.use(async (context, next) => {
    if (authorize !== undefined && !authorize(context.req.header('authorization'), context))
      return unauthorized();
    requirePlainPath(pathAsSent?.(context) ?? '');
    requireEncoding(context.req.url);
    return next();
  });
}

/** Whether the caller may read the node or table of the path. */
function mayAsk(context: Context, { pathParameters }: Route, grants: Grants | null): boolean {
  if (grants === null) return true;
  if ('table' in pathParameters) {
    const { node, table } = readTable(context);
    return grants.mayRead(node, table);
  }
  return !('node' in pathParameters) || grants.mayReadOf(readPathParameter(context, 'node', NodeName));
}

const CORS = {
  allowMethods: ['GET', 'HEAD', 'POST'],
  allowHeaders: ['authorization', 'content-type', 'if-none-match'],
  exposeHeaders: ['allow', 'etag', 'retry-after'],
  maxAge: 600,
};

const BODY_LIMIT = {
  maxSize: 256 * 1024,
  // an unread body must not be parsed as the next request of the connection
  onError: async (context: Context) => {
    await readAway(context.req.raw.body).catch(() => {}); // the body is being read already, or the connection is gone
    return tooLarge('The body of the request is too big.', 'Ask for fewer keys at a time.', {
      connection: 'close',
    });
  },
};

const READ_AWAY_BYTES = 8 * 1024 * 1024;

/** Reads the rest of a body. If a server closes a connection with unread data, TCP resets it, and the answer may be lost. */
async function readAway(body: ReadableStream<Uint8Array> | null): Promise<void> {
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.length;
    if (bytes > READ_AWAY_BYTES) return;
  }
}

/** Answers OPTIONS with the allowed methods (RFC 9110 section 9.3.7), and every other method with 405. */
function otherMethod(context: Context, allow: string): Response {
  if (context.req.method === 'OPTIONS') return respond(HTTP.noContent, null, { allow });
  return problem({
    status: HTTP.methodNotAllowed,
    kind: 'method-not-allowed',
    title: 'The method is not allowed',
    detail: `${context.req.method.slice(0, 20)} is not allowed here: this API only reads.`,
    headers: { allow },
  });
}

function misdirected(): Response {
  return problem({
    status: HTTP.misdirected,
    kind: 'misdirected',
    title: 'The request is for another host',
    detail: 'A server without a token answers only requests to localhost and its addresses.',
  });
}

function unauthorized(): Response {
  return problem({
    status: HTTP.unauthorized,
    kind: 'unauthorized',
    title: 'A token is required',
    detail: 'Send the token of this server: Authorization: Bearer …',
    headers: { 'www-authenticate': 'Bearer realm="pgtimewarp"' },
  });
}
