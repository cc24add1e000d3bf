/** Messages for wrong input: the remedy fits the mistake, and works. */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { passwordFromFile } from '../../../core/pg/password-file.ts';
import { runCli } from '../../support/run-cli.ts';
import { testDatabases } from '../../support/test-databases.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';

let node: TrackedNode;
beforeAll(async () => {
  node = await trackedNode({
    plugin: 'pgoutput',
    tables: `CREATE TABLE orders (id int PRIMARY KEY); CREATE TABLE words (word text PRIMARY KEY); INSERT INTO words VALUES ('a=b')`,
    track: ['orders', 'words'],
  });
});
afterAll(async () => {
  await node?.[Symbol.asyncDispose]();
});

async function errorOf(...args: string[]): Promise<{ code: string; message: string; remedy: string }> {
  const result = await runCli([...args, '--json'], { env: node.env });
  expect(result.code).toBe(2);
  return (result.json() as { error: { code: string; message: string; remedy: string } }).error;
}

test('an interval whose end is before its start', async () => {
  const interval = ['--from', '2026-02-01T00:00:00Z', '--to', '2026-01-01T00:00:00Z'];
  expect(await errorOf('diff', 'orders', '--pk', '1', ...interval)).toMatchObject({
    code: 'BAD_TIME',
    remedy: 'Name the earlier instant as from, the later one as to.',
  });
});

test('a value that the key cannot have', async () => {
  expect(await errorOf('asof', 'orders', '--pk', 'abc')).toMatchObject({
    code: 'BAD_KEY',
    remedy: expect.stringContaining('a value of its type'),
  });
});

test('a bare value with = in it', async () => {
  for (const command of ['asof', 'diff']) {
    const { remedy } = await errorOf(command, 'words', '--pk', 'a=b');
    const pasted = /--pk '([^']*)'$/.exec(remedy)?.[1];
    expect(pasted).toBe('word=a=b');
    expect(await runCli([command, 'words', '--pk', pasted!], { env: node.env })).toMatchObject({ code: 0 });
  }
});

test('commands that do not exist', async () => {
  expect(await errorOf('frobnicate')).toMatchObject({ remedy: 'All commands: pgtimewarp --help' });
  expect(await errorOf('pool')).toMatchObject({
    remedy: 'Did you mean poll? All commands: pgtimewarp --help',
  });
});

test('a store that is empty', async () => {
  await using empty = await testDatabases({ store: 'empty' });
  for (const command of ['poll', 'status', 'events']) {
    const result = await runCli([command, '--json'], { env: empty.env });
    expect(result.json()).toMatchObject({
      error: { code: 'SCHEMA_OUTDATED', remedy: expect.stringMatching(/pgtimewarp (init|migrate)/) },
    });
  }
});

test('the password comes from the password file, which other users must not be able to read', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'pgpass-'));
  const file = join(folder, 'pass');
  process.env.PGPASSFILE = file;
  const login = { host: 'db.example', port: 5432, database: 'shop', user: 'app' };
  try {
    expect(await passwordFromFile(login)).toBe(undefined); // there is no file
    await writeFile(file, '# app\nother:*:*:*:no\ndb.example:5432:sh\\op:app:a\\:b\\\\c\n*:*:*:*:last', {
      mode: 0o600,
    });
    expect(await passwordFromFile(login)).toBe('a:b\\c');
    expect(await passwordFromFile({ ...login, host: '/var/run/postgresql' })).toBe('last');
    await chmod(file, 0o644);
    await expect(passwordFromFile(login)).rejects.toMatchObject({
      code: 'AUTHENTICATION_FAILED',
      remedy: `chmod 0600 ${file}`,
    });
  } finally {
    delete process.env.PGPASSFILE;
    await rm(folder, { recursive: true });
  }
});

test('a login that needs the password file', async () => {
  const role = `file_${node.node}`;
  const folder = await mkdtemp(join(tmpdir(), 'pgpass-'));
  const file = join(folder, 'pass');
  const url = new URL(node.storeUrl);
  await writeFile(file, `*:*:*:*:${decodeURIComponent(url.password)}\n`, { mode: 0o600 });
  url.password = '';
  try {
    const env = { ...node.env, PGTIMEWARP_STORE_URL: url.href, PGPASSFILE: file };
    expect(await runCli(['asof', 'words', '--pk', 'word=a=b'], { env }), role).toMatchObject({
      code: 0,
      stderr: '',
    });
  } finally {
    await rm(folder, { recursive: true });
  }
});
