/** The commands in the order of a script: JSON documents and exit statuses must not change. */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CliResult, runCli, spawnCli } from '../../support/run-cli.ts';
import { type ProgramResult, runTool } from '../../support/run-tool.ts';
import { type TestDatabases, testDatabases } from '../../support/test-databases.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

const TABLES = `
  CREATE TABLE orders (id bigint PRIMARY KEY, total numeric, doc json, secret text);
  INSERT INTO orders VALUES (9007199254740993, 1.10, '{"a" :  [1,2]}', 'hush'), (2, 20, NULL, 'hush');
  CREATE TABLE "Odd Name" ("The Key" text, region text, PRIMARY KEY (region, "The Key"));
`;

let databases: TestDatabases;

beforeAll(async () => {
  databases = await testDatabases({ tables: TABLES });
  expect(await cli('init', '--plugin', 'pgoutput')).toMatchObject({ code: 0 });
  const tracked = await cli('track', 'Orders', '"Odd Name"', '--exclude', 'SECRET', '--json');
  // a column that only one of the tables has: the other table is refused
  expect(tracked.code).toBe(2);
  const both = [
    await cli('track', 'Orders', '--exclude', 'SECRET', '--json'),
    await cli('track', '"Odd Name"'),
  ];
  expect(
    both.map((result) => result.code),
    both[0]!.stderr,
  ).toEqual([0, 0]);
});

afterAll(async () => databases?.[Symbol.asyncDispose]());

function cli(...args: string[]): Promise<CliResult> {
  return runCli(args, { env: databases.env });
}

test('track again with other settings: the window changes, other excluded columns are refused', async () => {
  const kept = await cli('track', 'orders', '--retention', '365d', '--json');
  expect(kept.json()).toMatchObject({
    tables: [{ notes: ['The retention of public.orders is 365d from now on; it was none.'] }],
  });
  const again = (await cli('track', 'orders', '--retention', '365d', '--json')).json();
  expect(again).toMatchObject({ tables: [{ already_tracked: true, notes: [] }] });
  const other = await cli('track', 'orders', '--exclude', 'doc');
  expect(other.code).toBe(2);
  expect(other.stderr).toMatch(/exclude of public\.orders is secret, and cannot become doc.*stays stored/);
  expect(other.stderr).toMatch(/untrack public\.orders --purge .*track public\.orders --exclude doc/);
  expect((await cli('track', 'orders', '--exclude', 'SECRET')).code).toBe(0);
  expect((await cli('track', 'orders', '--no-nan')).code).toBe(2);
  expect((await cli('retention', 'set', 'forever', 'orders')).code).toBe(0);
});

test('track again changes nothing', async () => {
  const result = await cli('track', 'orders', '--json');
  expect(result.code).toBe(0);
  expect(result.json()).toMatchObject({
    node: databases.node,
    tables: [{ table: 'public.orders', baseline: 'done', baseline_rows: 2, already_tracked: true }],
  });
});

test('poll, asof and diff: every digit as in the source', async () => {
  await databases.source.query(`UPDATE orders SET total = 1.1000 WHERE id = 9007199254740993`);
  await databases.source.query(`DELETE FROM orders WHERE id = 2`);
  const poll = await cli('poll', '--json');
  expect(Object.keys(poll.json() as object)).toEqual([
    'node',
    'outcome',
    'transactions',
    'changes',
    'applied_lsn',
    'lag_bytes',
    'caught_up',
  ]);
  expect(poll.json()).toMatchObject({
    node: databases.node,
    outcome: 'done',
    transactions: 2,
    changes: 2,
    caught_up: true,
  });
  expect(poll.code).toBe(0);

  const found = await cli('asof', 'orders', '--pk', 'id=9007199254740993', '--json');
  expect(found.code).toBe(0);
  expect(found.stdout).toContain('"id":9007199254740993,"total":1.1000,"doc":{"a" :  [1,2]}}');
  expect(found.stdout).not.toContain('hush');
  expect(found.json()).toMatchObject({ status: 'found', op: 'U', schema: 'public', table: 'orders' });

  const absent = await cli('asof', 'orders', '--pk', '2', '--json');
  expect([absent.code, (absent.json() as { reason: string }).reason]).toEqual([3, 'deleted']);
  const unknown = await cli('asof', 'orders', '--pk', '{"id": 2}', '--at', '2000-01-01T00:00:00Z', '--json');
  expect([unknown.code, (unknown.json() as { reason: string }).reason]).toEqual([4, 'before_tracking']);

  const diff = await cli('diff', 'orders', '--pk', '9007199254740993', '--json');
  expect(Object.keys(diff.json() as object)).toEqual([
    'changes',
    'unknown',
    'from',
    'to',
    'horizon',
    'final',
  ]);
  expect(diff.stdout).toContain('"changed":{"total":{"from":1.10,"to":1.1000}}');
  expect(diff.code).toBe(0);
  const human = await cli('diff', 'orders', '--pk', '9007199254740993');
  expect(human.stdout).toContain('total  1.10 → 1.1000');
});

test('keys of several columns and odd names', async () => {
  await databases.source.query(`INSERT INTO "Odd Name" VALUES ('a=b', 'eu')`);
  await cli('poll');
  for (const pk of [
    ['--pk', 'The Key=a=b', '--pk', 'region=eu'],
    ['--pk', '{"region":"eu","The Key":"a=b"}'],
  ]) {
    const result = await cli('asof', '"Odd Name"', ...pk, '--json');
    expect([result.code, (result.json() as { status: string }).status]).toEqual([0, 'found']);
  }
});

test('status', async () => {
  const result = await cli('status', '--json');
  expect(result.code).toBe(0);
  expect(result.json()).toMatchObject({
    source_error: null,
    nodes: [
      {
        node: databases.node,
        status: 'active',
        plugin: 'pgoutput',
        slot: { name: databases.slot, present: true, wal_status: 'reserved' },
        caught_up: true,
        open_gaps: [],
        tables: [
          { table: 'public."Odd Name"', status: 'active', key: ['region', 'The Key'] },
          {
            table: 'public.orders',
            status: 'active',
            excluded: ['secret'],
            baseline: { state: 'done', rows: 2 },
          },
        ],
      },
    ],
  });
  const human = await cli('status');
  expect(human.stdout).toContain('public.orders');
  expect(human.stdout).not.toContain('\u001b'); // no colours without a terminal
});

test('status without a reachable source still shows what the store contains', async () => {
  const result = await cli('status', '--json', '--source', 'postgres://nobody@127.0.0.1:1/x');
  expect(result.code).toBe(0);
  expect(result.json()).toMatchObject({
    nodes: [{ node: databases.node, lag_bytes: null, slot: { present: null } }],
  });
  expect((result.json() as { source_error: string }).source_error).toMatch(/cannot be reached/);
});

test('events', async () => {
  await databases.store.query(
    `INSERT INTO pgtimewarp.health_events (node_id, severity, code, message) VALUES ($1, 'warn', 'TEST', 'one'), ($1, 'info', 'TEST', 'two')`,
    [databases.node],
  );
  const result = await cli('events', '--json', '--limit', '1');
  expect(result.json()).toMatchObject({
    node: databases.node,
    events: [{ severity: 'info', message: 'two' }],
  });
  expect((await cli('events')).stdout).toMatch(/two[\s\S]*one/);
});

test('status shows the node that --node names', async () => {
  const one = (await cli('status', '--json', '--node', databases.node)).json() as { nodes: unknown[] };
  expect(one.nodes).toMatchObject([{ node: databases.node }]);
});

test('a result that cannot be written is a failure', async () => {
  const shell = (line: string): Promise<ProgramResult> =>
    runTool('bash', ['-c', line], { cwd: ROOT, env: databases.env, timeoutMs: 30_000 });
  const ended = await shell(`"${process.execPath}" cli/main.ts status --json > /dev/full`);
  expect(ended.code).toBe(1);
  expect(ended.stderr).toMatch(/could not be written: .*ENOSPC/);
  const read = await shell(`"${process.execPath}" cli/main.ts status --json | true; exit \${PIPESTATUS[0]}`);
  expect(read).toMatchObject({ code: 0, stderr: '' });
});

test('serve ends with success at SIGTERM', async () => {
  const { child, result } = spawnCli(['serve', '--port', '0'], { env: databases.env });
  await new Promise<void>((resolve) => {
    child.stderr.on('data', (text: string) => {
      if (text.includes('listening on')) resolve();
    });
  });
  child.kill('SIGTERM');
  expect((await result).code).toBe(0);
});

describe('poll --watch', () => {
  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 0], // the signal that ends a service
  ] as const)('ends after %s and prints a sum in one document: exit %i', async (signal, code) => {
    const { child, result } = spawnCli(['poll', '--watch', '--json'], { env: databases.env });
    await databases.source.query(`INSERT INTO orders VALUES ($1, 1)`, [signal === 'SIGINT' ? 100 : 101]);
    await new Promise<void>((resolve) => {
      child.stderr.on('data', (text: string) => {
        if (text.includes('1 change in')) resolve();
      });
    });
    child.kill(signal);
    const ended = await result;
    expect(ended.code).toBe(code);
    expect(ended.json()).toMatchObject({ node: databases.node, outcome: 'done', changes: 1 });
  });
});

describe('doctor', () => {
  interface Document {
    status: string;
    checks: { code: string; status: string; message: string; remedy: string | null }[];
  }

  test('passes on a healthy node', async () => {
    const result = await cli('doctor', '--json');
    const document = result.json() as Document;
    expect(document.checks.filter((check) => check.status !== 'ok')).toEqual([]);
    expect([result.code, document.status]).toEqual([0, 'ok']);
    expect((await cli('doctor')).stdout).toMatch(/^\d+ checks passed\.\n$/);
  });

  test('puts failing checks first, with their remedies, and ends with 1', async () => {
    const { source } = databases;
    await source.query('ALTER TABLE orders REPLICA IDENTITY NOTHING; ALTER TABLE "Odd Name" RENAME TO away');
    try {
      const result = await cli('doctor', '--json');
      const { status, checks } = result.json() as Document;
      expect([result.code, status]).toEqual([1, 'fail']);
      const failing = checks.filter((check) => check.status === 'fail').map((check) => check.code);
      expect(failing.toSorted()).toEqual(['publication_refused', 'table_present', 'table_trackable']);
      expect(checks.slice(0, failing.length).map((check) => check.code)).toEqual(failing);
      expect(checks.find((check) => check.code === 'table_trackable')?.remedy).toBe(
        `ALTER TABLE public.orders REPLICA IDENTITY DEFAULT; The next runs read it again; at once: pgtimewarp poll --node ${databases.node}`,
      );
      expect((await cli('doctor')).stdout).toMatch(/^FAIL /);
    } finally {
      await source.query(
        'ALTER TABLE orders REPLICA IDENTITY DEFAULT; ALTER TABLE away RENAME TO "Odd Name"',
      );
    }
  });

  test('a database that does not answer is a failing check, not an error', async () => {
    const result = await cli('doctor', '--json', '--source', 'postgres://nobody@127.0.0.1:1/x');
    const { checks } = result.json() as Document;
    expect([result.code, checks[0]?.code]).toEqual([1, 'source_reachable']);
    expect(checks.find((check) => check.code === 'store_reachable')?.status).toBe('ok');
  });

  test('a slot that is gone', async () => {
    await using other = await testDatabases();
    await runCli(['init', '--plugin', 'pgoutput'], { env: other.env });
    await other.source.query('SELECT pg_drop_replication_slot($1)', [other.slot]);
    const result = await runCli(['doctor', '--json'], { env: other.env });
    expect((result.json() as Document).checks[0]).toMatchObject({ code: 'slot_present', status: 'fail' });
    expect(result.code).toBe(1);
  });
});

test('untrack ends it and reports that', async () => {
  const result = await cli('untrack', '"Odd Name"', '--json');
  expect(result.code).toBe(0);
  expect(result.json()).toMatchObject({ tables: [{ table: 'public."Odd Name"', purged: false }] });
});
