/** `deinit --forget-source` is for a source that is gone for good; it must never leave a slot without a message. */
import { expect, test } from 'vitest';
import { type CliResult, runCli } from '../../support/run-cli.ts';
import { type TestDatabases, testDatabases } from '../../support/test-databases.ts';

const GONE = 'postgres://nobody@127.0.0.1:1/gone';

async function node(): Promise<TestDatabases> {
  const databases = await testDatabases();
  expect(await runCli(['init', '--plugin', 'pgoutput'], { env: databases.env })).toMatchObject({ code: 0 });
  return databases;
}

function deinit({ env }: TestDatabases, ...args: string[]): Promise<CliResult> {
  return runCli(['deinit', '--json', ...args], { env });
}

test('deinit of an unreachable source changes nothing and names --forget-source', async () => {
  await using databases = await node();
  const result = await deinit(databases, '--source', GONE);
  expect(result.code).toBe(1);
  expect(result.json()).toMatchObject({
    error: { code: 'SOURCE_UNREACHABLE', remedy: expect.stringContaining('--forget-source') },
  });
  expect((await runCli(['status', '--json'], { env: databases.env })).json()).toMatchObject({
    nodes: [{ status: 'active' }],
  });
});

test('a source that answers is not forgotten', async () => {
  await using databases = await node();
  const result = await deinit(databases, '--forget-source');
  expect(result.code).toBe(2);
  expect(result.json()).toMatchObject({ error: { code: 'NODE_CONFLICT' } });
});

test('a source that refuses the login is not forgotten', async () => {
  await using databases = await node();
  const url = new URL(databases.sourceUrl);
  url.password = 'wrong';
  const result = await deinit(databases, '--forget-source', '--source', url.href);
  expect(result.json()).toMatchObject({ error: { code: 'AUTHENTICATION_FAILED' } });
});

test.each([
  ['keeping history', []],
  ['purging', ['--purge']],
])('a source that is gone: %s; what it may still have is printed and stored', async (_, flags) => {
  await using databases = await node();
  const drop = [
    `SELECT pg_drop_replication_slot('${databases.slot}');`,
    `DROP PUBLICATION "${databases.publication}";`,
  ];
  const result = await deinit(databases, '--forget-source', '--source', GONE, ...flags);
  expect(result.code, result.stderr).toBe(0);
  expect(result.json()).toMatchObject({
    removed: true,
    slot_dropped: false,
    purged: flags.length > 0,
    left_on_source: drop,
  });
  const events = await runCli(['events', '--json'], { env: databases.env });
  expect(events.json()).toMatchObject({ events: [{ severity: 'warn', code: 'SOURCE_FORGOTTEN' }] });
  expect(events.stdout).toContain(databases.slot);
  await databases.source.query(drop.join('')); // the printed SQL works
});

test('without --source, output for people', async () => {
  await using databases = await node();
  const { PGTIMEWARP_SOURCE_URL: _, ...env } = databases.env;
  const result = await runCli(['deinit', '--forget-source'], { env });
  expect(result.stdout).toContain('is removed. Its history stays.');
  expect(result.stdout).toContain(`SELECT pg_drop_replication_slot('${databases.slot}');`);
});
