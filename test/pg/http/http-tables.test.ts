/** Whole tables over HTTP: pages of one position, whatever happens between them; a stream of all rows, whole or broken off. */
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createApp } from '../../../http/app.ts';
import { copyBack, differences } from '../../support/copy-back.ts';
import { runCli } from '../../support/run-cli.ts';
import { type ServeProcess, startServe } from '../../support/serve.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';

const ROWS = 700;

let node: TrackedNode;
let serve: ServeProcess;
let at: string;
let url: string;

interface Page {
  readonly as_of: { readonly requested: string | null; readonly lsn: string };
  readonly final: boolean;
  readonly columns: readonly string[];
  readonly rows: readonly { readonly id: number; readonly n: number }[];
  readonly next: string | null;
}

const ask = (
  query: Readonly<Record<string, string>>,
  headers: Record<string, string> = {},
): Promise<Response> => fetch(`${url}?${new URLSearchParams(query)}`, { headers });
const page = async (query: Readonly<Record<string, string>>): Promise<Page> => {
  const response = await ask(query);
  expect(response.status, await response.clone().text()).toBe(200);
  return (await response.json()) as Page;
};

async function pages(
  query: Readonly<Record<string, string>>,
  between = async (): Promise<void> => {},
): Promise<Page[]> {
  const found: Page[] = [];
  for (let cursor: string | null = null; ; ) {
    const each: Page = await page({ ...query, ...(cursor === null ? {} : { cursor }) });
    found.push(each);
    cursor = each.next;
    if (cursor === null) return found;
    await between();
  }
}

beforeAll(async () => {
  node = await trackedNode({
    plugin: 'pgoutput',
    tables: `CREATE TABLE t (id int PRIMARY KEY, n int, big text);
      INSERT INTO t SELECT i, i % 10, repeat('"', 20) FROM generate_series(1, ${ROWS}) AS i`,
    track: ['t'],
  });
  await node.source.query('UPDATE t SET n = n + 1 WHERE id % 2 = 0');
  await node.source.query('CREATE TABLE copy AS TABLE t');
  const { rows } = await node.source.query<{ lsn: string }>(
    'SELECT pg_current_wal_insert_lsn()::text AS lsn',
  );
  at = rows[0]!.lsn;
  await node.source.query('DELETE FROM t WHERE id % 7 = 0');
  await node.catchUp();
  serve = await startServe(['--every', '1h'], node.env);
  url = `${serve.url}/v1/nodes/${node.node}/tables/public.t/rows`;
});

afterAll(async () => {
  await serve?.[Symbol.asyncDispose]();
  await node?.[Symbol.asyncDispose]();
});

test('pages have all rows of the position, in the order of keys', async () => {
  const found = await pages({ at, limit: '150' });
  expect(found).toHaveLength(5);
  expect(found[0]).toMatchObject({ as_of: { requested: at }, final: true, columns: ['id', 'n', 'big'] });
  const ids = found.flatMap(({ rows }) => rows.map(({ id }) => id));
  expect(new Set(ids).size).toBe(ROWS);
  const some = await pages({ at, limit: '20', 'where.n': '3', columns: 'id,n' });
  expect(some.flatMap(({ rows }) => rows).every(({ n }) => n === 3)).toBe(true);
  expect(some.flatMap(({ rows }) => rows)).toHaveLength(140);
});

test('the cursor holds the position, also of now', async () => {
  const before = (await pages({ limit: '1000' })).flatMap(({ rows }) => rows);
  const found = await pages({ limit: '200' }, async () => {
    await node.source.query('UPDATE t SET n = -1; INSERT INTO t SELECT max(id) + 1 FROM t');
    await node.poll();
  });
  expect(found.length).toBeGreaterThan(3);
  expect(found.flatMap(({ rows }) => rows)).toEqual(before);
  expect((await page({ limit: '1' })).rows[0]).toMatchObject({ n: -1 });
});

test('null=COLUMN asks for NULL, in every question that takes values', async () => {
  expect((await page({ null: 'n' })).rows).toEqual([expect.objectContaining({ n: null })]);
  for (const question of ['find', 'changes']) {
    const asked = url.replace(/rows$/, question);
    const response = await fetch(`${asked}?null=n`);
    expect([question, response.status, await response.text()]).toEqual([
      question,
      200,
      expect.stringMatching(/"n": ?null/),
    ]);
    const other = await fetch(`${asked}?null=n&where.n=1`);
    expect([other.status, await other.text()]).toEqual([400, expect.stringContaining('more than once')]);
  }
  expect((await fetch(url.replace(/rows$/, 'find'))).status).toBe(400);
});

test('a cursor goes on only with the question that gave it', async () => {
  const { next } = await page({ at, limit: '10' });
  const others: Record<string, string>[] = [
    { 'where.n': '3' },
    { columns: 'id' },
    { at: '0/1' },
    { cursor: 'x' },
  ];
  for (const other of others) {
    const response = await ask({ at, limit: '10', cursor: next!, ...other });
    expect([response.status, await response.json()]).toEqual([
      400,
      expect.objectContaining({ type: 'urn:pgtimewarp:error:BAD_FLAGS' }),
    ]);
  }
  expect((await page({ limit: '10', cursor: next! })).rows).toHaveLength(10);
});

test('media types are compared without case, and q=0 refuses one', async () => {
  for (const [accept, type] of [
    ['Application/X-NDJSON', 'application/x-ndjson'],
    ['application/json, application/x-ndjson; q=0.5', 'application/x-ndjson'],
    ['application/json, application/x-ndjson;q=0', 'application/json'],
    ['*/*', 'application/json'],
  ] as const) {
    const response = await ask({ at, columns: 'id' }, { accept });
    expect([accept, response.headers.get('content-type')]).toEqual([accept, type]);
    await response.text();
  }
});

test('a final page may be kept, that of now may not', async () => {
  const response = await ask({ at, limit: '5' });
  expect(response.headers.get('cache-control')).toContain('max-age');
  const etag = response.headers.get('etag')!;
  expect((await ask({ at, limit: '5' }, { 'if-none-match': etag })).status).toBe(304);
  expect((await ask({ limit: '5' })).headers.get('cache-control')).toBe('no-store');
});

test('pages stay under 5 MB; a row that does not fit is refused', async () => {
  await node.source.query(`CREATE TABLE large (id int PRIMARY KEY, big text);
    INSERT INTO large SELECT i, repeat('x', 900000) FROM generate_series(1, 12) AS i`);
  await node.track('large');
  await node.poll();
  const large = url.replace('public.t', 'public.large');
  let [rows, cursor] = [0, null as string | null];
  do {
    const response = await fetch(`${large}?limit=100${cursor === null ? '' : `&cursor=${cursor}`}`);
    const body = await response.text();
    expect(body.length).toBeLessThan(5_000_000);
    const found = JSON.parse(body) as Page;
    rows += found.rows.length;
    cursor = found.next;
  } while (cursor !== null);
  expect(rows).toBe(12);
  await node.source.query(`INSERT INTO large VALUES (0, repeat('x', 5000000))`);
  await node.poll();
  expect((await fetch(large)).status).toBe(413);
  expect((await fetch(`${large}?columns=id`)).status).toBe(200);
});

test('NDJSON: all rows of one position; they come back as they were', async () => {
  const response = await ask({ at }, { accept: 'application/x-ndjson' });
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/x-ndjson']);
  expect(response.headers.get('pgtimewarp-final')).toBe('true');
  const lines = (await response.text()).trim().split('\n');
  await node.source.query('CREATE TABLE back (LIKE t)');
  const csv = lines.map((line) => `"${line.replaceAll('"', '""')}"`).join('\n');
  await node.source.query('CREATE TABLE lines (row json)');
  await copyBack(node.sourceUrl, `row\n${csv}\n`, 'lines');
  await node.source.query('INSERT INTO back SELECT r.* FROM lines, json_populate_record(NULL::t, row) AS r');
  expect(await differences(node.source, 'TABLE copy', 'TABLE back')).toEqual(['0', '0']);
});

test('nulls that count as NULL by declaration are marked', async () => {
  expect(await page({ at, 'where.id': '5' })).not.toHaveProperty('assumes');
  await node.store.query(
    `UPDATE pgtimewarp.row_changes AS c SET nulls_assumed = true
      WHERE c.relation_id = (SELECT relation_id FROM pgtimewarp.tracked_relations WHERE node_id = $1 AND table_name = 't')
        AND c.pk = '["5"]'`,
    [node.node],
  );
  expect(await page({ at, 'where.id': '5' })).toMatchObject({ assumes: 'no-nan' });
  const asked = ['asof', 't', '--all', '--at', at, '--where', 'id=5', '--json'];
  expect((await runCli(asked, { env: node.env })).json()).toMatchObject({ assumes: 'no-nan', row_count: 1 });
});

test('a stream that cannot go on is broken off', async () => {
  await node.store.query(
    `UPDATE pgtimewarp.row_changes AS c SET incomplete = '{n}'
      WHERE c.relation_id = (SELECT relation_id FROM pgtimewarp.tracked_relations WHERE node_id = $1 AND table_name = 't')
        AND c.pk = '["99"]'`,
    [node.node],
  );
  const started = await new Promise<{ status: number; body: Promise<string> }>((resolve, reject) => {
    request(`${url}?at=${at}`, { headers: { accept: 'application/x-ndjson' } }, (response) =>
      resolve({ status: response.statusCode!, body: text(response) }),
    )
      .on('error', reject)
      .end();
  });
  expect(started.status).toBe(200); // the first rows are known
  await expect(started.body).rejects.toThrow('aborted');
  expect((await ask({ at, limit: '1000' })).status).toBe(409);
  expect(
    await (await ask({ at, 'where.id': '99' }, { accept: 'application/x-ndjson' })).json(),
  ).toMatchObject({
    status: 409,
    type: 'urn:pgtimewarp:error:VALUES_UNKNOWN',
  });
});

test.each([
  [{ at: '2001-01-01T00:00:00Z' }, 409, 'ROWS_UNKNOWN'],
  [{ columns: 'nothing' }, 400, 'BAD_FLAGS'],
  [{ 'where.nothing': '1' }, 400, 'BAD_FLAGS'],
  [{ limit: '0' }, 400, 'BAD_FLAGS'],
  [{ where: '1' }, 400, 'BAD_FLAGS'],
  [{ null: 'nothing' }, 400, 'BAD_FLAGS'],
  [{ null: 'n', 'where.n': '3' }, 400, 'BAD_FLAGS'],
] as const)('%j is refused, also as a stream', async (query, status, code) => {
  for (const headers of [{}, { accept: 'application/x-ndjson' }] as Record<string, string>[]) {
    const response = await ask(query, headers);
    expect([response.status, await response.json()]).toEqual([
      status,
      expect.objectContaining({ type: `urn:pgtimewarp:error:${code}` }),
    ]);
  }
});

test('an app that does not stream says so', async () => {
  const app = createApp({ withStore: (question) => question(node.store), report: () => {} });
  const response = await app.request(new URL(url).pathname, { headers: { accept: 'application/x-ndjson' } });
  expect([response.status, await response.text()]).toEqual([400, expect.stringContaining('does not stream')]);
});
