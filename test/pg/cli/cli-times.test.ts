/**
 * Times in the time zone of the terminal: the answers equal those for the same instants in UTC, and the output shows these
 * instants.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runCli } from '../../support/run-cli.ts';
import { type TestDatabases, testDatabases } from '../../support/test-databases.ts';

let databases: TestDatabases;

beforeAll(async () => {
  databases = await testDatabases({ tables: 'CREATE TABLE orders (id int PRIMARY KEY, v text)' });
  const { env } = databases;
  expect(await runCli(['init', '--plugin', 'pgoutput'], { env })).toMatchObject({ code: 0 });
  expect(await runCli(['track', 'orders'], { env })).toMatchObject({ code: 0 });
  await databases.source.query("INSERT INTO orders VALUES (1, 'one')");
  expect(await runCli(['poll'], { env })).toMatchObject({ code: 0 });
});

afterAll(async () => databases?.[Symbol.asyncDispose]());

function ask(...args: string[]) {
  return runCli([...args, '--json'], { env: { ...databases.env, TZ: 'Asia/Kathmandu' } });
}

test('relative and local times are used, and shown with their zone', async () => {
  const ago = await ask('asof', 'orders', '--pk', '1', '--at', '-400d');
  expect(ago.stderr).toMatch(/^--at is \d{4}-\d\d-\d\dT[\d:.]+\+05:45 \(Asia\/Kat/);
  expect(ago.json()).toMatchObject({ status: 'unknown', reason: 'before_tracking' });
  const local = await ask('asof', 'orders', '--pk', '1', '--at', '2020-01-31 09:41');
  expect(local.json()).toMatchObject({ as_of: { requested: '2020-01-31T09:41:00+05:45' } });
});

test('now is the newest state in the store', async () => {
  const [now, usual] = [
    await ask('asof', 'orders', '--pk', '1', '--at', 'now'),
    await ask('asof', 'orders', '--pk', '1'),
  ];
  expect(now).toMatchObject({ code: 0, stderr: usual.stderr });
  expect(now.json()).toMatchObject({ status: 'found', row: { v: 'one' } });
});

test('a window of time', async () => {
  const inside = await ask('diff', 'orders', '--pk', '1', '--from', '-1d', '--to', 'now');
  expect(inside.json()).toMatchObject({ changes: [{ op: 'I' }] });
  const before = await ask('diff', 'orders', '--pk', '1', '--from', '-2d', '--to', '-1d');
  expect(before.json()).toMatchObject({ changes: [] });
});

test('text that is not a time is refused, with the accepted forms', async () => {
  const { code, stderr } = await ask('asof', 'orders', '--pk', '1', '--at', 'yesterday');
  expect(code).toBe(2);
  expect(stderr).toContain('-15m');
});
