/** All routes. The app and the OpenAPI document are both made from this list. */
import { healthOf, readStoreHealth } from '../core/doctor/store-health.ts';
import { TimewarpError } from '../core/errors/timewarp-error.ts';
import { asOf, asOfMany } from '../core/query/as-of.ts';
import type { HistoryCursor } from '../core/query/history-page.ts';
import { NOW } from '../core/query/instant.ts';
import { keyFromText } from '../core/query/key-input.ts';
import { listNodes, type StoredNode } from '../core/store/node/nodes.ts';
import { readOverview } from '../core/store/overview.ts';
import { Answer, AnswerProblem, Answers, answersText } from '../documents/answer.ts';
import { Health, healthDocument } from '../documents/checks.ts';
import { Diff, diffPageText } from '../documents/diff.ts';
import { Nodes, nodeDocument } from '../documents/node.ts';
import { Problem } from '../documents/problem.ts';
import { Tables, tablesDocument } from '../documents/table.ts';
import { NodeName } from '../documents/values.ts';
import { readBatchKeys } from './batch-keys.ts';
import { boundedDiff } from './bounded-diff.ts';
import { isTooBig, MAX_CARRIED_BYTES } from './carried-bytes.ts';
import { cacheHeaders } from './entity-tag.ts';
import { HISTORY_ROUTES } from './history-routes.ts';
import { HTTP } from './http-status.ts';
import { problemTextOfError, respond } from './problem.ts';
import { readInstant, readPathParameter, readQuery, readTable } from './request-input.ts';
import { answer, JSON_CONTENT, keepable, own, shown, tooLarge } from './responses.ts';
import { RESTORE_ROUTES } from './restore-routes.ts';
import { define, FAILURES, ONE_TABLE, type Route } from './route.ts';
import { AsOfQuery, BatchBody, BatchQuery, DiffQuery, NoQuery } from './schemas.ts';
import { TABLE_ROUTES } from './table-routes.ts';

export const ROUTES = define({
  nodes: {
    operationId: 'listNodes',
    path: '/v1/nodes',
    summary: 'The nodes, and how far each has been read',
    pathParameters: {},
    query: NoQuery,
    responses: { [HTTP.ok]: [Nodes], ...FAILURES },
    keepable: false,
    answer: async (context, { withEveryStore, grantsOf }) => {
      const grants = grantsOf(context);
      const all = presentNodes(byNode(await withEveryStore(listNodes)));
      const nodes = all.filter(({ node }) => grants?.mayReadOf(node) !== false);
      const shownNodes = nodes.map(nodeDocument).map((each) => {
        return grants?.mayReadAllOf(each.node) === false ? { ...each, status_reason: null } : each;
      });
      return own(Nodes.parse({ nodes: shownNodes }));
    },
  },
  tables: {
    operationId: 'listTables',
    path: '/v1/nodes/{node}/tables',
    summary: 'The tracked tables of a node',
    pathParameters: { node: NodeName },
    query: NoQuery,
    responses: { [HTTP.ok]: [Tables], ...FAILURES, [HTTP.notFound]: [Problem] },
    keepable: false,
    answer: async (context, { withStore, grantsOf }) => {
      const node = readPathParameter(context, 'node', NodeName);
      const [overview] = await withStore((store) => readOverview(store, node));
      if (overview === undefined) throw new TimewarpError('NODE_UNKNOWN', `The store has no node "${node}".`);
      const grants = grantsOf(context);
      const relations = overview.relations.filter(({ name }) => grants?.mayRead(node, name) !== false);
      return own(Tables.parse(tablesDocument({ ...overview, relations })));
    },
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
    answer: async (context, { ask, askAsOf, readArchive }) => {
      const query = readQuery(context, AsOfQuery);
      const isPinned = query.at !== undefined;
      const request = {
        ...readTable(context),
        pk: keyFromText(query.pk),
        at: readInstant(query.at) ?? NOW,
        ...(readArchive && { readArchive }),
      };
      if (query.await_lsn === undefined)
        return answer(context, await askAsOf(request), { isPinned, numbers: query.numbers });
      const result = await ask({ context, node: request.node, query }, (store) => asOf(store, request));
      return answer(context, result, { isPinned, numbers: query.numbers });
    },
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
    answer: async (context, { ask, readArchive }) => {
      const query = readQuery(context, BatchQuery);
      const pks = readBatchKeys(await context.req.arrayBuffer());
      const table = readTable(context);
      const request = {
        ...table,
        pks,
        at: readInstant(query.at) ?? NOW,
        maxBytes: MAX_CARRIED_BYTES,
        ...(readArchive && { readArchive }),
      };
      const answers = await ask({ context, node: table.node, query }, (store) => asOfMany(store, request));
      const texts = answers.map((each) =>
        each instanceof TimewarpError ? problemTextOfError(each) : shown(each.answerText, query.numbers),
      );
      const text = answersText(texts);
      if (texts.length < pks.length || isTooBig(text)) {
        return tooLarge('The rows do not fit into a response.', 'Ask for fewer keys at a time.');
      }
      return respond(HTTP.ok, text, { 'content-type': JSON_CONTENT, 'cache-control': 'no-store' });
    },
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
    answer: async (context, { ask, readArchive }) => {
      const query = readQuery(context, DiffQuery);
      const request = {
        ...readTable(context),
        pk: keyFromText(query.pk),
        from: readInstant(query.from),
        to: readInstant(query.to),
        limit: query.limit,
        cursor: (query.cursor ?? null) as HistoryCursor | null,
        ...(readArchive && { readArchive }),
      };
      const page = await ask({ context, node: request.node, query }, (store) =>
        boundedDiff(store, request, {
          maxBytes: MAX_CARRIED_BYTES,
          show: (text) => shown(text, query.numbers),
        }),
      );
      const isPinned = query.to !== undefined;
      const headers = cacheHeaders(page.final && isPinned, () => diffPageText({ ...page, horizon: null }));
      return keepable(context, diffPageText(page), headers);
    },
  },
  ...HISTORY_ROUTES,
  ...TABLE_ROUTES,
  ...RESTORE_ROUTES,
  health: {
    operationId: 'health',
    path: '/v1/health',
    summary: 'The health of the nodes, from the store alone',
    pathParameters: {},
    query: NoQuery,
    responses: { [HTTP.ok]: [Health], ...FAILURES },
    keepable: false,
    answer: async (context, { withEveryStore, grantsOf }) => {
      const grants = grantsOf(context);
      const found = await withEveryStore(readStoreHealth);
      const nodes = byNode(found.map((each) => each.nodes));
      const shownNodes = nodes.filter(({ node }) => grants?.mayReadAllOf(node) !== false);
      return own(Health.parse(healthDocument(healthOf(shownNodes))));
    },
  },
});

/** The nodes of several stores by name; those of one are in its order. */
function byNode<T extends { readonly node: string }>(stores: readonly (readonly T[])[]): T[] {
  const nodes = stores.flat();
  return stores.length === 1 ? nodes : nodes.sort((a, b) => (a.node < b.node ? -1 : 1));
}

/** Without the rest of a node that another store has now. */
function presentNodes(nodes: readonly StoredNode[]): StoredNode[] {
  const present = new Set(nodes.filter(({ status }) => status !== 'removed').map(({ node }) => node));
  return nodes.filter(({ node, status }) => status !== 'removed' || !present.has(node));
}

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
