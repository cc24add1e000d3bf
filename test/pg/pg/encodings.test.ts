/** Databases whose text cannot be read or stored unchanged are refused before anything is created in them. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect } from '../../../core/pg/connection.ts';
import { poll } from '../../../core/poll.ts';
import { init } from '../../../core/setup/init.ts';
import { migrate } from '../../../core/store/schema/migrate.ts';
import { track } from '../../../core/track.ts';
import { connectForTest } from '../../support/test-client.ts';
import { type TestDatabases, testDatabases } from '../../support/test-databases.ts';

let databases: TestDatabases;
const made: string[] = [];

beforeAll(async () => {
  databases = await testDatabases({});
});

afterAll(async () => {
  for (const name of made)
    await databases.source.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`).catch(() => undefined);
  await databases?.[Symbol.asyncDispose]();
});

/** Creates a database of the test server with this encoding. @returns its URL */
async function databaseIn(encoding: string): Promise<string> {
  const name = `encoded_${encoding.toLowerCase()}_${process.pid}_${made.length}`;
  await databases.source.query(
    `CREATE DATABASE ${name} TEMPLATE template0 ENCODING '${encoding}' LC_COLLATE 'C' LC_CTYPE 'C'`,
  );
  made.push(name);
  const url = new URL(databases.sourceUrl);
  url.pathname = `/${name}`;
  return url.toString();
}

const initOptions = (sourceUrl: string, storeUrl: string) => ({
  ...{ sourceUrl, storeUrl, node: databases.node, slotName: null, version: 'test' },
  plugin: 'pgoutput' as const,
});

test('a source in SQL_ASCII is refused, and the source stays unchanged', async () => {
  const url = await databaseIn('SQL_ASCII');
  await expect(init(initOptions(url, databases.storeUrl))).rejects.toMatchObject({
    code: 'ENCODING_REFUSED',
    message: expect.stringContaining('SQL_ASCII'),
  });
  const source = await connectForTest(url);
  try {
    const { rows } = await source.query(
      `SELECT (SELECT count(*) FROM pg_publication)::int AS publications,
              (SELECT count(*) FROM pg_replication_slots WHERE database = current_database())::int AS slots`,
    );
    expect(rows).toEqual([{ publications: 0, slots: 0 }]);
  } finally {
    await source.end();
  }
});

test.each(['SQL_ASCII', 'LATIN1'])('a store in %s is refused by migrate and by init', async (encoding) => {
  const url = await databaseIn(encoding);
  const store = await connect(url, { side: 'store', node: databases.node });
  try {
    await expect(migrate(store)).rejects.toMatchObject({ code: 'ENCODING_REFUSED' });
    const { rows } = await store.query(`SELECT to_regnamespace('pgtimewarp') IS NULL AS clean`);
    expect(rows).toEqual([{ clean: true }]);
  } finally {
    await store.end();
  }
  await expect(init(initOptions(databases.sourceUrl, url))).rejects.toMatchObject({
    code: 'ENCODING_REFUSED',
  });
});

test('a source in LATIN1 is followed: the server converts its text', async () => {
  const url = await databaseIn('LATIN1');
  const urls = { sourceUrl: url, storeUrl: databases.storeUrl, node: databases.node };
  const source = await connectForTest(url);
  try {
    await source.query('CREATE TABLE words (id int PRIMARY KEY, word text)');
    await init(initOptions(url, databases.storeUrl));
    const table = { schema: 'public', name: 'words' };
    await track({ ...urls, table, exclude: [], baseline: true, retention: null });
    await source.query(`INSERT INTO words VALUES (1, 'Größe')`);
    expect((await poll(urls)).outcome).toBe('done');
    const { rows } = await databases.store.query(
      `SELECT row_data ->> 'word' AS word FROM pgtimewarp.row_versions WHERE table_name = 'words'`,
    );
    expect(rows).toEqual([{ word: 'Größe' }]);
    await source.query(`SELECT pg_drop_replication_slot('pgtimewarp_${databases.node}')`);
  } finally {
    await source.end();
  }
});
