/**
 * The HTTP API under hostile requests: the server never fails, no answer is slow or missing from the OpenAPI document, and
 * memory does not grow. FUZZ_REQUESTS is the number of requests (1,000), FUZZ_SEED repeats them.
 */
import { readFile } from 'node:fs/promises';
import { Agent, request as httpRequest } from 'node:http';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import openApi from '../../http/openapi.json' with { type: 'json' };
import { API_WAYS, type ApiWays, type Ask, apiWays, TOKEN } from '../support/api-ways.ts';
import { type HostileRequest, hostileRequests } from '../support/hostile-requests.ts';
import { isDocumented, openApiChecker, problemChecker } from '../support/openapi-check.ts';
import type { ServeProcess } from '../support/serve.ts';
import { type TrackedNode, trackedNode } from '../support/tracked-node.ts';

const REQUESTS = Number.parseInt(process.env.FUZZ_REQUESTS ?? '1000', 10);
const SEED = Number.parseInt(process.env.FUZZ_SEED ?? `${Date.now() % 2 ** 31}`, 10);
const HANDLER_SHARE = 0.2;
const CHUNK = 100;
const AT_A_TIME = 8;
const LONGEST_MS = 5_000;
const HEAP_MIB = 64;
const WARM_SHARE = 0.4;
const REPORT_HEAP = new URL('../support/report-heap.mjs', import.meta.url).href;

const check = openApiChecker(openApi);
const checkProblem = problemChecker(openApi);

let node: TrackedNode;
let asked: ApiWays;
/** The LSN of a transaction, as a segment of a path. */
let committed: string;

beforeAll(async () => {
  node = await trackedNode({
    plugin: 'pgoutput',
    tables: `CREATE TABLE orders (id int PRIMARY KEY, total numeric, note text);
             CREATE TABLE parts (region text, id bigint, PRIMARY KEY (region, id));
             CREATE TABLE moments (at timestamptz PRIMARY KEY);
             CREATE SCHEMA "Odd.Schema"; CREATE TABLE "Odd.Schema"."a""b" (id uuid PRIMARY KEY);
             INSERT INTO orders SELECT i, i + 0.10, repeat('n', i) FROM generate_series(1, 50) i;
             INSERT INTO parts VALUES ('eu', 1), ('', 9007199254740993);
             INSERT INTO moments VALUES ('2026-01-01Z'), ('infinity')`,
    track: ['orders', 'parts', 'moments', '"Odd.Schema"."a""b"'],
  });
  await node.source.query('UPDATE orders SET total = total * 2; DELETE FROM orders WHERE id > 40');
  await node.catchUp();
  const { rows } = await node.store.query<{ lsn: string }>(
    'SELECT max(lsn)::text AS lsn FROM pgtimewarp.lsn_time_map WHERE xid IS NOT NULL',
  );
  committed = rows[0]!.lsn.replace('/', '-');
  asked = await apiWays(node, {
    NODE_OPTIONS: `--max-old-space-size=${HEAP_MIB} --expose-gc --import ${REPORT_HEAP}`,
  });
});

afterAll(async () => {
  await asked?.[Symbol.asyncDispose]();
  await node?.[Symbol.asyncDispose]();
});

const KNOWN = (): Record<string, string[]> => ({
  node: [node.node],
  table: ['public.orders', 'public.parts', 'public.moments', '"Odd.Schema".a"b'],
  pk: ['1', '{"id":7}', '45', '{"region":"eu","id":1}', '2026-01-01T00:00:00Z', 'infinity'],
  limit: ['1', '1000'],
  lsn: ['0-1', committed],
  where: ['1', '2.20', 'eu', ''],
  by: ['ann'],
});

test(`${REQUESTS} requests`, { timeout: 60_000 + REQUESTS * 200 }, async () => {
  const requests = hostileRequests(openApi, KNOWN());
  const counts = { serve: Math.round(REQUESTS * (1 - HANDLER_SHARE)), handler: REQUESTS * HANDLER_SHARE };
  const seen = {
    statuses: new Map<number, number>(),
    slowestMs: 0,
    warm: null as Memory | null,
    end: null as Memory | null,
  };
  const failures: string[] = [];
  for (const way of API_WAYS) {
    const ask = way === 'serve' ? rawAsk(asked.server.url) : asked.handler;
    for (let done = 0; done < counts[way] && failures.length < 10; done += CHUNK) {
      const seed = SEED + done + (way === 'serve' ? 0 : 1_000_000);
      const queue = fc.sample(requests, { seed, numRuns: Math.min(CHUNK, counts[way] - done) });
      const work = async (): Promise<void> => {
        for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
          try {
            await examine(ask, next, seen);
          } catch (error) {
            failures.push(`${way}, seed ${seed}: ${describe(next)}\n${String(error).slice(0, 3_000)}`);
          }
        }
      };
      await Promise.all(Array.from({ length: AT_A_TIME }, work));
      if (way === 'serve' && seen.warm === null && done + CHUNK >= WARM_SHARE * counts.serve) {
        seen.warm = await memoryOf(asked.server);
      }
    }
    if (way === 'serve') seen.end = await memoryOf(asked.server);
  }
  const statuses = [...seen.statuses].sort().map(([status, count]) => `${status}: ${count}`);
  console.log(
    `seed ${SEED}: ${statuses.join(', ')}; slowest ${Math.round(seen.slowestMs)} ms; ` +
      `warm ${JSON.stringify(seen.warm)}, at the end ${JSON.stringify(seen.end)}`,
  );
  expect(failures.join('\n\n')).toBe('');
  expect(asked.server.stderr()).not.toMatch(/urn:uuid/); // only failures of ours are reported
  expect(seen.end!.heapKib).toBeLessThan(seen.warm!.heapKib + 1_024);
  expect(seen.end!.residentMib).toBeLessThan(seen.warm!.residentMib * 1.3 + 16);
  for (const status of [200, 400, 404, 405])
    expect(seen.statuses.get(status), `${status}`).toBeGreaterThan(0);
});

async function examine(
  ask: Ask,
  { target, ...options }: HostileRequest,
  seen: { statuses: Map<number, number>; slowestMs: number },
): Promise<void> {
  const start = performance.now();
  const { status, headers, body } = await ask(target, options);
  seen.slowestMs = Math.max(seen.slowestMs, performance.now() - start);
  seen.statuses.set(status, (seen.statuses.get(status) ?? 0) + 1);
  expect(performance.now() - start).toBeLessThan(LONGEST_MS);
  expect(status, body.slice(0, 500)).toBeLessThan(500);
  if (options.method === 'HEAD' || status === 204) {
    expect(body).toBe('');
    expect(options.method).toBe(status === 204 ? 'OPTIONS' : 'HEAD');
    return;
  }
  const contentType = headers.get('content-type');
  const [path = ''] = target.split('?');
  // not a problem of a route: unknown methods, and requests that are refused before a route sees them
  const outside = status === 405 || status === 431 || !isDocumented(openApi, options.method, path);
  if (outside) checkProblem({ status, contentType, body });
  else check(path, { method: options.method, status, contentType, body });
}

/** Sends the target unchanged; `fetch` would normalise it. */
function rawAsk(url: string): Ask {
  const { hostname, port } = new URL(url);
  const agent = new Agent({ keepAlive: true, maxSockets: AT_A_TIME });
  return (target, { method = 'GET', headers = {}, body } = {}) =>
    new Promise((resolve, reject) => {
      const request = httpRequest(
        {
          ...{ agent, hostname, port, method, path: target },
          headers: {
            authorization: `Bearer ${TOKEN}`,
            ...headers,
            ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
          },
          timeout: 2 * LONGEST_MS,
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () =>
            resolve({
              status: response.statusCode!,
              headers: new Headers(response.headers as Record<string, string>),
              body: Buffer.concat(chunks).toString(),
            }),
          );
        },
      );
      request.on('timeout', () => request.destroy(new Error(`no answer in ${2 * LONGEST_MS} ms`)));
      request.on('error', reject);
      request.end(body);
    });
}

function describe({ body, ...rest }: HostileRequest): string {
  const text = body === undefined ? '' : ` ${Buffer.from(body).toString().slice(0, 500)}`;
  return `${JSON.stringify(rest).slice(0, 1_000)}${text}`;
}

interface Memory {
  /** The memory in use after a garbage collection. */
  readonly heapKib: number;
  readonly residentMib: number;
}

async function memoryOf({ pid, stderr }: ServeProcess): Promise<Memory> {
  const reports = (): RegExpExecArray[] => [...stderr().matchAll(/^heap: (\d+) KiB$/gm)];
  const before = reports().length;
  process.kill(pid, 'SIGUSR2');
  await vi.waitFor(() => expect(reports().length).toBeGreaterThan(before), 10_000);
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return {
    heapKib: Number.parseInt(reports().at(-1)![1]!, 10),
    residentMib: Math.round(Number.parseInt(/VmRSS:\s+(\d+)/.exec(status)![1]!, 10) / 1024),
  };
}
