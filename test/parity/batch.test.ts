/** `await_lsn` and batches, over real HTTP with `serve` and through the function's handler: they equal the single answers. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Queryable } from '../../core/pg/connection.ts';
import { asOfMany } from '../../core/query/as-of.ts';
import { NOW } from '../../core/query/instant.ts';
import { keyFromText } from '../../core/query/key-input.ts';
import { createApp } from '../../http/app.ts';
import openApi from '../../http/openapi.json' with { type: 'json' };
import { API_WAYS, type ApiWays, apiWays, type Seen } from '../support/api-ways.ts';
import { openApiChecker } from '../support/openapi-check.ts';
import { runCli } from '../support/run-cli.ts';
import { type TrackedNode, trackedNode } from '../support/tracked-node.ts';

const BEYOND = 'FFFFFFF/0';
const check = openApiChecker(openApi);

let node: TrackedNode;
let asked: ApiWays;

beforeAll(async () => {
  node = await trackedNode({
    plugin: 'pgoutput',
    tables: `CREATE TABLE orders (id int PRIMARY KEY, total numeric);
             CREATE TABLE parts (region text, id bigint, note text, PRIMARY KEY (region, id));
             INSERT INTO orders SELECT i, i + 0.10 FROM generate_series(1, 200) i;
             INSERT INTO parts VALUES ('eu', 9007199254740993, 'one'), ('eu', 9007199254740992, 'other')`,
    track: ['orders', 'parts'],
  });
  await node.source.query('UPDATE orders SET total = total + 1; DELETE FROM orders WHERE id = 7');
  await caughtUp();
  asked = await apiWays(node);
});

afterAll(async () => {
  await asked?.[Symbol.asyncDispose]();
  await node?.[Symbol.asyncDispose]();
});

const table = (name: string): string => `/v1/nodes/${node.node}/tables/public.${name}`;

/** Runs until everything is read; another run may be under way. */
async function caughtUp(): Promise<void> {
  await vi.waitFor(() => node.catchUp(), { timeout: 20_000, interval: 100 });
}

/** The present position of the source, at or after the end of everything committed. */
async function sourceLsn(): Promise<string> {
  const { rows } = await node.source.query<{ lsn: string }>(
    'SELECT pg_current_wal_insert_lsn()::text AS lsn',
  );
  return rows[0]!.lsn;
}

function conforms(path: string, seen: Seen, method = 'GET'): void {
  const { status, body } = seen;
  check(path.split('?')[0]!, { method, status, contentType: seen.headers.get('content-type'), body });
}

describe.each(API_WAYS)('await_lsn through %s', (way) => {
  test.each(['asof', 'diff'])("%s waits for the caller's own write", async (question) => {
    const id = (way === 'serve' ? 1000 : 2000) + (question === 'asof' ? 1 : 2);
    await node.source.query('INSERT INTO orders VALUES ($1, 5.50)', [id]);
    const target = `${table('orders')}/${question}?pk=${id}&await_lsn=${await sourceLsn()}`;
    const waiting = asked[way](target);
    await pause(300); // without the wait the answer would be: absent
    await caughtUp();
    const seen = await waiting;
    expect(seen.status, seen.body).toBe(200);
    expect(seen.body).toContain('"total":5.50');
    conforms(target, seen);
  });

  test('answers at once if the node has been read up to that position', async () => {
    const target = `${table('orders')}/asof?pk=1&await_lsn=0/1&await_seconds=0`;
    expect((await asked[way](target)).status).toBe(200);
  });

  test.each(['asof', 'diff'])(
    '%s: a position that is not reached in time is 409, with Retry-After',
    async (question) => {
      const target = `${table('orders')}/${question}?pk=1&await_lsn=${BEYOND}&await_seconds=1`;
      const start = performance.now();
      const seen = await asked[way](target);
      expect(performance.now() - start).toBeGreaterThan(950);
      expect(performance.now() - start).toBeLessThan(5_000);
      expect(seen.status).toBe(409);
      expect(seen.headers.get('retry-after')).toBe('1');
      expect(seen.headers.get('cache-control')).toBe('no-store');
      expect(JSON.parse(seen.body)).toMatchObject({
        type: 'urn:pgtimewarp:error:HORIZON_BEHIND',
        status: 409,
      });
      conforms(target, seen);
    },
  );

  test.each([
    ['await_lsn=tomorrow', 400, 'BAD_FLAGS'],
    ['await_lsn=0/123456789', 400, 'BAD_FLAGS'],
    ['await_lsn=0/1&await_seconds=11', 400, 'BAD_FLAGS'],
    ['await_lsn=0/1&await_seconds=-1', 400, 'BAD_FLAGS'],
    ['await_lsn=0/1&await_lsn=0/2', 400, 'BAD_FLAGS'],
  ])('%s is refused', async (query, status, code) => {
    const target = `${table('orders')}/asof?pk=1&${query}`;
    const seen = await asked[way](target);
    expect(seen.status, seen.body).toBe(status);
    expect(JSON.parse(seen.body)).toMatchObject({ type: `urn:pgtimewarp:error:${code}` });
    conforms(target, seen);
  });

  test.each([
    ['orders/asof?pk=x', 400, 'BAD_KEY'],
    ['none/asof?pk=1', 404, 'TABLE_NOT_TRACKED'],
  ])('a wrong question is refused without waiting: %s', async (rest, status, code) => {
    const start = performance.now();
    const seen = await asked[way](`${table(rest)}&await_lsn=${BEYOND}`);
    expect(performance.now() - start).toBeLessThan(5_000);
    expect(seen.status, seen.body).toBe(status);
    expect(seen.body).toContain(code);
  });
});

test('waiting requests hold no session: with more waiting requests than sessions, others are answered', async () => {
  const target = `${table('orders')}/asof?pk=1`;
  const waiting = Array.from({ length: 30 }, () =>
    asked.serve(`${target}&await_lsn=${BEYOND}&await_seconds=2`).then(({ status }) => status),
  );
  await pause(200);
  const start = performance.now();
  expect((await asked.serve(target)).status).toBe(200);
  expect(performance.now() - start).toBeLessThan(1_500);
  expect(new Set(await Promise.all(waiting))).toEqual(new Set([409]));
});

test('the wait ends when the caller disconnects', async () => {
  const looks = async (): Promise<number> => {
    const { rows } = await node.store.query<{ looks: string }>(
      `SELECT coalesce(sum(s.idx_scan + s.seq_scan), 0)::text AS looks FROM pg_stat_user_tables s
        WHERE s.relid = 'pgtimewarp.wal_checkpoints'::regclass`,
    );
    return Number.parseInt(rows[0]!.looks, 10);
  };
  const caller = new AbortController();
  const target = `${table('orders')}/asof?pk=1&await_lsn=${BEYOND}&await_seconds=10`;
  const asking = asked.serve(target, { signal: caller.signal });
  await pause(500);
  caller.abort();
  await expect(asking).rejects.toThrow(/abort/i);
  // statistics arrive late: the count must stay the same for a while, within ten seconds
  const deadline = performance.now() + 6_000;
  let [before, still] = [await looks(), 0];
  while (still < 3 && performance.now() < deadline) {
    await pause(700);
    const now = await looks();
    still = now === before ? still + 1 : 0;
    before = now;
  }
  expect(still).toBe(3);
});

test('the command line waits too', async () => {
  await node.source.query('INSERT INTO orders VALUES (3001, 6.60)');
  const lsn = await sourceLsn();
  const waiting = runCli(['asof', 'orders', '--pk', '3001', '--await-lsn', lsn, '--json'], { env: node.env });
  await pause(1_000);
  await caughtUp();
  const found = await waiting;
  expect(found.code, found.stderr).toBe(0);
  expect(found.stdout).toContain('"total":6.60');
  const refused = await runCli(['diff', 'orders', '--pk', '1', '--await-lsn', 'x'], { env: node.env });
  expect(refused.code).toBe(2);
});

interface Batch {
  readonly answers: readonly { readonly status: unknown; readonly type?: string }[];
}

describe.each(API_WAYS)('asof:batch through %s', (way) => {
  const post = (name: string, body: unknown, query = ''): Promise<Seen> =>
    asked[way](`${table(name)}/asof:batch${query}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
    });

  test('a hundred keys: each answer equals the single one, in their order, as of one position', async () => {
    await caughtUp();
    const { rows } = await node.store.query<{ lsn: string }>(
      'SELECT applied_lsn::text AS lsn FROM pgtimewarp.wal_checkpoints',
    );
    const lsn = rows[0]!.lsn; // final for both answers: a run between them changes nothing
    const ids: unknown[] = Array.from({ length: 100 }, (_, index) => 1 + ((index * 37) % 250)); // found, deleted, never existed
    const seen = await post('orders', { keys: ids }, `?at=${lsn}`);
    expect(seen.status, seen.body).toBe(200);
    expect(seen.headers.get('cache-control')).toBe('no-store');
    conforms(`${table('orders')}/asof:batch`, seen, 'POST');
    const singles: string[] = [];
    for (let at = 0; at < ids.length; at += 10) {
      const some = ids.slice(at, at + 10); // each needs its own session, and a server has a hundred
      const alone = some.map((id) => asked[way](`${table('orders')}/asof?pk=${id}&at=${lsn}`));
      singles.push(...(await Promise.all(alone)).map(answerOf));
    }
    expect(withoutHorizons(seen.body)).toBe(withoutHorizons(`{"answers":[${singles.join(',')}]}`));
    const { body: bad } = await asked[way](`${table('orders')}/asof?pk=x&at=${lsn}`);
    const spoiled = await post('orders', { keys: ids.with(20, 'x') }, `?at=${lsn}`);
    expect(withoutHorizons(spoiled.body)).toBe(
      withoutHorizons(`{"answers":[${singles.with(20, bad).join(',')}]}`),
    );
    expect(new Set(seen.body.match(HORIZON)).size).toBe(1);
    expect(new Set((JSON.parse(seen.body) as Batch).answers.map(({ status }) => status))).toEqual(
      new Set(['found', 'absent']),
    );
  });

  test('keys in all forms are accepted; no digit is lost', async () => {
    const body = '{"keys": [{"region":"eu","id":9007199254740993}, {"id":"9007199254740992","region":"eu"}]}';
    const seen = await post('parts', body);
    expect(seen.body).toMatch(/9007199254740993,"note":"one".*9007199254740992,"note":"other"/);
    const bare = await post('orders', '{"keys": [1, "1", {"id":1}, {"id":"1"}, 1e0]}');
    const { answers } = JSON.parse(bare.body) as Batch;
    expect(answers.slice(0, 4).map(({ status }) => status)).toEqual(['found', 'found', 'found', 'found']);
  });

  test('a wrong key affects no other key, and gets the error of the single question', async () => {
    const keys = [
      'x',
      1,
      null,
      [1],
      { id: 1, more: 2 },
      {},
      true,
      1.5,
      '9'.repeat(30),
      2,
      'a\u0000',
      '\ud800',
    ];
    const seen = await post('orders', { keys });
    expect(seen.status, seen.body).toBe(200);
    conforms(`${table('orders')}/asof:batch`, seen, 'POST');
    const { answers } = JSON.parse(seen.body) as Batch;
    expect(answers.map(({ status }) => status)).toEqual([
      ...[400, 'found', 400, 400, 400, 400, 400, 400, 400, 'found', 400, 400],
    ]);
    for (const [place, pk] of [
      [0, 'x'],
      [4, '{"id":1,"more":2}'],
      [5, '{}'],
      [8, '9'.repeat(30)],
    ] as const) {
      const single = await asked[way](`${table('orders')}/asof?pk=${encodeURIComponent(pk)}`);
      expect(answers[place]).toEqual(JSON.parse(single.body));
    }
  });

  test.each<[string, () => unknown, string, number, string]>([
    ['no keys', () => ({ keys: [] }), 'orders', 400, 'BAD_FLAGS'],
    [
      'more than a hundred',
      () => ({ keys: Array.from({ length: 101 }, () => 1) }),
      'orders',
      400,
      'BAD_FLAGS',
    ],
    ['not a list', () => ({ keys: 1 }), 'orders', 400, 'BAD_FLAGS'],
    ['not an object', () => [1], 'orders', 400, 'BAD_FLAGS'],
    ['an unknown member', () => ({ keys: [1], at: 'now' }), 'orders', 400, 'BAD_FLAGS'],
    ['a member named __proto__', () => '{"keys":[1],"__proto__":{"x":1}}', 'orders', 400, 'BAD_FLAGS'],
    ['not JSON', () => '{"keys":[01]}', 'orders', 400, 'BAD_FLAGS'],
    ['nothing', () => '', 'orders', 400, 'BAD_FLAGS'],
    ['not UTF-8', () => new Uint8Array([0x7b, 0xff, 0x7d]), 'orders', 400, 'BAD_FLAGS'],
    ['a body nested too deeply', () => '['.repeat(100_000), 'orders', 400, 'BAD_FLAGS'],
    ['a body too big', () => ({ keys: ['x'.repeat(300_000)] }), 'orders', 413, 'too-large'],
    ['no such table', () => ({ keys: [1] }), 'none', 404, 'TABLE_NOT_TRACKED'],
  ])('%s concerns the whole request', async (_, make, name, status, type) => {
    const seen = await post(name, make());
    expect(seen.status, seen.body).toBe(status);
    expect((JSON.parse(seen.body) as { type: string }).type).toContain(type);
    conforms(`${table(name)}/asof:batch`, seen, 'POST');
  });

  test('a key nested deeper than the store can read is one wrong key', async () => {
    const deep = `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`;
    const seen = await post('orders', `{"keys":[${deep},1]}`);
    expect([200, 400], seen.body).toContain(seen.status);
    if (seen.status === 200) expect(seen.body).toMatch(/BAD_KEY.*"status":"found"/);
  });

  test('waits as the single question does', async () => {
    const id = way === 'serve' ? 4001 : 4002;
    await node.source.query('INSERT INTO orders VALUES ($1, 7.70)', [id]);
    const waiting = post('orders', { keys: [id] }, `?await_lsn=${await sourceLsn()}`);
    await pause(200);
    await caughtUp();
    expect((await waiting).body).toContain('"total":7.70');
    expect((await post('orders', { keys: [1] }, `?await_lsn=${BEYOND}&await_seconds=0`)).status).toBe(409);
  });

  test('other methods are refused', async () => {
    const seen = await asked[way](`${table('orders')}/asof:batch`);
    expect(seen.status).toBe(405);
    expect(seen.headers.get('allow')).toBe('POST, OPTIONS');
  });
});

test('a hundred keys need one statement', async () => {
  const statements: unknown[] = [];
  const counting = {
    query: (config: unknown) => {
      statements.push(config);
      return node.store.query(config as string);
    },
  } as unknown as Queryable;
  const app = createApp({ withStore: (ask) => ask(counting), report: () => {} });
  const body = JSON.stringify({ keys: ['x', ...Array.from({ length: 99 }, (_, index) => index)] });
  const response = await app.request(`${table('orders')}/asof:batch`, { method: 'POST', body });
  expect(response.status).toBe(200);
  expect(statements).toHaveLength(1);
});

test("each row of the store's result is either an answer or an error", async () => {
  const pks = Array.from({ length: 40 }, (_, index) => ([3, 15].includes(index) ? '"x"' : `${index}`));
  const { rows } = await node.store.query<{ status: string | null; error_message: string | null }>(
    `SELECT status, error_message
       FROM pgtimewarp.asof_answers($1, 'public', 'orders', $2, now(), NULL, NULL, 1000000)`,
    [node.node, pks],
  );
  expect(rows.map(({ status }) => status === null)).toEqual(pks.map((pk) => pk === '"x"'));
  expect(rows.map(({ error_message }) => error_message !== null)).toEqual(pks.map((pk) => pk === '"x"'));
});

test('rows that do not fit into a response are refused before they are transferred', async () => {
  await node.source.query(`CREATE TABLE wide (id int PRIMARY KEY, doc text)`);
  await node.track('wide');
  await node.source.query(`INSERT INTO wide SELECT i, repeat('x', 1000000) FROM generate_series(1, 8) i`);
  await caughtUp();
  const ask = (keys: number[]): Promise<Seen> =>
    asked.handler(`${table('wide')}/asof:batch`, { method: 'POST', body: JSON.stringify({ keys }) });
  expect((await ask([1, 2, 3, 4])).status).toBe(200);
  const seen = await ask([1, 2, 3, 4, 5, 6, 7, 8]);
  expect(seen.status).toBe(413);
  conforms(`${table('wide')}/asof:batch`, seen, 'POST');
  for (const [first, given] of [
    ['1', 3],
    ['x', 4], // which is asked alone and has no limit of bytes
  ] as const) {
    const ids = [first, ...Array.from({ length: 39 }, (_, index) => `${1 + (index % 8)}`)];
    const answers = await asOfMany(node.store, {
      ...{ node: node.node, table: { schema: 'public', name: 'wide' }, at: NOW, maxBytes: 2_500_000 },
      pks: ids.map(keyFromText),
    });
    expect(answers).toHaveLength(given); // the store ends with the row that exceeds the limit
  }
});

/** The answer to key 8, also if it came as a problem. */
function answerOf({ body }: Seen): string {
  return body.replace(/^\{"type":"[^"]*","title":"[^"]*",/, '{');
}

const HORIZON = /"horizon":\{[^}]*\}/g;

/** A run between two questions moves the horizon. */
function withoutHorizons(text: string): string {
  return text.replaceAll(HORIZON, '');
}

function pause(milliseconds: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(() => resolve(undefined), milliseconds));
}
