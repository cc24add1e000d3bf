/** The HTTP API behind a real nginx: it works as documented, and every answer belongs to its own request. */
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import openApi from '../../http/openapi.json' with { type: 'json' };
import { TOKEN } from '../support/api-ways.ts';
import { describeNeeding, nginx } from '../support/needs.ts';
import { type Nginx, startNginx } from '../support/nginx.ts';
import { problemChecker } from '../support/openapi-check.ts';
import { type ServeProcess, startServe } from '../support/serve.ts';
import { type TrackedNode, trackedNode } from '../support/tracked-node.ts';

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

interface Asked {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

const LARGE_HEADERS = 'large_client_header_buffers 4 64k;';
const PASSED_ON = 'proxy_request_buffering off;';
const checkProblem = problemChecker(openApi);

describeNeeding(nginx(), 'behind nginx', () => {
  let node: TrackedNode;
  let server: ServeProcess;
  let proxy: Nginx;
  /** Few connections, so that each carries many requests. */
  const agent = new Agent({ keepAlive: true, maxSockets: 2 });
  let table = '';

  beforeAll(async () => {
    node = await trackedNode({
      plugin: 'pgoutput',
      tables: `CREATE TABLE "v1.orders" (id int PRIMARY KEY, note text);
               INSERT INTO "v1.orders" SELECT n, repeat('note ' || n, 300) FROM generate_series(1, 30) n`,
      track: ['"v1.orders"'],
    });
    await node.source.query(`UPDATE "v1.orders" SET note = note || '!'`);
    await node.catchUp();
    server = await startServe(['--every', '1h'], { ...node.env, PGTIMEWARP_TOKEN: TOKEN });
    proxy = await startNginx(server.url, LARGE_HEADERS + PASSED_ON);
    table = `/v1/nodes/${node.node}/tables/public.%22v1.orders%22`;
  });

  afterAll(async () => {
    agent.destroy();
    await proxy?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
    await node?.[Symbol.asyncDispose]();
  });

  const ask = (target: string, { method = 'GET', headers = {}, body }: Asked = {}, at = proxy.url) =>
    new Promise<Answer>((resolve, reject) => {
      const asking = request(at + target, {
        ...{ method, agent },
        headers: {
          authorization: `Bearer ${TOKEN}`,
          ...(body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
          ...headers,
        },
      });
      asking.on('response', async (response) => {
        resolve({
          status: response.statusCode!,
          headers: response.headers,
          body: await buffer(response).catch(() => Buffer.from('cut off')),
        });
      });
      asking.on('error', reject);
      asking.end(body);
    });

  const expectProblem = ({ status, headers, body }: Answer, expected: number): void => {
    expect([status, body.toString().slice(0, 300)]).toEqual([expected, expect.any(String)]);
    checkProblem({ status, contentType: headers['content-type'] ?? null, body: body.toString() });
  };

  test('on kept connections every answer belongs to its request, whatever came before', async () => {
    const key = (id: number): string => `${table}/asof?pk=${id}`;
    const kinds: readonly ((id: number) => Promise<void>)[] = [
      async (id) => {
        const { status, body } = await ask(key(id));
        expect([status, (JSON.parse(body.toString()) as { pk: object }).pk]).toEqual([
          200,
          { id: String(id) },
        ]);
      },
      async (id) => {
        const { status, body } = await ask(key(id), { method: 'HEAD' });
        expect([status, body.length]).toEqual([200, 0]);
      },
      async (id) => expect((await ask(key(1000 + id))).body.toString()).toContain(`"id":"${1000 + id}"`),
      async (id) => {
        const { status, body } = await ask(`${table}/asof:batch`, {
          method: 'POST',
          body: `{"keys":[${id}]}`,
        });
        expect(status).toBe(200);
        expect(body.toString()).toContain(`"pk":{"id":"${id}"}`);
      },
      async () => expectProblem(await ask(`${table}/asof`, { method: 'DELETE', body: '{"keys":[1]}' }), 405),
      async () => expectProblem(await ask(`${table}/asof:batch`, { method: 'POST', body: '{"keys":' }), 400),
      async () => expectProblem(await ask('/v1/nowhere', { method: 'PUT', body: 'x'.repeat(5_000) }), 404),
      async () => expect((await ask(`${table}/asof`, { method: 'OPTIONS' })).status).toBe(204),
      async () => expectProblem(await ask(key(1), { headers: { authorization: 'Bearer x' } }), 401),
      async () =>
        expectProblem(await ask(`${table}/asof:batch`, { method: 'POST', body: 'x'.repeat(300_000) }), 413),
    ];
    await Promise.all(
      Array.from({ length: 4 }, async (_, worker) => {
        for (let n = 0; n < 60; n++) await kinds[(n * 7 + worker * 3) % kinds.length]!((n % 30) + 1);
      }),
    );
  });

  test('HEAD has the headers of GET', async () => {
    for (const target of [`${table}/asof?pk=1`, `${table}/diff?pk=1`, '/v1/nodes', `${table}/asof?pk=0`]) {
      const [get, head] = [await ask(target), await ask(target, { method: 'HEAD' })];
      const told = ({ status, headers }: Answer) => ({ status, type: headers['content-type'] });
      expect(told(head)).toEqual(told(get));
      expect(head.body.length).toBe(0);
    }
  });

  test('we compress, nginx passes it on, and the client revalidates with its tag', async () => {
    const target = `${table}/diff?pk=1&to=${(await horizon()).replace('/', '%2F')}`;
    const plain = await ask(target, { headers: { 'accept-encoding': 'identity' } });
    const zipped = await ask(target, { headers: { 'accept-encoding': 'gzip' } });
    expect([plain.headers['content-encoding'], zipped.headers['content-encoding']]).toEqual([
      undefined,
      'gzip',
    ]);
    expect(gunzipSync(zipped.body).toString()).toBe(plain.body.toString());
    for (const { headers } of [plain, zipped]) {
      expect(headers.vary).toMatch(/accept-encoding/i);
      const again = await ask(target, { headers: { 'if-none-match': headers.etag! } });
      expect([again.status, again.body.length]).toEqual([304, 0]);
    }
  });

  async function horizon(): Promise<string> {
    const { body } = await ask('/v1/nodes');
    return (JSON.parse(body.toString()) as { nodes: { horizon: { lsn: string } }[] }).nodes[0]!.horizon.lsn;
  }

  test('too long requests: 413 and 431 are ours, 414 is nginx’s own while its buffers have the default size', async () => {
    expectProblem(await ask(`${table}/asof?pk=${'x'.repeat(20_000)}`), 431);
    expectProblem(await ask(`${table}/asof?pk=1`, { headers: { 'x-much': 'x'.repeat(20_000) } }), 431);
    expect((await ask(`${table}/asof?pk=${'1'.repeat(7_000)}`)).status).toBe(400); // not an integer
    await using usual = await startNginx(server.url);
    expect((await ask(`${table}/asof?pk=${'x'.repeat(20_000)}`, {}, usual.url)).status).toBe(414);
    expectProblem(
      await ask(`${table}/asof:batch`, { method: 'POST', body: 'x'.repeat(300_000) }, usual.url),
      413,
    );
    expect((await ask(`${table}/asof?pk=1`, {}, usual.url)).status).toBe(200);
  });

  test('an invalid request ends as a problem, and the next one is answered', async () => {
    expectProblem(await ask(`${table}/asof?pk=%zz`), 400);
    expect((await ask(`${table}/asof?pk=1`)).status).toBe(200);
  });
});
