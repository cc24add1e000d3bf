/** Callers and settings that must not change an answer: who really asks, and how their session writes times. */

import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { untrack } from '../../../core/track.ts';
import { type PastSource, pastSource } from '../../support/past-source.ts';

let past: PastSource;
let admin: pg.Client;
let mallory: string;
beforeAll(async () => {
  past = await pastSource({
    plugin: 'pgoutput',
    tables: `CREATE TABLE t (id int PRIMARY KEY, secret text); INSERT INTO t VALUES (1, 'before')`,
    track: ['t'],
  });
  admin = past.node.source;
  mallory = `${past.sql.reader}_mallory`;
  await admin.query(`CREATE ROLE ${mallory}; CREATE SCHEMA mallory AUTHORIZATION ${mallory}`);
});
afterAll(async () => {
  await admin.query(`RESET ROLE; DROP OWNED BY ${mallory} CASCADE; DROP ROLE ${mallory}`);
  await past[Symbol.asyncDispose]();
});

test('code that PostgreSQL runs for the owner of an index sees no history of others', async () => {
  const at = await past.mark();
  await admin.query(`UPDATE t SET secret = 'after'`);
  await past.mark();
  await admin.query(`SET ROLE ${mallory};
    CREATE TABLE mallory.bait (n int); INSERT INTO mallory.bait VALUES (1);
    CREATE FUNCTION mallory.f(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
    DECLARE found text;
    BEGIN
      SELECT string_agg(p.row_data::text, ' ') INTO found
        FROM pgtimewarp_internal.past('public.t', '{secret}', '${at}', NULL) AS p;
      RAISE NOTICE 'mallory has %', found;
      RETURN n;
    EXCEPTION WHEN insufficient_privilege THEN
      RAISE NOTICE 'refused: %', SQLERRM;
      RETURN n;
    END $$;
    CREATE INDEX ON mallory.bait (mallory.f(n)); RESET ROLE`);
  const said: string[] = [];
  admin.on('notice', ({ message }) => said.push(message ?? ''));
  await past.whileRunning(() => admin.query('REINDEX TABLE mallory.bait'));
  expect(said.filter((text) => /^(mallory|refused)/.test(text))).toEqual([
    expect.stringMatching(/^refused: the history is not read while PostgreSQL runs code of the owner/),
  ]);
});

test('an instant is the same in every style of dates', async () => {
  await past.mark();
  const { rows } = await admin.query<{ ts: string; secret: string }>(
    `SELECT (pgtimewarp_horizon()).ts::text AS ts, secret FROM t`,
  );
  await admin.query(`SET TimeZone = 'Asia/Kolkata'; SET DateStyle = 'SQL, DMY'`);
  const typed = `SELECT secret FROM pgtimewarp_asof_table(NULL::t, '${rows[0]!.ts}'::timestamptz)`;
  try {
    expect(await past.asOf('', typed)).toEqual([{ secret: rows[0]!.secret }]);
  } finally {
    await admin.query('RESET TimeZone; RESET DateStyle');
  }
});

test('a row that is left out because a value is not known does not come as a row of NULLs', async () => {
  await using own = await pastSource({
    plugin: 'pgoutput',
    tables: `CREATE TABLE j (id int PRIMARY KEY, v jsonb, n int); INSERT INTO j VALUES (1, 'null', 1), (2, 'null', 2)`,
    track: ['j'],
  });
  const at = await own.mark();
  await own.node.source.query('UPDATE j SET n = n + 1');
  await own.node.store.query(
    `UPDATE pgtimewarp.row_changes SET incomplete = '{n}' WHERE op = 'S' AND pk LIKE '%1%'`,
  );
  await own.node.source.query('SET pgtimewarp.unknown = skip');
  expect(await own.asOf(at, 'SELECT id, v::text, n FROM asof.j')).toEqual([{ id: 2, v: 'null', n: 2 }]);
  expect(own.sql.warnings()).toEqual([
    { code: '01T05', message: 'rows of public.j with values that are not known are left out: 1' },
  ]);
});

test('the schema asof of somebody else is not used', async () => {
  await using own = await pastSource({ plugin: 'pgoutput', tables: 'CREATE TABLE t (id int PRIMARY KEY)' });
  await own.node.track('t');
  await own.node.source.query(`DROP SCHEMA IF EXISTS asof; CREATE SCHEMA asof AUTHORIZATION ${mallory}`);
  expect(await own.views('t').catch((error) => `${error.code}: ${error.message}`)).toEqual(
    expect.stringMatching(/^PERMISSION_DENIED: The schema asof belongs to the role .*_mallory/),
  );
  await own.node.source.query('DROP SCHEMA asof');
});

test('a key of former times is shown only to whoever may read its columns', async () => {
  await using own = await pastSource({
    plugin: 'pgoutput',
    tables: `CREATE TABLE people (ssn text PRIMARY KEY, id int NOT NULL, name text); INSERT INTO people VALUES ('123-45', 1, 'ann')`,
    track: ['people'],
  });
  const { source } = own.node;
  await source.query(`UPDATE people SET name = 'bea'`);
  const at = await own.mark();
  await source.query('ALTER TABLE people DROP CONSTRAINT people_pkey, ADD PRIMARY KEY (id)');
  const urls = { sourceUrl: own.node.sourceUrl, storeUrl: own.node.storeUrl, node: own.node.node };
  await untrack({ ...urls, table: { schema: 'public', name: 'people' }, purge: false });
  await own.node.track('people');
  const { rows } = await source.query<{ lsn: string }>('SELECT lsn::text FROM pgtimewarp_transactions()');
  await source.query(`GRANT SELECT (id, name) ON people TO ${mallory};
    GRANT EXECUTE ON FUNCTION pgtimewarp_changes, pgtimewarp_find, pgtimewarp_transaction TO ${mallory};
    SET ROLE ${mallory}; SET pgtimewarp.columns = visible`);
  const shown: unknown[] = [];
  for (const question of [
    `pgtimewarp_changes('people', to_lsn => '${at}')`,
    `pgtimewarp_find('people', '{"name": "bea"}', at_lsn => '${at}')`,
    ...rows.map(({ lsn }) => `pgtimewarp_transaction('${lsn}')`),
  ]) {
    shown.push(...(await source.query(`SELECT * FROM ${question}`)).rows);
  }
  await source.query('RESET ROLE');
  expect(shown.length).toBeGreaterThan(2);
  expect(JSON.stringify(shown)).not.toContain('123-45');
});
