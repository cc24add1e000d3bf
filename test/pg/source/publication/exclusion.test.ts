/**
 * Values of excluded columns enter the log in every possible way. They are found nowhere behind the decoder; through pgoutput
 * on a server with column lists they do not leave the source.
 */
import type pg from 'pg';
import { expect, test } from 'vitest';
import { parseTableName, quoteIdentifier } from '../../../../core/pg/identifiers.ts';
import { poll } from '../../../../core/poll.ts';
import { rebaseline } from '../../../../core/rebaseline.ts';
import { hasColumnLists } from '../../../../core/source/publication/column-lists.ts';
import { describeNeeding } from '../../../support/needs.ts';
import { urls } from '../../../support/node-questions.ts';
import { needOf, PLUGINS } from '../../../support/plugins.ts';
import { runCli } from '../../../support/run-cli.ts';
import { type TrackedNode, trackedNode } from '../../../support/tracked-node.ts';

const PLANTED = 'pLaNtEd';
/** Long and not compressible, so that it is TOASTed. */
const LONG = `(SELECT '${PLANTED}' || string_agg(md5(i::text), '') FROM generate_series(1, 300) i)`;
const TABLES = `
  CREATE TABLE people (id int PRIMARY KEY, name text, secret text, "Long Secret" text, doc jsonb);
  CREATE TABLE parts (id int, region text, secret text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
  CREATE TABLE parts_eu PARTITION OF parts FOR VALUES IN ('eu');
  CREATE TABLE parts_us PARTITION OF parts FOR VALUES IN ('us');
  CREATE TABLE whole (id int PRIMARY KEY, name text, secret text);
  ALTER TABLE whole REPLICA IDENTITY FULL;
  INSERT INTO people SELECT i, 'n' || i, '${PLANTED}' || i, ${LONG}, '{"a": 1}' FROM generate_series(1, 5) i;
  INSERT INTO parts VALUES (1, 'eu', '${PLANTED}'); INSERT INTO whole VALUES (1, 'a', '${PLANTED}')`;
const EXCLUDED = { people: ['secret', 'Long Secret'], parts: ['secret'], whole: ['secret'] };

/** Everything in the store, table by table, as text. */
async function findInStore(store: pg.Client, text: string): Promise<string[]> {
  const { rows } = await store.query<{ name: string }>(
    `SELECT c.relname AS name FROM pg_class c WHERE c.relnamespace = 'pgtimewarp'::regnamespace AND c.relkind = 'r'`,
  );
  const found: string[] = [];
  for (const { name } of rows) {
    const hits = await store.query(
      `SELECT FROM pgtimewarp.${quoteIdentifier(name)} t WHERE strpos(t::text, $1) > 0 OR strpos(t::text, $2) > 0`,
      [text, Buffer.from(text).toString('hex')],
    );
    if (hits.rowCount! > 0) found.push(name);
  }
  return found;
}

async function change({ source }: TrackedNode): Promise<void> {
  await source.query(`INSERT INTO people VALUES (10, 'x', '${PLANTED}', ${LONG}, NULL)`);
  await source.query(`UPDATE people SET name = 'changed', secret = '${PLANTED}2' WHERE id <= 3`);
  await source.query(`UPDATE people SET id = 20 WHERE id = 2`);
  await source.query('DELETE FROM people WHERE id = 3');
  await source.query(`INSERT INTO parts VALUES (2, 'us', '${PLANTED}')`);
  await source.query(`UPDATE parts SET region = 'us' WHERE id = 1`);
  await source.query(`UPDATE whole SET name = 'b'`);
  await source.query(`UPDATE whole SET secret = '${PLANTED}3'`);
  await source.query('DELETE FROM whole');
}

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `excluded columns through ${plugin}`, () => {
    test('a column that is renamed: no run reads the table for its values', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES });
      await node.track('people', { exclude: EXCLUDED.people });
      await node.source.query('ALTER TABLE people RENAME secret TO hidden');
      for (let runs = 0; runs < 4; runs++) await node.poll();
      expect(await findInStore(node.store, PLANTED)).toEqual([]);
    });

    test('excluded values are nowhere in the store, nor in the output of commands', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES });
      for (const [table, exclude] of Object.entries(EXCLUDED)) await node.track(table, { exclude });
      await change(node);
      await node.poll();
      expect(await findInStore(node.store, PLANTED)).toEqual([]);
      const { rows } = await node.store.query<{ count: string }>(
        'SELECT count(*) FROM pgtimewarp.row_changes',
      );
      expect(Number(rows[0]!.count)).toBeGreaterThan(15);
      const names = await node.store.query<{ name: string }>(
        `SELECT DISTINCT k AS name FROM pgtimewarp.row_changes r, json_object_keys(r.row_data) k ORDER BY 1`,
      );
      expect(names.rows.map((row) => row.name)).toEqual(['doc', 'id', 'name', 'region']);

      // a failing write: constraint errors of PostgreSQL print the row
      await node.store.query(
        'ALTER TABLE pgtimewarp.row_changes ADD CONSTRAINT refuse CHECK (false) NOT VALID',
      );
      await node.source.query(`UPDATE people SET name = 'again', secret = '${PLANTED}4' WHERE id = 1`);
      const failed = await runCli(['poll', '--verbose', '--json'], { env: node.env });
      expect(failed.code).not.toBe(0);
      expect(failed.stdout + failed.stderr).toContain('refuse');
      expect(failed.stdout + failed.stderr).not.toContain(PLANTED);
      expect(await findInStore(node.store, PLANTED)).toEqual([]);
    });

    test('a key column, and a column that does not exist, are refused', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES });
      await expect(node.track('people', { exclude: ['id'] })).rejects.toThrow(/part of the key/);
      await expect(node.track('people', { exclude: ['nothing'] })).rejects.toThrow(/no column/);
    });
  });
}

describeNeeding(needOf('pgoutput'), 'column lists', () => {
  test('the values do not leave the source, and its applications can still update', async () => {
    await using node = await trackedNode({ plugin: 'pgoutput', tables: TABLES });
    for (const [table, exclude] of Object.entries(EXCLUDED)) await node.track(table, { exclude });
    await node.source.query(`INSERT INTO people VALUES (10, 'x', '${PLANTED}', ${LONG}, NULL)`);
    await node.source.query(`UPDATE people SET secret = '${PLANTED}5', name = 'y'`);
    await node.source.query('DELETE FROM people WHERE id = 1');
    expect(await inStream(node, PLANTED)).toBe(!(await hasColumnLists(node.source)));
    await node.source.query(`UPDATE whole SET secret = '${PLANTED}6'`); // REPLICA IDENTITY FULL cannot have a list
    expect(await inStream(node, PLANTED)).toBe(true);
    await node.poll();
    expect(await findInStore(node.store, PLANTED)).toEqual([]);
  });

  test('the values do not leave the source during `track` either: rows change with every step that publishes the table', async () => {
    await using node = await trackedNode({ plugin: 'pgoutput', tables: TABLES });
    if (!(await hasColumnLists(node.source))) return;
    const watcher = `${node.slot}_watcher`; // runs do not move this slot
    await node.source.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [watcher]);
    await node.source.query(`
      CREATE FUNCTION change() RETURNS event_trigger LANGUAGE plpgsql AS
        $$ BEGIN UPDATE public.people SET name = 'watched', secret = '${PLANTED}'; END $$;
      CREATE EVENT TRIGGER change ON ddl_command_end WHEN TAG IN ('ALTER PUBLICATION') EXECUTE FUNCTION change()`);
    await node.track('people', { exclude: EXCLUDED.people });
    await node.poll();
    expect(await inStream(node, 'watched', watcher)).toBe(true);
    expect(await inStream(node, PLANTED, watcher)).toBe(false);
  });

  test('a column that is added later is incomplete until the list contains it', async () => {
    await using node = await trackedNode({ plugin: 'pgoutput', tables: TABLES });
    await node.track('people', { exclude: ['secret'] });
    await node.source.query('ALTER TABLE people ADD COLUMN extra text');
    await node.source.query(`UPDATE people SET extra = 'lost' WHERE id = 1`);
    await node.poll();
    await node.source.query(`UPDATE people SET extra = 'kept', secret = '${PLANTED}' WHERE id = 4`);
    await node.poll();
    const { rows } = await node.store.query<{
      pk: string;
      incomplete: string[] | null;
      extra: string | null;
    }>(
      `SELECT pk, incomplete, row_data ->> 'extra' AS extra FROM pgtimewarp.row_changes WHERE op = 'U' ORDER BY pk`,
    );
    expect(rows).toEqual([
      (await hasColumnLists(node.source))
        ? { pk: '["1"]', incomplete: ['extra'], extra: null }
        : { pk: '["1"]', incomplete: null, extra: 'lost' },
      { pk: '["4"]', incomplete: null, extra: 'kept' },
    ]);
    expect(await inStream(node, PLANTED)).toBe(false);
  });

  test('`track` lists what the server refuses because of the list, and the server does refuse it', async () => {
    await using node = await trackedNode({ plugin: 'pgoutput', tables: TABLES });
    if (!(await hasColumnLists(node.source))) return;
    const { notes } = await node.track('people', { exclude: ['secret'] });
    expect(notes).toEqual([expect.stringContaining('The publication lists the columns of public.people')]);
    expect((await node.track('parts', { exclude: ['secret'] })).notes).toEqual([]); // it has no column list
    await node.source.query(`CREATE TABLE later (id int PRIMARY KEY, name text, secret text);
                             ALTER TABLE later REPLICA IDENTITY FULL`);
    expect((await node.track('later', { exclude: ['secret'] })).notes[0]).toContain(
      'The publication lists the columns of public.later as soon as its primary key is its replica identity',
    );
    await node.source.query('ALTER TABLE later REPLICA IDENTITY DEFAULT');
    await node.poll();
    const refused = async (sql: string): Promise<void> => {
      const answer = node.source.query(sql).then(
        () => 'done',
        (error: Error & { detail?: string }) => `${error.message} ${error.detail}`,
      );
      expect(await answer, sql).toMatch(/publication/);
    };
    await refused('ALTER TABLE people DROP COLUMN doc');
    await refused('ALTER TABLE people ALTER name TYPE varchar');
    await refused('ALTER TABLE later ALTER name TYPE varchar');
    await node.source.query('ALTER TABLE people REPLICA IDENTITY FULL');
    await refused(`UPDATE people SET name = 'a'`);
    await node.poll();
    await node.source.query(`UPDATE people SET name = 'a'`);
    await node.source.query('ALTER TABLE people REPLICA IDENTITY DEFAULT');
    await node.poll();
    await node.source.query(/ALTER PUBLICATION [^;]+/.exec(notes[0]!)![0]);
    await node.source.query('ALTER TABLE people DROP COLUMN doc, ALTER name TYPE varchar');
    await rebaseline({ ...urls(node), table: parseTableName(/rebaseline (\S+)\)/.exec(notes[0]!)![1]!) });
    await node.source.query(`UPDATE people SET name = 'b', secret = '${PLANTED}' WHERE id = 1`);
    await node.poll();
    const { rows } = await node.store.query<{ row: string }>(
      `SELECT row_data::text AS row FROM pgtimewarp.row_versions WHERE pk = '["1"]' AND table_name = 'people' AND valid_to_lsn IS NULL`,
    );
    expect(rows[0]!.row).toMatch(/"name":"b"/);
    expect(await inStream(node, PLANTED)).toBe(false);
  });

  test('dropping a listed column with CASCADE unpublishes the table: a gap, whose end publishes it again', async () => {
    await using node = await trackedNode({ plugin: 'pgoutput', tables: TABLES });
    if (!(await hasColumnLists(node.source))) return;
    await node.track('people', { exclude: ['secret'] });
    await node.source.query('ALTER TABLE people DROP COLUMN doc CASCADE');
    await node.source.query(`UPDATE people SET name = 'unseen' WHERE id = 1`);
    await poll({ sourceUrl: node.sourceUrl, storeUrl: node.storeUrl, node: node.node });
    const { rows } = await node.store.query<{ status: string; status_reason: string }>(
      'SELECT status, status_reason FROM pgtimewarp.tracked_relations',
    );
    expect(rows[0]).toMatchObject({ status: 'needs_rebaseline' });
    expect(rows[0]!.status_reason).toContain('taken out of the publication');
    await rebaseline({ ...urls(node), table: parseTableName('people') });
    await node.source.query(`UPDATE people SET name = 'seen', secret = '${PLANTED}' WHERE id = 2`);
    expect(await inStream(node, 'seen')).toBe(true);
    expect(await inStream(node, PLANTED)).toBe(false);
  });
});

async function inStream(node: TrackedNode, text: string, slot = node.slot): Promise<boolean> {
  const { rows } = await node.source.query<{ data: string }>(
    `SELECT encode(data, 'hex') AS data
       FROM pg_logical_slot_peek_binary_changes($1, NULL, NULL, 'proto_version', '1', 'publication_names', $2)`,
    [slot, node.publication],
  );
  return rows.some((row) => row.data.includes(Buffer.from(text).toString('hex')));
}
