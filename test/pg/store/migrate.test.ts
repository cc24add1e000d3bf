import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { connect } from '../../../core/pg/connection.ts';
import {
  expectedSchemaVersion,
  migrate,
  requireSchema,
  schemaVersion,
} from '../../../core/store/schema/migrate.ts';
import { runCli } from '../../support/run-cli.ts';
import { testDatabases } from '../../support/test-databases.ts';

const MIGRATIONS = join(import.meta.dirname, '../../../migrations');

/** A copy of the migrations that a test may change. */
async function copyOfMigrations(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'pgtimewarp [migrations]-')); // characters that a glob takes as its own
  await cp(MIGRATIONS, path, { recursive: true });
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}

test('an empty store gets the schema; the second time nothing happens', async () => {
  await using databases = await testDatabases({ store: 'empty' });
  const { store } = databases;
  expect(await schemaVersion(store)).toBe(0);
  await expect(requireSchema(store)).rejects.toMatchObject({ code: 'SCHEMA_OUTDATED' });
  const first = await migrate(store);
  expect(first).toMatchObject({ from: 0, to: await expectedSchemaVersion() });
  expect(first.applied.map((each) => each.version)[0]).toBe(1);
  expect(await migrate(store)).toEqual({ from: first.to, to: first.to, applied: [], functions: false });
  await requireSchema(store);
  expect((await store.query('SELECT node_id FROM pgtimewarp.nodes')).rows).toEqual([]);
});

test('processes that migrate one store at the same time migrate it once', async () => {
  await using databases = await testDatabases({ store: 'empty' });
  const args = ['migrate', '--json', '--store', databases.storeUrl];
  const results = await Promise.all([runCli(args), runCli(args), runCli(args)]);
  expect(results.map((result) => [result.code, result.stderr])).toEqual([
    [0, ''],
    [0, ''],
    [0, ''],
  ]);
  const applied = results.map((result) => (result.json() as { applied: unknown[] }).applied.length);
  expect(applied.filter((count) => count > 0)).toHaveLength(1);
});

test('a migration waits for one that is under way, and then finds nothing to do', async () => {
  await using databases = await testDatabases({ store: 'empty' });
  const { store } = databases;
  const other = await databases.connect('store');
  await migrate(store);
  await store.query('BEGIN');
  await store.query('SELECT pg_advisory_xact_lock(8099837163303462753)');
  let done = false;
  const waiting = migrate(other).then((result) => {
    done = true;
    return result;
  });
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(done).toBe(false);
  await store.query('COMMIT');
  expect(await waiting).toMatchObject({ applied: [] });
});

test('stores of one server that are migrated at the same time do not disturb each other', async () => {
  await using first = await testDatabases({ store: 'empty' });
  await using second = await testDatabases({ store: 'empty' });
  const results = await Promise.all([migrate(first.store), migrate(second.store)]);
  expect(results.map((result) => result.from)).toEqual([0, 0]);
});

test('a migration that fails leaves nothing of itself, nor of those before it', async () => {
  await using databases = await testDatabases({ store: 'empty' });
  await using copy = await copyOfMigrations();
  await writeFile(join(copy.path, '9001.do.broken.sql'), 'CREATE TABLE pgtimewarp.half (a int); SELECT 1/0;');
  await expect(migrate(databases.store, copy.path)).rejects.toThrow('division by zero');
  expect(await schemaVersion(databases.store)).toBe(0);
  const { rows } = await databases.store.query(`SELECT to_regnamespace('pgtimewarp') IS NULL AS gone`);
  expect(rows).toEqual([{ gone: true }]);
});

test('a newer store is not changed', async () => {
  await using databases = await testDatabases();
  await databases.store.query(
    `INSERT INTO pgtimewarp.schema_migrations (version, name, md5) VALUES (9001, 'future', 'x')`,
  );
  await expect(migrate(databases.store)).rejects.toMatchObject({ code: 'SCHEMA_TOO_NEW' });
  await expect(requireSchema(databases.store)).rejects.toMatchObject({ code: 'SCHEMA_TOO_NEW' });
});

test('a migration that was changed after it was applied is refused; other line ends do not count', async () => {
  await using databases = await testDatabases();
  await using copy = await copyOfMigrations();
  const file = join(copy.path, '0001.do.tables.sql');
  const text = await readFile(file, 'utf8');
  await writeFile(file, text.replaceAll('\n', '\r\n'));
  expect((await migrate(databases.store, copy.path)).applied).toEqual([]);
  await writeFile(file, `${text}-- one more line\n`);
  await expect(migrate(databases.store, copy.path)).rejects.toMatchObject({
    code: 'SCHEMA_CHANGED',
    facts: { version: '1' },
  });
});

test('a session with the fixed settings of the engine migrates, and keeps its search_path afterwards', async () => {
  await using databases = await testDatabases({ store: 'empty' });
  const session = await connect(databases.storeUrl, { side: 'store', node: databases.node });
  try {
    await migrate(session);
    const { rows } = await session.query('SHOW search_path');
    expect(rows).toEqual([{ search_path: 'pg_catalog' }]);
  } finally {
    await session.end();
  }
});

test('a store from before 0.1.0 is refused, with the remedy', async () => {
  await using databases = await testDatabases({ store: 'empty' });
  await databases.store.query(
    `CREATE SCHEMA pgtimewarp;
     CREATE TABLE pgtimewarp.schema_migrations (version bigint PRIMARY KEY, name text, md5 text, run_at timestamptz);
     INSERT INTO pgtimewarp.schema_migrations VALUES (1, 'schema', 'x'), (35, 'new-partitions', 'x')`,
  );
  const refused = { code: 'SCHEMA_CHANGED', message: expect.stringContaining('before 0.1.0') };
  await expect(migrate(databases.store)).rejects.toMatchObject(refused);
  await expect(requireSchema(databases.store)).rejects.toMatchObject(refused);
});
