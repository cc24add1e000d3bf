/** Functions and views equal their files: applied twice they do not change, and after a change by hand they are corrected. */
import { appendFile, cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Queryable } from '../../../core/pg/connection.ts';
import { migrate, requireSchema } from '../../../core/store/schema/migrate.ts';
import { testDatabases } from '../../support/test-databases.ts';
import { trackedNode } from '../../support/tracked-node.ts';

const MIGRATIONS = join(import.meta.dirname, '../../../migrations');

/** Text and rights of all functions and views, also of those that belong to relations. */
async function definitions(store: Queryable): Promise<unknown[]> {
  const { rows } = await store.query(
    `SELECT p.oid::regprocedure::text AS name, pg_get_functiondef(p.oid) AS text, ARRAY(SELECT a::text FROM unnest(p.proacl) AS a ORDER BY 1) AS rights
       FROM pg_proc AS p WHERE p.pronamespace = 'pgtimewarp'::regnamespace
      UNION ALL
     SELECT c.relname, pg_get_viewdef(c.oid), ARRAY(SELECT a::text FROM unnest(c.relacl) AS a ORDER BY 1)
       FROM pg_class AS c WHERE c.relnamespace = 'pgtimewarp'::regnamespace AND c.relkind = 'v'
      ORDER BY 1, 2`,
  );
  return rows;
}

test('all files applied again change nothing', async () => {
  await using node = await trackedNode({
    plugin: 'pgoutput',
    tables: 'CREATE TABLE t (id int PRIMARY KEY)',
    track: ['t'],
  });
  const before = await definitions(node.store);
  expect(before.length).toBeGreaterThan(50);
  await node.store.query(`UPDATE pgtimewarp.schema_functions SET digest = 'another'`);
  expect(await migrate(node.store)).toMatchObject({ applied: [], functions: true });
  expect(await definitions(node.store)).toEqual(before);
  expect(await migrate(node.store)).toMatchObject({ functions: false });
});

test.each([
  [
    'a function changed by hand',
    'ALTER FUNCTION pgtimewarp.asof_answer(text, text, text, jsonb, timestamptz, pg_lsn, text, json) SET work_mem = 64',
  ],
  [
    'the text of one',
    `CREATE OR REPLACE FUNCTION pgtimewarp.time_at(p_node_id text, p_space int, p_lsn pg_lsn) RETURNS timestamptz
                       LANGUAGE sql AS 'SELECT now()'`,
  ],
  [
    'a right taken',
    'REVOKE ALL ON FUNCTION pgtimewarp.canonical_key(text[], text[], jsonb, boolean) FROM pgtimewarp_reader',
  ],
  ['a view', 'CREATE OR REPLACE VIEW pgtimewarp.sql_interface AS SELECT 7 AS version'],
  ['a function dropped', 'DROP FUNCTION pgtimewarp.json_commit(pg_lsn, timestamptz, bigint)'],
])('%s: migrate puts it right', async (_what, sql) => {
  await using databases = await testDatabases();
  const { store } = databases;
  const before = await definitions(store);
  await store.query(sql);
  expect(await definitions(store)).not.toEqual(before);
  expect(await migrate(store)).toMatchObject({ applied: [], functions: true });
  expect(await definitions(store)).toEqual(before);
  expect(await migrate(store)).toMatchObject({ functions: false });
});

test('a program with other functions refuses the store until it has migrated it', async () => {
  await using databases = await testDatabases();
  const { store } = databases;
  const other = await mkdtemp(join(tmpdir(), 'pgtimewarp-functions-'));
  await cp(MIGRATIONS, other, { recursive: true });
  await appendFile(join(other, 'functions/json/json_commit.sql'), '-- of another version\n');
  expect(await migrate(store, other)).toMatchObject({ applied: [], functions: true });
  await rm(other, { recursive: true });
  await expect(requireSchema(store)).rejects.toMatchObject({
    code: 'SCHEMA_OUTDATED',
    message: expect.stringContaining('functions'),
  });
  await migrate(store);
  await requireSchema(store);
});

test('PostgreSQL accepts every body', async () => {
  await using databases = await testDatabases();
  const { rows } = await databases.store.query<{ sql: string }>(
    `SELECT format('SELECT %s(%s)', l.lanvalidator::regproc, p.oid) AS sql
       FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang
      WHERE p.pronamespace = 'pgtimewarp'::regnamespace`,
  );
  await databases.store.query('SET check_function_bodies = on');
  for (const { sql } of rows) await databases.store.query(sql);
  expect(rows.length).toBeGreaterThan(45);
});
