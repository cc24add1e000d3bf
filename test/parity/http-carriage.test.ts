/**
 * How answers are transferred: compressed, to pages of other origins, with numbers as text. And requests that are not valid
 * HTTP.
 */
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import openApi from '../../http/openapi.json' with { type: 'json' };
import { API_WAYS, type ApiWays, apiWays, TOKEN } from '../support/api-ways.ts';
import { problemChecker } from '../support/openapi-check.ts';
import { runCli } from '../support/run-cli.ts';
import { type ServeProcess, startServe } from '../support/serve.ts';
import { type TrackedNode, trackedNode } from '../support/tracked-node.ts';

const ORIGIN = 'https://app.example.com';
const checkProblem = problemChecker(openApi);

let node: TrackedNode;
let asked: ApiWays;
const table = (): string => `/v1/nodes/${node.node}/tables/public.t`;

beforeAll(async () => {
  node = await trackedNode({
    plugin: 'pgoutput',
    tables: `CREATE TABLE t (id int PRIMARY KEY, n numeric, doc json);
             INSERT INTO t VALUES (1, 12345678901234567890.10, '{"a": [1e400, "2", -3.0]}')`,
    track: ['t'],
  });
  for (let n = 0; n < 40; n++) await node.source.query('UPDATE t SET n = n + 1');
  await node.source.query(`SELECT pg_logical_emit_message(true, 'pgtimewarp', '{"run": 9007199254740993}')`);
  await node.catchUp();
  asked = await apiWays(node);
});

afterAll(async () => {
  await asked?.[Symbol.asyncDispose]();
  await node?.[Symbol.asyncDispose]();
});

describe.each(API_WAYS)('through %s', (way) => {
  test('with numbers=text every number is in a string, and no other value is changed', async () => {
    for (const question of ['asof?pk=1', 'diff?pk=1', 'asof?pk=2']) {
      const plain = (await asked[way](`${table()}/${question}`)).body;
      const shown = (await asked[way](`${table()}/${question}&numbers=text`)).body;
      const unquoted = shown.replaceAll(/"(-?\d+(\.\d+)?(e\d+)?)"/g, '$1');
      const alike = (body: string): string =>
        body.replaceAll(/"(as_of|horizon)":\{[^}]*\}|"to":"[^"]*"/g, '');
      expect(alike(unquoted)).toBe(alike(plain.replaceAll(/"(-?\d+(\.\d+)?(e\d+)?)"/g, '$1')));
      if (question === 'asof?pk=1') {
        expect(JSON.parse(shown)).toMatchObject({
          row: { id: '1', n: '12345678901234567930.10', doc: { a: ['1e400', '2', '-3.0'] } },
        });
      }
    }
    const batch = await asked[way](`${table()}/asof:batch?numbers=text`, {
      method: 'POST',
      body: '{"keys":[1, "x"]}',
    });
    expect(JSON.parse(batch.body)).toMatchObject({ answers: [{ row: { id: '1' } }, { status: 400 }] });
    const other = await asked[way](`${table()}/asof?pk=1&numbers=float`);
    expect(other.status).toBe(400);
  });

  test('long answers are compressed if the client accepts that', async () => {
    const target = `${table()}/diff?pk=1`;
    const plain = await asked[way](target, { headers: { 'accept-encoding': 'identity' } });
    expect(plain.headers.get('content-encoding')).toBeNull();
    expect(plain.headers.get('vary')).toMatch(/accept-encoding/i);
    const zipped = await asked[way](target, { headers: { 'accept-encoding': 'gzip' } });
    expect(zipped.headers.get('content-encoding')).toBe('gzip');
    if (way === 'handler') {
      const bytes = Buffer.from(zipped.body, 'base64'); // how a function returns bytes
      expect(lasting(gunzipSync(bytes).toString())).toEqual(lasting(plain.body));
      expect(bytes.length).toBeLessThan(plain.body.length / 4);
    } else {
      expect(lasting(zipped.body)).toEqual(lasting(plain.body)); // fetch() has decompressed it
    }
    const short = await asked[way]('/v1/nodes', { headers: { 'accept-encoding': 'gzip' } });
    expect(short.headers.get('content-encoding')).toBeNull();
    expect(short.headers.get('content-length')).toBe(String(Buffer.byteLength(short.body)));
  });

  test('OPTIONS lists the methods of a route', async () => {
    for (const [target, allow] of [
      ['/v1/nodes', 'GET, HEAD, OPTIONS'],
      [`${table()}/asof:batch`, 'POST, OPTIONS'],
      ['/openapi.json', 'GET, HEAD, OPTIONS'],
    ] as const) {
      const seen = await asked[way](target, { method: 'OPTIONS' });
      expect(seen, target).toMatchObject({ status: 204, body: '' });
      expect(seen.headers.get('allow')).toBe(allow);
      expect(seen.headers.get('access-control-allow-origin')).toBeNull();
    }
  });
});

/** A diff without its end: a run may have happened between two requests. */
function lasting(body: string): unknown {
  return { ...(JSON.parse(body) as object), to: null, horizon: null };
}

describe('pages of other origins', () => {
  let server: ServeProcess;

  beforeAll(async () => {
    server = await startServe(['--every', '1h', '--cors', 'https://other.example:8443', '--cors', ORIGIN], {
      ...node.env,
      PGTIMEWARP_TOKEN: TOKEN,
    });
  });

  afterAll(async () => server?.[Symbol.asyncDispose]());

  test('may ask if they are named, with a token like every caller', async () => {
    const preflight = await fetch(`${server.url}${table()}/asof?pk=1`, {
      method: 'OPTIONS',
      headers: {
        origin: ORIGIN,
        'access-control-request-method': 'GET',
        'access-control-request-headers': 'authorization',
      },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-origin')).toBe(ORIGIN);
    expect(preflight.headers.get('access-control-allow-headers')).toContain('authorization');
    const ask = (headers: Record<string, string>): Promise<Response> =>
      fetch(`${server.url}${table()}/asof?pk=1`, { headers });
    const seen = await ask({ origin: ORIGIN, authorization: `Bearer ${TOKEN}` });
    expect(seen.status).toBe(200);
    expect(seen.headers.get('access-control-allow-origin')).toBe(ORIGIN);
    expect(seen.headers.get('vary')).toMatch(/origin/i);
    const stranger = await ask({ origin: 'https://evil.example', authorization: `Bearer ${TOKEN}` });
    expect(stranger.headers.get('access-control-allow-origin')).toBeNull();
    expect((await ask({ origin: ORIGIN })).status).toBe(401);
  });

  test('are identified by their origin only', async () => {
    for (const wrong of ['app.example.com', `${ORIGIN}/`, `${ORIGIN}/path`, '*']) {
      const ended = await runCli(['serve', '--port', '0', '--cors', wrong], { env: node.env });
      expect(ended, wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('must be an origin') });
    }
  });
});

describe('raw requests to a server without a token', () => {
  let server: ServeProcess;

  beforeAll(async () => {
    server = await startServe(['--every', '1h'], node.env);
  });

  afterAll(async () => server?.[Symbol.asyncDispose]());

  test.each([
    ['no Host', 'GET /v1/nodes HTTP/1.1\r\n\r\n', 400],
    ['two Hosts', 'GET /v1/nodes HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: 127.0.0.1\r\n\r\n', 400],
    ['no Host in HTTP/1.0', 'GET /v1/nodes HTTP/1.0\r\n\r\n', 400],
    [
      'a whole URL of another host',
      'GET http://evil.example/v1/nodes HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n',
      421,
    ],
    [
      'a whole URL of this host',
      'GET http://127.0.0.1/v1/nodes HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n',
      200,
    ],
    ['another Host', 'GET /v1/nodes HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n', 421],
    ['CONNECT', 'CONNECT a:1 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n', 405],
    ['an expectation', 'GET /v1/nodes HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: more\r\n\r\n', 417],
    ['OPTIONS of the server', 'OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n', 204],
    ['TLS', '\u0016\u0003\u0001\u0002\u0000\u0001', 400],
  ])('%s', async (_, bytes, status) => {
    const { hostname, port } = new URL(server.url);
    const socket = connect(Number(port), hostname);
    socket.write(bytes, 'latin1');
    const [head = '', content = ''] = (await text(socket)).split('\r\n\r\n');
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    if (status < 400) return;
    expect(head).toContain(`content-length: ${Buffer.byteLength(content)}`);
    checkProblem({ status, contentType: /content-type: (.*)/.exec(head)![1]!, body: content });
  });
});
