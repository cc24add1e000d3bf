/** A connection that is lost in the middle of a command: the error names the database, and that the command may be repeated. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cuttingProxy } from '../../support/cutting-proxy.ts';
import { runCli } from '../../support/run-cli.ts';
import { type TestDatabases, testDatabases } from '../../support/test-databases.ts';

let databases: TestDatabases;

beforeAll(async () => {
  databases = await testDatabases();
  expect(await runCli(['init', '--plugin', 'pgoutput'], { env: databases.env })).toMatchObject({ code: 0 });
});

afterAll(async () => databases?.[Symbol.asyncDispose]());

test.each([
  ['events', 'store', 'health_events'],
  ['status', 'store', 'wal_checkpoints'],
  ['asof', 'store', 'asof_each'],
  ['init', 'store', 'pg_advisory_lock'],
  ['init', 'source', 'pg_replication_slots'],
  ['poll', 'source', 'pg_replication_slots'],
  ['deinit', 'store', 'schema_migrations'],
] as const)('%s loses the %s at %s', async (command, side, word) => {
  await using proxy = await cuttingProxy(side === 'store' ? databases.storeUrl : databases.sourceUrl, word);
  const args = command === 'asof' ? ['asof', 'orders', '--pk', '1'] : [command];
  const result = await runCli([...args, '--json', `--${side}`, proxy.url], { env: databases.env });
  expect(result.code, result.stdout).toBe(1);
  expect(result.json()).toMatchObject({
    error: {
      code: side === 'store' ? 'STORE_UNREACHABLE' : 'SOURCE_UNREACHABLE',
      message: expect.stringContaining(`The ${side}`),
    },
  });
});

test('status loses the source and still shows what the store contains', async () => {
  await using proxy = await cuttingProxy(databases.sourceUrl, 'pg_replication_slots');
  const result = await runCli(['status', '--json', '--source', proxy.url], { env: databases.env });
  expect(result.code).toBe(0);
  expect(result.json()).toMatchObject({ source_error: expect.stringContaining('The source') });
});
