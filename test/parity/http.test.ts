/** Every route and every status: over real HTTP with `serve`, and through the function's handler. */
import { request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runRetention, setRetention } from '../../core/retention/change-retention.ts';
import openApi from '../../http/openapi.json' with { type: 'json' };
import { buildOpenApi } from '../../http/openapi.ts';
import packageFile from '../../package.json' with { type: 'json' };
import { lsnOf, StoreHistory } from '../pg/query/query-history.ts';
import { API_WAYS, type ApiWay, type ApiWays, apiWays, type Seen, TOKEN } from '../support/api-ways.ts';
import { documentedAnswers, openApiChecker, problemChecker } from '../support/openapi-check.ts';
import { type ServeProcess, startServe } from '../support/serve.ts';
import { type TrackedNode, trackedNode } from '../support/tracked-node.ts';
import { CASES, type Case, OUTSIDE, type Request } from './http-cases.ts';

/** No server listens on port 1. */
const NOWHERE = 'postgres://nobody:secret@127.0.0.1:1/nowhere';

const OLD = '2020-01-01T00:00:00Z';

let node: TrackedNode;
/** Of the last transaction, as a segment of a path. */
let lsn: string;
let asked: ApiWays;
/** The same, with a store that cannot be reached. */
let away: ApiWays;
const orders = (): string => `/v1/nodes/${node.node}/tables/public.orders`;
const checker = openApiChecker(openApi);
const checkProblem = problemChecker(openApi);
/** Each `METHOD path status` of the document that was answered, by way. */
const answered: Record<ApiWay, Set<string>> = { serve: new Set(), handler: new Set() };

/** Whether the document describes the response. */
function check(way: ApiWay, { target, method = 'GET' }: Request, { status, headers, body }: Seen): void {
  const path = new URL(target, 'http://any').pathname;
  answered[way].add(checker(path, { method, status, contentType: headers.get('content-type'), body }));
}

/** What routes cannot do without. */
const QUERIES = [
  [/\/(asof|diff)$/, '?pk=1'],
  [/\/find$/, '?where.id=1'],
] as const;

const BODIES = [
  [/:batch$/, '{"keys":[1]}'],
  [/\/restore-plans$/, '{"transactions":["0/1"]}'],
] as const;

/** A valid request for every route of the document. */
function everyRoute(): Request[] {
  return Object.entries(openApi.paths).flatMap(([path, methods]) => {
    const target = path
      .replace('{node}', node.node)
      .replace('{table}', 'public.orders')
      .replace('{lsn}', lsn);
    return Object.keys(methods).map((method) =>
      method === 'post'
        ? { target, method: 'POST', body: BODIES.find(([route]) => route.test(target))![1] }
        : { target: `${target}${QUERIES.find(([route]) => route.test(target))?.[1] ?? ''}` },
    );
  });
}

beforeAll(async () => {
  node = await trackedNode({
    plugin: 'pgoutput',
    tables: 'CREATE TABLE orders (id int PRIMARY KEY, total numeric); INSERT INTO orders VALUES (1, 1.10)',
    track: ['orders'],
  });
  await node.source.query('UPDATE orders SET total = 2.20');
  await node.source.query(
    `SELECT pg_logical_emit_message(true, 'pgtimewarp', '{"user":{"id":7}}');
     DELETE FROM orders; INSERT INTO orders VALUES (1, 3.30)`,
  );
  await node.catchUp();
  const { rows } = await node.store.query<{ lsn: string }>(
    'SELECT max(lsn)::text AS lsn FROM pgtimewarp.transaction_contexts',
  );
  lsn = rows[0]!.lsn.replace('/', '-');
  await writtenHistory();
  asked = await apiWays(node);
  away = await apiWays({ storeUrl: NOWHERE, env: { ...node.env, PGTIMEWARP_STORE_URL: NOWHERE } });
});

afterAll(async () => {
  await asked?.[Symbol.asyncDispose]();
  await away?.[Symbol.asyncDispose]();
  await node?.[Symbol.asyncDispose]();
});

/**
 * Nodes whose histories are unknown in every way: h1 in gaps, h2 because its baseline is not read, h3 before commit 40, where
 * everything has expired. They have commits up to 100.
 */
async function writtenHistory(): Promise<void> {
  const history = await StoreHistory.create(node.store);
  const pending = await StoreHistory.create(node.store);
  const expired = await StoreHistory.create(node.store);
  expect([history.node, pending.node, expired.node]).toEqual(['h1', 'h2', 'h3']);
  await history.change(await history.track(), 20, 'I');
  await history.gap(60, 70);
  await pending.track({ baseline: 'pending' });
  await expired.change(await expired.track(), 20, 'I');
  const target = { storeUrl: node.storeUrl, node: expired.node };
  await setRetention(target, [{ schema: 'public', name: 't' }], '60s');
  expect(await runRetention(target)).toMatchObject({ relations: 1, unfinished: [] });
}

describe.each(API_WAYS)('through %s', (way) => {
  test.each(CASES)('%s', async (_, make) => {
    const wanted = make({ node: node.node, orders: orders(), lsn });
    const seen = await asked[way](wanted.target, wanted);
    expectSeen(seen, wanted);
    check(way, wanted, seen);
  });

  test.each(OUTSIDE)('%s', async (_, make) => {
    const wanted = make({ node: node.node, orders: orders(), lsn });
    const seen = await asked[way](wanted.target, wanted);
    expectSeen(seen, wanted);
    expect(seen.headers.get('allow')).toBe(wanted.status === 405 ? 'GET, HEAD, OPTIONS' : null);
  });

  test('a method that a route does not have is 405 with the methods that it has', async () => {
    for (const { target, method } of everyRoute()) {
      const seen = await asked[way](target, { method: 'PUT' });
      expectSeen(seen, { target, status: 405, type: 'method-not-allowed' });
      expect(seen.headers.get('allow')).toBe(`${method ?? 'GET, HEAD'}, OPTIONS`);
      check(way, { target, method: 'PUT' }, seen);
    }
  });

  test('HEAD is GET without the body', async () => {
    const seen = await asked[way]('/v1/nodes', { method: 'HEAD' });
    expect(seen).toMatchObject({ status: 200, body: '' });
  });

  test('a final answer has an ETag, and a client with that tag gets 304', async () => {
    for (const target of [
      '/v1/nodes/h1/tables/public.t/asof?pk=1&at=0/5000',
      '/v1/nodes/h1/tables/public.t/diff?pk=1&from=0/1000&to=0/5000',
      '/v1/nodes/h1/tables/public.t/changes?from=0/1000&to=0/5000',
      '/v1/nodes/h1/tables/public.t/find?where.id=1&at=0/5000',
      '/v1/nodes/h1/tables/public.t/rows?at=0/5000',
      '/v1/nodes/h1/transactions?from=0/1000&to=0/5000',
      '/v1/nodes/h1/activity?from=0/1000&to=0/5000',
      `/v1/nodes/h1/transactions/0-${lsnOf(20).split('/')[1]}`,
    ]) {
      const first = await asked[way](target);
      expect(first.status, first.body).toBe(200);
      const etag = first.headers.get('etag')!;
      expect(first.headers.get('cache-control')).toBe('private, max-age=300');
      expect(etag).toMatch(/^W\/"[\w-]{27}"$/);
      const again = await asked[way](target, { headers: { 'if-none-match': `"other", ${etag}` } });
      expect(again).toMatchObject({ status: 304, body: '' });
      check(way, { target }, again);
      expect(again.headers.get('etag')).toBe(etag);
      const other = await asked[way](target, { headers: { 'if-none-match': '"other"' } });
      expect(other.status).toBe(200);
    }
  });

  test('an answer that may change must not be cached', async () => {
    const seen = await asked[way](`${orders()}/asof?pk=1`);
    expect(seen.headers.get('cache-control')).toBe('no-store');
  });

  test('a final answer whose end the request does not name must not be cached, because that end moves', async () => {
    for (const question of ['diff?pk=1', 'diff?pk=1&from=0/1000']) {
      const seen = await asked[way](`/v1/nodes/h1/tables/public.t/${question}`);
      expect(JSON.parse(seen.body), question).toMatchObject({ final: true });
      expect(seen.headers.get('cache-control'), question).toBe('no-store');
    }
  });

  test('an answer that must not be cached has a tag over its whole body, including the horizon', async () => {
    const target = '/v1/nodes/h1/tables/public.t/diff?pk=1';
    const tag = async (): Promise<string> => (await asked[way](target)).headers.get('etag')!;
    const first = await tag();
    expect(await tag()).toBe(first);
    expect(await asked[way](target, { headers: { 'if-none-match': first } })).toMatchObject({ status: 304 });
    await node.store.query(
      `UPDATE pgtimewarp.wal_checkpoints SET applied_ts = applied_ts + '1 s' WHERE node_id = 'h1'`,
    );
    expect(await asked[way](target, { headers: { 'if-none-match': first } })).toMatchObject({ status: 200 });
  });

  test('the tag stays while only the horizon moves', async () => {
    const target = '/v1/nodes/h1/tables/public.t/asof?pk=1&at=0/2800';
    const etag = (await asked[way](target)).headers.get('etag');
    await node.store.query(
      `UPDATE pgtimewarp.wal_checkpoints SET applied_ts = applied_ts + '1 s' WHERE node_id = 'h1'`,
    );
    expect((await asked[way](target)).headers.get('etag')).toBe(etag);
  });

  test('the document is served', async () => {
    const seen = await asked[way]('/openapi.json');
    expect(JSON.parse(seen.body)).toEqual(buildOpenApi(packageFile.version));
  });

  const expectFailure = (request: Request, seen: Seen, status: number, type: string): void => {
    expectSeen(seen, { ...request, status, type });
    expect(seen.headers.get('cache-control')).toBe('no-store');
    expect(seen.headers.get('retry-after')).toBe(status === 503 ? '5' : null);
    expect(seen.body).toMatch(/"instance":"urn:uuid:[0-9a-f-]{36}"/);
    expect(seen.body).not.toMatch(
      /applied_|asof_each|column|function|SQLSTATE|127\.0\.0\.1|nowhere|at .*\.ts/i,
    );
    check(way, request, seen);
  };

  test('a store with a broken schema: 500 on every route, with an id and no internals', async () => {
    await node.store.query('ALTER TABLE pgtimewarp.wal_checkpoints RENAME applied_lsn TO applied_gone');
    try {
      for (const request of everyRoute())
        expectFailure(request, await asked[way](request.target, request), 500, 'error:INTERNAL');
    } finally {
      await node.store.query('ALTER TABLE pgtimewarp.wal_checkpoints RENAME applied_gone TO applied_lsn');
    }
  });

  test('a store without the functions of this version: 503, like an unreachable store', async () => {
    await node.store.query('ALTER FUNCTION pgtimewarp.asof_each RENAME TO asof_gone');
    try {
      const target = `${orders()}/asof?pk=1`;
      expectFailure({ target }, await asked[way](target), 503, 'error:SCHEMA_OUTDATED');
    } finally {
      await node.store.query('ALTER FUNCTION pgtimewarp.asof_gone RENAME TO asof_each');
    }
  });

  test('an unreachable store: 503 on every route, with an id and no internals', async () => {
    for (const request of everyRoute())
      expectFailure(request, await away[way](request.target, request), 503, 'error:STORE_UNREACHABLE');
  });
});

function expectSeen(seen: Seen, wanted: Case): void {
  expect(seen.status, seen.body).toBe(wanted.status);
  if (wanted.says !== undefined) expect(seen.body).toMatch(wanted.says);
  const problem = seen.status >= 400;
  expect(seen.headers.get('content-type')).toBe(problem ? 'application/problem+json' : 'application/json');
  if (problem) expect(JSON.parse(seen.body)).toMatchObject({ type: `urn:pgtimewarp:${wanted.type}` });
}

describe('serve', () => {
  test.each([
    ['none', {}],
    ['another', { authorization: 'Bearer another' }],
    ['another scheme', { authorization: `Basic ${TOKEN}` }],
  ])('refuses a token that is %s, on every route', async (_, headers) => {
    for (const { target, method = 'GET', body } of everyRoute()) {
      const response = await fetch(asked.server.url + target, { headers, method, body: body ?? null });
      const seen = { status: response.status, headers: response.headers, body: await response.text() };
      expectSeen(seen, { target, status: 401, type: 'unauthorized' });
      expect(seen.headers.get('www-authenticate')).toBe('Bearer realm="pgtimewarp"');
      check('serve', { target, method }, seen);
    }
  });

  test('an invalid request is refused with a reason; the answer to HEAD has the same headers and no body', async () => {
    const long = everyRoute().map((route) => ({
      ...route,
      target: `${route.target}?x=${'x'.repeat(20_000)}`,
    }));
    for (const { target, method = 'GET', status } of [
      { target: '/v1/nodes?pk=\xa8', method: 'GET', status: 400 },
      ...long.map((route) => ({ ...route, status: 431 })),
    ]) {
      const [head, content] = await askRaw(asked.server.url, method, target);
      expect(head, content).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      const problem = { status, contentType: /content-type: (.*)/.exec(head)![1]!, body: content };
      checkProblem(problem);
      if (status === 431) {
        const headers = new Headers({ 'content-type': problem.contentType });
        check('serve', { target, method }, { status, headers, body: content });
      }
      expect(head).toContain(`content-length: ${Buffer.byteLength(content)}\r\n`);
      expect(await askRaw(asked.server.url, 'HEAD', target)).toEqual([head, '']);
    }
  });

  test('needs a token before it listens to other machines', async () => {
    await expect(startServe(['--host', '0.0.0.0'], node.env)).rejects.toThrow(/PGTIMEWARP_TOKEN/);
  });

  test('without a token answers only its own machine; it polls, ends at a signal, and prints what it did', async () => {
    await using own = await startServe(['--every', '1s', '--json'], node.env);
    await refusesOtherHosts(own);
    await node.source.query('INSERT INTO orders VALUES (77, 7.70)');
    const found = async (): Promise<boolean> => (await fetch(`${own.url}${orders()}/asof?pk=77`)).ok;
    await expect.poll(found, { timeout: 20_000 }).toBe(true);
    const ended = await own.stop();
    expect(JSON.parse(ended.stdout), ended.stderr).toMatchObject({ url: own.url, failed_runs: 0 });
  });
});

/** A page in a browser can resolve its own name to 127.0.0.1; the Host header still contains that name. */
async function refusesOtherHosts({ url }: ServeProcess): Promise<void> {
  const { port } = new URL(url);
  for (const route of [...everyRoute(), { target: '/openapi.json' }]) {
    const seen = await askAs(url, `evil.example:${port}`, route);
    expectSeen(seen, { ...route, status: 421, type: 'misdirected' });
    if (route.target !== '/openapi.json') check('serve', route, seen);
  }
  for (const host of ['127.0.0.1.evil.example', 'localhost.evil.example', '10.0.0.1'])
    expect((await askAs(url, host, { target: '/v1/nodes' })).status, host).toBe(421);
  for (const host of [`localhost:${port}`, 'LOCALHOST', '127.0.0.1', `[::1]:${port}`])
    expect((await askAs(url, host, { target: '/v1/nodes' })).status, host).toBe(200);
}

/** Head and content of the answer, unchanged: a client for HTTP sends no invalid request, and reads no content after HEAD. */
async function askRaw(url: string, method: string, target: string): Promise<[head: string, content: string]> {
  const { hostname, port, host } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.end(`${method} ${target} HTTP/1.1\r\nhost: ${host}\r\n\r\n`, 'latin1');
  const [head = '', content = ''] = (await text(socket)).split('\r\n\r\n');
  return [head, content];
}

/** fetch() sets the Host header itself. */
async function askAs(url: string, host: string, { target, method = 'GET', body }: Request): Promise<Seen> {
  return await new Promise((resolve, reject) => {
    const asking = request(url + target, { method, headers: { host } }, async (response) => {
      const headers = new Headers({ 'content-type': response.headers['content-type'] ?? '' });
      resolve({ status: response.statusCode ?? 0, headers, body: await text(response) });
    });
    asking.on('error', reject).end(body);
  });
}

test('pages of a diff: under 5 MB, complete, and stable while history grows', async () => {
  const big = 'x'.repeat(700_000);
  await node.source.query('INSERT INTO orders VALUES (5, 0)');
  await node.source.query(`CREATE TABLE big (id int PRIMARY KEY, n int, doc text)`);
  await node.track('big');
  await node.source.query(`INSERT INTO big VALUES (1, 0, '${big}0')`);
  for (let n = 1; n <= 9; n++) await node.source.query(`UPDATE big SET n = ${n}, doc = '${big}${n}'`);
  await node.catchUp();
  const numbers: string[] = [];
  let cursor: string | undefined;
  let pages = 0;
  do {
    const query = cursor === undefined ? '' : `&cursor=${cursor}`;
    const { body, status } = await asked.handler(
      `/v1/nodes/${node.node}/tables/public.big/diff?pk=1&limit=50${query}`,
    );
    expect(status).toBe(200);
    expect(Buffer.byteLength(JSON.stringify(body))).toBeLessThan(5_000_000);
    numbers.push(...[...body.matchAll(/"row":\{"id":1,"n":(\d+),/g)].map((match) => match[1]!));
    cursor = /"next_cursor":"([^"]+)"/.exec(body)?.[1];
    pages += 1;
    if (pages === 2) {
      await node.source.query(`UPDATE big SET n = 10, doc = '${big}10'`);
      await node.catchUp();
    }
  } while (cursor !== undefined && pages < 20);
  expect(numbers).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '10']);
  expect(pages).toBeGreaterThan(3);
});

test('pages about many rows: under 5 MB, complete, and each item whole or naming what it omits', async () => {
  const quotes = `repeat('"', 700000)`; // every quotation mark is sent as two bytes, or four
  await node.source.query('CREATE TABLE wide (id int PRIMARY KEY, doc text)');
  await node.track('wide');
  await node.source.query(`INSERT INTO wide SELECT n, ${quotes} FROM generate_series(1, 4) AS n`);
  await node.source.query(`INSERT INTO wide VALUES (5, repeat('"', 1500000))`);
  await node.source.query(`UPDATE wide SET doc = doc || '.' WHERE id = 5`);
  await node.source.query(
    `SELECT pg_logical_emit_message(true, 'pgtimewarp', to_json(repeat('"', 1500000))::text); UPDATE wide SET id = 6 WHERE id = 1`,
  );
  await node.catchUp();
  const { rows } = await node.store.query<{ lsn: string }>(
    `SELECT m.lsn::text FROM pgtimewarp.lsn_time_map AS m WHERE m.node_id = $1 AND m.xid IS NOT NULL ORDER BY m.lsn DESC LIMIT 4`,
    [node.node],
  );
  const [last, , , inserts] = rows.map((row) => row.lsn.replace('/', '-'));
  const table = `/v1/nodes/${node.node}/tables/public.wide`;
  const transactions = `/v1/nodes/${node.node}/transactions`;
  const questions: readonly (readonly [target: string, wanted: readonly string[]])[] = [
    [
      `${table}/changes?`,
      ['1', '2', '3', '4', '5 after', '5 changed,after,before', '1 context', '6 context'],
    ],
    [`${table}/changes?net=true&`, ['2', '3', '4', '5 after', '6 context']],
    [`${table}/find?where.id=5&from=${OLD}&`, ['5 row', '5 row']],
    [`${table}/find?where.id=6&`, ['6']],
    [`${transactions}?table=public.wide&`, [' context', '', '', '']],
    [`${transactions}/${inserts}?`, ['1', '2', '3', '4']],
    [`${transactions}/${last}?`, ['1', '6']],
  ];
  for (const [target, wanted] of questions) {
    // the handler, whose limit it is; one question also over real HTTP
    for (const way of target === questions[0]![0] ? API_WAYS : (['handler'] as const)) {
      const found: string[] = [];
      for (let cursor = ''; ; ) {
        const seen = await asked[way](`${target}limit=1000${cursor}`);
        expect(seen.status, seen.body.slice(0, 300)).toBe(200);
        expect(Buffer.byteLength(JSON.stringify(seen.body))).toBeLessThan(5_000_000);
        check(way, { target }, seen);
        const page = JSON.parse(seen.body) as Record<'changes' | 'rows' | 'transactions', unknown> & {
          readonly next: string | null;
        };
        const items = [page.changes, page.transactions, page.rows].find(Array.isArray) as {
          readonly pk?: { readonly id: string };
          readonly omitted?: readonly string[];
        }[];
        found.push(...items.map(({ pk, omitted }) => `${pk?.id ?? ''} ${omitted?.join() ?? ''}`.trimEnd()));
        if (page.next === null) break;
        cursor = `&cursor=${page.next}`;
      }
      expect(found, `${way} ${target}`).toEqual(wanted);
    }
  }
}, 120_000);

test('a position at which two servers behind a node had a transaction names each by its number', async () => {
  const history = await StoreHistory.create(node.store, 100, 2);
  for (const space of [1, 2]) {
    const isPast = space === 1;
    const table = await history.track({ space, ...(isPast ? { to: 50 } : {}) }, isPast);
    await history.change(table, 20, 'I', '1', { space, xid: 700 + space });
  }
  const target = `/v1/nodes/${history.node}/transactions/${lsnOf(20).replace('/', '-')}`;
  const seen = await asked.handler(target);
  expectSeen(seen, { target, status: 400, type: 'error:BAD_FLAGS', says: /xid=702 or xid=701/ });
  for (const xid of ['701', '702'])
    expect(JSON.parse((await asked.handler(`${target}?xid=${xid}`)).body)).toMatchObject({ xid, rows: 1 });
});

test('a change that fits into no page names what it leaves out; a row that fits into no answer is refused', async () => {
  await node.source.query(`CREATE TABLE huge (id int PRIMARY KEY, doc text)`);
  await node.track('huge');
  await node.source.query(`INSERT INTO huge VALUES (1, repeat('"', 1500000))`);
  await node.source.query(`UPDATE huge SET doc = repeat('"', 1500001)`);
  await node.catchUp();
  const table = `/v1/nodes/${node.node}/tables/public.huge`;
  const pages: string[] = [];
  for (let query = ''; pages.length < 5; ) {
    const { body } = await asked.handler(`${table}/diff?pk=1${query}`);
    expect(Buffer.byteLength(JSON.stringify(body))).toBeLessThan(5_000_000);
    pages.push(body);
    const cursor = /"next_cursor":"([^"]+)"/.exec(body)?.[1];
    if (cursor === undefined) break;
    query = `&cursor=${cursor}`;
  }
  expect(pages.join('').match(/"op":"[IU]"/g)).toEqual(['"op":"I"', '"op":"U"']);
  expect(pages.at(-1)).toContain('"omitted":["changed"');
  const tooLarge = [
    { target: `${table}/asof?pk=1` },
    { target: `${table}/rows` },
    { target: `${table}/asof:batch`, method: 'POST', body: '{"keys":[1]}' },
  ];
  for (const way of API_WAYS) {
    for (const request of tooLarge) {
      const asOf = await asked[way](request.target, request);
      expectSeen(asOf, { ...request, status: 413, type: 'too-large' });
      check(way, request, asOf);
    }
  }
});

test('if a deployment configures a claim, a caller without it gets the documented refusal', async () => {
  process.env.PGTIMEWARP_TABLES_CLAIM = 'tables'; // read for every request
  try {
    for (const request of everyRoute().filter(({ target }) => target.includes(node.node))) {
      const seen = await asked.handler(request.target, request);
      expectSeen(seen, { ...request, status: 403, type: 'forbidden' });
      check('handler', request, seen);
    }
  } finally {
    delete process.env.PGTIMEWARP_TABLES_CLAIM;
  }
});

test('every status that the document has for a route was tested', () => {
  const documented = documentedAnswers(openApi);
  // with `serve` every caller with the token may ask about everything
  const ofServe = documented.filter((each) => !each.endsWith(' 403'));
  expect(ofServe.filter((each) => !answered.serve.has(each))).toEqual([]);
  // before it calls the function, API Gateway identifies the caller, chooses the host and limits the request
  const ofFunction = documented.filter((each) => !/ (401|421|431)$/.test(each));
  expect(ofFunction.filter((each) => !answered.handler.has(each))).toEqual([]);
});
