/**
 * The HTTP API (routes.ts): one app for Lambda and for `serve`. It only reads. It passes answers of the store through as text.
 * Everything else is a problem document, which shows no internals.
 */
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { compress } from 'hono/compress';
import { cors } from 'hono/cors';
import { healthOf, readStoreHealth } from '../core/doctor/store-health.ts';
import { TimewarpError } from '../core/errors/timewarp-error.ts';
import type { Queryable } from '../core/pg/connection.ts';
import { fromDatabaseError } from '../core/pg/database-error.ts';
import { type AsOfRequest, type AsOfResult, asOf, asOfMany } from '../core/query/as-of.ts';
import { askAfter, type WithStore } from '../core/query/await-horizon.ts';
import type { DiffCursor } from '../core/query/diff-cursor.ts';
import { NOW } from '../core/query/instant.ts';
import { keyFromText } from '../core/query/key-input.ts';
import { listNodes } from '../core/store/node/nodes.ts';
import { readOverview } from '../core/store/overview.ts';
import { numbersAsText } from '../core/types/json-text.ts';
import type { Lsn } from '../core/types/lsn.ts';
import { answerProblemText, answersText } from '../documents/answer.ts';
import { Health, healthDocument } from '../documents/checks.ts';
import { diffPageText } from '../documents/diff.ts';
import { Nodes, nodeDocument } from '../documents/node.ts';
import { Tables, tablesDocument } from '../documents/table.ts';
import { parseTableSegment } from '../documents/table-segment.ts';
import { NodeName } from '../documents/values.ts';
import { readBatchKeys } from './batch-keys.ts';
import { boundedDiff } from './bounded-diff.ts';
import { isTooBig, MAX_CARRIED_BYTES } from './carried-bytes.ts';
import { cacheHeaders, matchesTag, tagOf, withoutHorizon } from './entity-tag.ts';
import type { Grants } from './grants.ts';
import { HTTP, statusOfAnswer } from './http-status.ts';
import openApi from './openapi.json' with { type: 'json' };
import { PROBLEM_CONTENT, problem, problemOfError, problemTextOfError, respond } from './problem.ts';
import {
  readInstant,
  readPathParameter,
  readQuery,
  requireEncoding,
  requirePlainPath,
} from './request-input.ts';
import { allowed, READING, ROUTES, type Route, routerPath } from './routes.ts';
import { NoQuery, TableSegment } from './schemas.ts';

export interface AppOptions {
  /** Lends a session of the store for one question. Throws TimewarpErrors. */
  readonly withStore: WithStore;
  /** Answers the question about one key; a caller may gather several questions into one statement. */
  readonly askAsOf?: (request: AsOfRequest) => Promise<AsOfResult>;
  /** Gets each failure that is not the caller's fault, with the id that the caller sees. */
  readonly report: (error: TimewarpError, id: string) => void;
  /** Whether to answer a request, by its Authorization header. Without this function every request is answered. */
  readonly authorize?: (authorization: string | undefined) => boolean;
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
}

/** The part of the remaining time that is kept for the answer itself. */
const ANSWERING_MS = 5_000;

const JSON_CONTENT = 'application/json';

type Handler = (context: Context) => Promise<Response>;
type Handlers = Readonly<Record<keyof typeof ROUTES, Handler>>;

export function createApp(options: AppOptions): Hono {
  const app = new Hono();
  const { grantsOf = () => null, report } = options;
  guard(app, options);
  const handlers: Handlers = { ...nodeHandlers(options.withStore, grantsOf), ...rowHandlers(options) };

  for (const [name, route] of Object.entries(ROUTES) as [keyof typeof ROUTES, Route][]) {
    if (route.body !== undefined) app.use(routerPath(route), bodyLimit(BODY_LIMIT));
    app.on(route.method ?? 'GET', routerPath(route), (context) => {
      if (route.query === NoQuery) readQuery(context, route.query);
      return mayAsk(context, route, grantsOf(context)) ? handlers[name](context) : forbidden();
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
function guard(app: Hono, { authorize, pathAsSent, isOwnHost, corsOrigins = [] }: AppOptions): void {
  app.use(compress());
  app.use(async (context, next) => {
    if (isOwnHost !== undefined && !isOwnHost(context.req.header('host'))) return misdirected();
    return next();
  });
  // a browser sends a preflight request, which has no token
  if (corsOrigins.length > 0) app.use(cors({ ...CORS, origin: [...corsOrigins] }));
  app.use(async (context, next) => {
    if (authorize !== undefined && !authorize(context.req.header('authorization'))) return unauthorized();
    requirePlainPath(pathAsSent?.(context) ?? '');
    requireEncoding(context.req.url);
    return next();
  });
}

/** The routes about nodes. Each shows only what the caller may read. */
function nodeHandlers(
  withStore: WithStore,
  grantsOf: (context: Context) => Grants | null,
): Pick<Handlers, 'nodes' | 'tables' | 'health'> {
  return {
    nodes: async (context) => {
      const grants = grantsOf(context);
      const nodes = (await withStore(listNodes)).filter(({ node }) => grants?.mayReadOf(node) !== false);
      const shownNodes = nodes.map(nodeDocument).map((each) => {
        return grants?.mayReadAllOf(each.node) === false ? { ...each, status_reason: null } : each;
      });
      return own(Nodes.parse({ nodes: shownNodes }));
    },
    tables: async (context) => {
      const node = readPathParameter(context, 'node', NodeName);
      const [overview] = await withStore((store) => readOverview(store, node));
      if (overview === undefined) throw new TimewarpError('NODE_UNKNOWN', `The store has no node "${node}".`);
      const grants = grantsOf(context);
      const relations = overview.relations.filter(({ name }) => grants?.mayRead(node, name) !== false);
      return own(Tables.parse(tablesDocument({ ...overview, relations })));
    },
    health: async (context) => {
      const grants = grantsOf(context);
      const { nodes } = await withStore(readStoreHealth);
      const shownNodes = nodes.filter(({ node }) => grants?.mayReadAllOf(node) !== false);
      return own(Health.parse(healthDocument(healthOf(shownNodes))));
    },
  };
}

/** The routes about rows of a table. */
function rowHandlers({
  withStore,
  askAsOf = (request) => withStore((store) => asOf(store, request)),
  timeLeftMs,
}: AppOptions): Pick<Handlers, 'asOf' | 'asOfBatch' | 'diff'> {
  const ask = asking(withStore, timeLeftMs);
  return {
    asOf: async (context) => {
      const query = readQuery(context, ROUTES.asOf.query);
      const isPinned = query.at !== undefined;
      const request = { ...tableOf(context), pk: keyFromText(query.pk), at: readInstant(query.at) ?? NOW };
      if (query.await_lsn === undefined)
        return answer(context, await askAsOf(request), { isPinned, numbers: query.numbers });
      const result = await ask(context, request.node, query, (store) => asOf(store, request));
      return answer(context, result, { isPinned, numbers: query.numbers });
    },
    asOfBatch: async (context) => {
      const query = readQuery(context, ROUTES.asOfBatch.query);
      const pks = readBatchKeys(await context.req.arrayBuffer());
      const table = tableOf(context);
      const request = { ...table, pks, at: readInstant(query.at) ?? NOW, maxBytes: MAX_CARRIED_BYTES };
      const answers = await ask(context, table.node, query, (store) => asOfMany(store, request));
      const texts = answers.map((each) =>
        each instanceof TimewarpError ? problemTextOfError(each) : shown(each.answerText, query.numbers),
      );
      const text = answersText(texts);
      if (texts.length < pks.length || isTooBig(text)) {
        return tooLarge('The rows do not fit into a response.', 'Ask for fewer keys at a time.');
      }
      return respond(HTTP.ok, text, { 'content-type': JSON_CONTENT, 'cache-control': 'no-store' });
    },
    diff: async (context) => {
      const query = readQuery(context, ROUTES.diff.query);
      const request = {
        ...tableOf(context),
        pk: keyFromText(query.pk),
        from: readInstant(query.from),
        to: readInstant(query.to),
        limit: query.limit,
        cursor: (query.cursor ?? null) as DiffCursor | null,
      };
      const page = await ask(context, request.node, query, (store) =>
        boundedDiff(store, request, {
          maxBytes: MAX_CARRIED_BYTES,
          show: (text) => shown(text, query.numbers),
        }),
      );
      const isPinned = query.to !== undefined;
      const headers = cacheHeaders(page.final && isPinned, () => diffPageText({ ...page, horizon: null }));
      return keepable(context, diffPageText(page), headers);
    },
  };
}

/** Asks immediately, or after the node has reached the position that the caller waits for. */
function asking(withStore: WithStore, timeLeftMs: AppOptions['timeLeftMs']) {
  // biome-ignore lint/complexity/useMaxParams: who asks, of which node, how long it waits, and the question
  return async <T>(
    context: Context,
    node: string,
    query: { await_lsn?: Lsn | undefined; await_seconds: number },
    question: (store: Queryable) => Promise<T>,
  ): Promise<T> => {
    if (query.await_lsn === undefined) return await withStore(question);
    const leftMs = (timeLeftMs?.(context) ?? Number.POSITIVE_INFINITY) - ANSWERING_MS;
    const timeoutMs = Math.max(0, Math.min(query.await_seconds * 1000, leftMs));
    const position = { node, lsn: query.await_lsn, timeoutMs, signal: context.req.raw.signal };
    return await askAfter(withStore, position, question);
  };
}

/** Whether the caller may read the node or table of the path. The handlers of the lists leave out what it may not read. */
function mayAsk(context: Context, { pathParameters }: Route, grants: Grants | null): boolean {
  if (grants === null) return true;
  if ('table' in pathParameters) {
    const { node, table } = tableOf(context);
    return grants.mayRead(node, table);
  }
  return !('node' in pathParameters) || grants.mayReadOf(readPathParameter(context, 'node', NodeName));
}

function tableOf(context: Context): { node: string; table: ReturnType<typeof parseTableSegment> } {
  const node = readPathParameter(context, 'node', NodeName);
  return { node, table: parseTableSegment(readPathParameter(context, 'table', TableSegment)) };
}

interface AnswerOptions {
  /** Whether the request names its instant, so that the same request later asks for the same answer. */
  readonly isPinned: boolean;
  readonly numbers: Numbers;
}

function answer(context: Context, result: AsOfResult, { isPinned, numbers }: AnswerOptions): Response {
  const answerText = shown(result.answerText, numbers);
  if (isTooBig(answerText)) {
    return tooLarge('The row does not fit into a response.', 'Ask with `pgtimewarp asof`, or with SQL.');
  }
  const headers = cacheHeaders(result.final && isPinned, () => withoutHorizon(result.answerText));
  if (result.status === 'found') return keepable(context, answerText, headers);
  const text = answerProblemText({ ...result, answerText });
  const status = statusOfAnswer(result.status, result.reason);
  return respond(status, text, { ...headers, 'content-type': PROBLEM_CONTENT });
}

type Numbers = 'json' | 'text';

/** An answer has no numbers except in the row and in the context of its transaction. */
function shown(text: string, numbers: Numbers): string {
  return numbers === 'text' ? numbersAsText(text) : text;
}

/** 304 if the caller already has the answer (RFC 9110 section 13.2.1: only instead of a 2xx). */
function keepable(context: Context, text: string, caching: Record<string, string>): Response {
  const headers = { ...caching, etag: caching.etag ?? tagOf(text) };
  if (matchesTag(context.req.header('if-none-match'), headers.etag)) {
    return respond(HTTP.notModified, null, headers);
  }
  return respond(HTTP.ok, text, { ...headers, 'content-type': JSON_CONTENT });
}

/** A document without row data. */
function own(document: unknown): Response {
  return respond(HTTP.ok, JSON.stringify(document), {
    'content-type': JSON_CONTENT,
    'cache-control': 'no-store',
  });
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

function tooLarge(detail: string, remedy: string, headers: Record<string, string> = {}): Response {
  return problem({
    status: HTTP.tooLarge,
    kind: 'too-large',
    title: 'The request or its answer is too large',
    detail,
    remedy,
    headers,
  });
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

function forbidden(): Response {
  return problem({
    status: HTTP.forbidden,
    kind: 'forbidden',
    title: 'The token does not allow this request',
    detail: 'The claim of the token that names nodes and tables does not name this one.',
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
