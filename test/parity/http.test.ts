/** Every route and every status: over real HTTP with `serve`, and through the function's handler. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import openApi from '../../lambda/api/openapi.json' with { type: 'json' };
import { buildOpenApi } from '../../lambda/api/openapi.ts';
import packageFile from '../../package.json' with { type: 'json' };
import { lsnOf, StoreHistory, timeOf } from '../pg/query-history.ts';
import { API_WAYS, type ApiWays, apiWays, type Seen, TOKEN } from '../support/api-ways.ts';
import { openApiChecker } from '../support/openapi-check.ts';
import { startServe } from '../support/serve.ts';
import { type TrackedNode, trackedNode } from '../support/tracked-node.ts';

interface Case {
  readonly name: string;
  readonly target: string;
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly status: number;
  /** Of a problem: the end of its `type`. */
  readonly type?: string;
  readonly says?: RegExp;
}

let node: TrackedNode;
let asked: ApiWays;
const check = openApiChecker(openApi);

beforeAll(async () => {
  node = await trackedNode({
    plugin: 'pgoutput',
    tables: 'CREATE TABLE orders (id int PRIMARY KEY, total numeric); INSERT INTO orders VALUES (1, 1.10)',
    track: ['orders'],
  });
  await node.source.query(
    'UPDATE orders SET total = 2.20; DELETE FROM orders; INSERT INTO orders VALUES (1, 3.30)',
  );
  await node.catchUp();
  await writtenHistory();
  asked = await apiWays(node);
});

afterAll(async () => {
  await asked?.[Symbol.asyncDispose]();
  await node?.[Symbol.asyncDispose]();
});

/**
 * Nodes whose histories have all kinds of ignorance in them: h1, h2 whose baseline is not read, h3 of which everything
 * before commit 40 has left its window; commits to 100.
 */
async function writtenHistory(): Promise<void> {
  const history = await StoreHistory.create(node.store);
  const pending = await StoreHistory.create(node.store);
  const expired = await StoreHistory.create(node.store);
  expect([history.node, pending.node, expired.node]).toEqual(['h1', 'h2', 'h3']);
  await history.change(await history.track(), 20, 'I');
  await history.gap(60, 70);
  await pending.track({ baseline: 'pending' });
  const relationId = await expired.track();
  await expired.change(relationId, 20, 'I');
  await node.store.query(
    `INSERT INTO pgtimewarp.relation_retention (relation_id, retention, expired_before_lsn, expired_before_ts)
     VALUES ($1::int, '1 day', $2::pg_lsn, $3::timestamptz)`,
    [relationId, lsnOf(40), timeOf(40)],
  );
}

const OLD = '2020-01-01T00:00:00Z';
const at = (second: string): string => `2026-01-01T00:${second}Z`;
const orders = (): string => `/v1/nodes/${node.node}/tables/public.orders`;

const CASES: readonly (readonly [string, () => Omit<Case, 'name'>])[] = [
  ['nodes', () => ({ target: '/v1/nodes', status: 200, says: new RegExp(`"node":"${node.node}"`) })],
  [
    'nodes, with a query that it has not',
    () => ({ target: '/v1/nodes?x=1', status: 400, type: 'error:BAD_FLAGS' }),
  ],
  ['tables', () => ({ target: `/v1/nodes/${node.node}/tables`, status: 200, says: /"table":"orders"/ })],
  [
    'tables of no node',
    () => ({ target: '/v1/nodes/nobody/tables', status: 404, type: 'error:NODE_UNKNOWN' }),
  ],
  [
    'tables of no name',
    () => ({ target: '/v1/nodes/No-Body/tables', status: 400, type: 'error:BAD_FLAGS', says: /node: / }),
  ],
  ['health', () => ({ target: '/v1/health', status: 200, says: /"status":"warn"/ })],
  ['found', () => ({ target: `${orders()}/asof?pk=1`, status: 200, says: /"total":3\.30/ })],
  [
    'found, key as an object',
    () => ({ target: `${orders()}/asof?pk=${encodeURIComponent('{"id":1}')}`, status: 200 }),
  ],
  [
    'absent',
    () => ({
      target: `${orders()}/asof?pk=9`,
      status: 404,
      type: 'absent:not_yet_inserted',
      says: /"status":"absent"/,
    }),
  ],
  [
    'absent for good',
    () => ({
      target: '/v1/nodes/h1/tables/public.t/asof?pk=9&at=0/5000',
      status: 404,
      type: 'absent:not_yet_inserted',
      says: /"final":true/,
    }),
  ],
  [
    'before tracking',
    () => ({
      target: `${orders()}/asof?pk=1&at=${OLD}`,
      status: 409,
      type: 'unknown:before_tracking',
      says: /"row":null/,
    }),
  ],
  [
    'baseline pending',
    () => ({
      target: `/v1/nodes/h2/tables/public.t/asof?pk=1&at=${at('00:50')}`,
      status: 409,
      type: 'unknown:baseline_pending',
    }),
  ],
  [
    'in a gap',
    () => ({
      target: `/v1/nodes/h1/tables/public.t/asof?pk=1&at=${at('01:05')}`,
      status: 409,
      type: 'unknown:in_gap',
    }),
  ],
  [
    'expired',
    () => ({
      target: `/v1/nodes/h3/tables/public.t/asof?pk=1&at=${at('00:30')}`,
      status: 410,
      type: 'unknown:expired',
      says: /"final":true/,
    }),
  ],
  [
    'inside the window',
    () => ({ target: `/v1/nodes/h3/tables/public.t/asof?pk=1&at=${at('00:50')}`, status: 200 }),
  ],
  [
    'as-of in no node',
    () => ({ target: '/v1/nodes/nobody/tables/public.t/asof?pk=1', status: 404, type: 'error:NODE_UNKNOWN' }),
  ],
  [
    'as-of in no table',
    () => ({
      target: `/v1/nodes/${node.node}/tables/public.none/asof?pk=1`,
      status: 404,
      type: 'error:TABLE_NOT_TRACKED',
    }),
  ],
  [
    'letter case counts',
    () => ({
      target: `/v1/nodes/${node.node}/tables/public.Orders/asof?pk=1`,
      status: 404,
      type: 'error:TABLE_NOT_TRACKED',
      says: /Orders/,
    }),
  ],
  [
    'no schema',
    () => ({
      target: `/v1/nodes/${node.node}/tables/orders/asof?pk=1`,
      status: 400,
      type: 'error:BAD_TABLE_NAME',
    }),
  ],
  [
    'no key',
    () => ({ target: `${orders()}/asof`, status: 400, type: 'error:BAD_FLAGS', says: /pk: is missing/ }),
  ],
  [
    'two keys',
    () => ({
      target: `${orders()}/asof?pk=1&pk=2`,
      status: 400,
      type: 'error:BAD_FLAGS',
      says: /more than once/,
    }),
  ],
  ['unusable key', () => ({ target: `${orders()}/asof?pk=x`, status: 400, type: 'error:BAD_KEY' })],
  [
    'unusable time',
    () => ({ target: `${orders()}/asof?pk=1&at=yesterday`, status: 400, type: 'error:BAD_TIME' }),
  ],
  [
    'plus that nobody encoded',
    () => ({
      target: `${orders()}/asof?pk=1&at=2026-01-01T00:00:00+01:00`,
      status: 400,
      type: 'error:BAD_TIME',
      says: /%2B/,
    }),
  ],
  [
    'unknown parameter',
    () => ({ target: `${orders()}/asof?pk=1&when=now`, status: 400, type: 'error:BAD_FLAGS', says: /when/ }),
  ],
  [
    'bad encoding in the query',
    () => ({ target: `${orders()}/asof?pk=%zz`, status: 400, type: 'error:BAD_FLAGS' }),
  ],
  [
    'bytes that are not UTF-8',
    () => ({ target: `${orders()}/asof?pk=%ff`, status: 400, type: 'error:BAD_FLAGS' }),
  ],
  ['a NUL in the key', () => ({ target: `${orders()}/asof?pk=%00`, status: 400, type: 'error:BAD_KEY' })],
  [
    'diff',
    () => ({ target: `${orders()}/diff?pk=1`, status: 200, says: /"op":"S".*"op":"U".*"op":"D".*"op":"I"/ }),
  ],
  [
    'diff with a gap in it',
    () => ({ target: '/v1/nodes/h1/tables/public.t/diff?pk=1', status: 200, says: /"reason" ?: ?"in_gap"/ }),
  ],
  [
    'diff, bad limit',
    () => ({
      target: `${orders()}/diff?pk=1&limit=0`,
      status: 400,
      type: 'error:BAD_FLAGS',
      says: /limit: /,
    }),
  ],
  [
    'diff, bad cursor',
    () => ({
      target: `${orders()}/diff?pk=1&cursor=abc`,
      status: 400,
      type: 'error:BAD_FLAGS',
      says: /cursor/,
    }),
  ],
  [
    'diff in no table',
    () => ({
      target: `/v1/nodes/${node.node}/tables/public.none/diff?pk=1`,
      status: 404,
      type: 'error:TABLE_NOT_TRACKED',
    }),
  ],
];

const OUTSIDE: readonly (readonly [string, () => Omit<Case, 'name'>])[] = [
  ['no route', () => ({ target: '/v2/nodes', status: 404, type: 'no-such-route' })],
  ['root', () => ({ target: '/', status: 404, type: 'no-such-route' })],
  ['POST', () => ({ target: '/v1/nodes', method: 'POST', status: 405, type: 'method-not-allowed' })],
  [
    'DELETE of a row',
    () => ({ target: `${orders()}/asof?pk=1`, method: 'DELETE', status: 405, type: 'method-not-allowed' }),
  ],
  [
    'POST of the document',
    () => ({ target: '/openapi.json', method: 'POST', status: 405, type: 'method-not-allowed' }),
  ],
];

describe.each(API_WAYS)('through %s', (way) => {
  test.each(CASES)('%s', async (_, make) => {
    const wanted = make();
    const seen = await asked[way](wanted.target);
    expectSeen(seen, wanted);
    const path = new URL(wanted.target, 'http://any').pathname;
    check(path, { status: seen.status, contentType: seen.headers.get('content-type'), body: seen.body });
  });

  test.each(OUTSIDE)('%s', async (_, make) => {
    const wanted = make();
    const seen = await asked[way](wanted.target, wanted);
    expectSeen(seen, wanted);
    expect(seen.headers.get('allow')).toBe(wanted.status === 405 ? 'GET, HEAD' : null);
  });

  test('HEAD is GET without the body', async () => {
    const seen = await asked[way]('/v1/nodes', { method: 'HEAD' });
    expect(seen).toMatchObject({ status: 200, body: '' });
  });

  test('a final answer has an ETag, and 304 for who has it', async () => {
    for (const target of [
      '/v1/nodes/h1/tables/public.t/asof?pk=1&at=0/5000',
      '/v1/nodes/h1/tables/public.t/diff?pk=1&from=0/1000&to=0/5000',
    ]) {
      const first = await asked[way](target);
      expect(first.status, first.body).toBe(200);
      const etag = first.headers.get('etag')!;
      expect(first.headers.get('cache-control')).toBe('private, max-age=300');
      expect(etag).toMatch(/^W\/"[\w-]{27}"$/);
      const again = await asked[way](target, { headers: { 'if-none-match': `"other", ${etag}` } });
      expect(again).toMatchObject({ status: 304, body: '' });
      expect(again.headers.get('etag')).toBe(etag);
      const other = await asked[way](target, { headers: { 'if-none-match': '"other"' } });
      expect(other.status).toBe(200);
    }
  });

  test('an answer that may change is not kept', async () => {
    const seen = await asked[way](`${orders()}/asof?pk=1`);
    expect(seen.headers.get('cache-control')).toBe('no-store');
    expect(seen.headers.get('etag')).toBeNull();
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

  test('a failure has an id and shows nothing of the inside', async () => {
    await node.store.query('ALTER FUNCTION pgtimewarp.version_at RENAME TO version_gone');
    try {
      const seen = await asked[way](`${orders()}/asof?pk=1`);
      expect([500, 503]).toContain(seen.status);
      expect(seen.body).toMatch(/"instance":"urn:uuid:[0-9a-f-]{36}"/);
      expect(seen.body).not.toMatch(/version_at|function|SQLSTATE|at .*\.ts/i);
      check(`${orders()}/asof`, {
        status: seen.status,
        contentType: 'application/problem+json',
        body: seen.body,
      });
    } finally {
      await node.store.query('ALTER FUNCTION pgtimewarp.version_gone RENAME TO version_at');
    }
  });
});

function expectSeen(seen: Seen, wanted: Omit<Case, 'name'>): void {
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
  ])('refuses a token that is %s', async (_, headers) => {
    const response = await fetch(`${asked.server.url}/v1/nodes`, { headers });
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toBe('Bearer realm="pgtimewarp"');
    check('/v1/nodes', {
      status: 401,
      contentType: response.headers.get('content-type'),
      body: await response.text(),
    });
  });

  test('wants a token before it listens to other machines', async () => {
    await expect(startServe(['--host', '0.0.0.0'], node.env)).rejects.toThrow(/PGTIMEWARP_TOKEN/);
  });

  test('polls, and ends at a signal with what it did', async () => {
    await using own = await startServe(['--every', '1s', '--json'], node.env);
    await node.source.query('INSERT INTO orders VALUES (77, 7.70)');
    const found = async (): Promise<boolean> => (await fetch(`${own.url}${orders()}/asof?pk=77`)).ok;
    await expect.poll(found, { timeout: 20_000 }).toBe(true);
    const ended = await own.stop();
    expect(JSON.parse(ended.stdout)).toMatchObject({ url: own.url, failedRuns: 0 });
  });
});

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

test('a change that fits into no page says what it leaves out; a row that fits into no answer is refused', async () => {
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
  const asOf = await asked.handler(`${table}/asof?pk=1`);
  expect(asOf.status).toBe(413);
  check(`${table}/asof`, { status: 413, contentType: asOf.headers.get('content-type'), body: asOf.body });
});
