/**
 * A baseline or repair reads exactly the rows that the log is about: every row of the table, whatever policies it has, and no
 * rows of tables that inherit from it.
 */
import { expect, test } from 'vitest';
import { poll } from '../../../../core/poll.ts';
import { rebaseline } from '../../../../core/rebaseline.ts';
import { describeNeeding } from '../../../support/needs.ts';
import { needOf, PLUGINS } from '../../../support/plugins.ts';
import { type TrackedNode, trackedNode } from '../../../support/tracked-node.ts';

async function rowsOf(node: TrackedNode): Promise<string[]> {
  const { rows } = await node.store.query<{ version: string }>(
    `SELECT op::text || ' ' || pk || ' ' || coalesce(row_data::text, '') AS version
       FROM pgtimewarp.row_versions ORDER BY valid_from_lsn, pk`,
  );
  return rows.map(({ version }) => version);
}

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `rows that are read, ${plugin}`, () => {
    test('of a table that others inherit from: only its own rows', async () => {
      await using node = await trackedNode({
        plugin,
        tables: `CREATE TABLE parent (id int PRIMARY KEY, v text);
                 CREATE TABLE child () INHERITS (parent);
                 INSERT INTO parent VALUES (1, 'own');
                 INSERT INTO child VALUES (1, 'of the child'), (2, 'of the child')`,
        track: ['parent'],
      });
      await node.source.query(
        `INSERT INTO child VALUES (3, 'later'); INSERT INTO parent VALUES (4, 'later')`,
      );
      await node.poll();
      expect(await rowsOf(node)).toEqual(['S ["1"] {"id":1,"v":"own"}', 'I ["4"] {"id":4,"v":"later"}']);
    });

    test('a table whose policies hide rows is refused, and hidden rows are never recorded as deleted', async () => {
      await using node = await trackedNode({
        plugin,
        tables: `CREATE TABLE orders (id int PRIMARY KEY, v text); INSERT INTO orders VALUES (1, 'a'), (2, 'b');
                 CREATE TABLE others (id int PRIMARY KEY);
                 CREATE TABLE hidden (id int PRIMARY KEY);
                 ALTER TABLE hidden ENABLE ROW LEVEL SECURITY`,
        track: ['orders', 'others'],
      });
      const role = `reader_${node.node}`;
      await node.source.query(`CREATE ROLE ${role} LOGIN REPLICATION PASSWORD 'x';
        GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}`);
      try {
        const url = new URL(node.sourceUrl);
        url.username = role;
        url.password = 'x';
        const urls = { sourceUrl: url.toString(), storeUrl: node.storeUrl, node: node.node };
        await node.source.query('ALTER TABLE orders ENABLE ROW LEVEL SECURITY');
        const table = { schema: 'public', name: 'orders' };
        await expect(rebaseline({ ...urls, table } as never)).rejects.toMatchObject({
          code: 'TABLE_NOT_TRACKABLE',
          message: expect.stringContaining('row-level security'),
        });
        await node.source.query(`INSERT INTO orders VALUES (3, 'c'); INSERT INTO others VALUES (1)`);
        expect(await poll(urls)).toMatchObject({ outcome: 'done', changes: 2 });
        expect((await rowsOf(node)).filter((row) => row.startsWith('D'))).toEqual([]);
        // an earlier repair continues when the role can see all rows
        await node.source.query('ALTER TABLE orders ALTER COLUMN v TYPE text USING v || v');
        expect((await poll(urls)).outcome).toBe('done');
        expect((await poll(urls)).outcome).toBe('done');
        expect((await rowsOf(node)).filter((row) => row.startsWith('D'))).toEqual([]);
      } finally {
        await node.source.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
      }
    });
  });
}

test('a hypertable is refused, because its rows are in chunks', async () => {
  await using node = await trackedNode({
    plugin: 'pgoutput',
    tables: `CREATE TABLE t (id int PRIMARY KEY); CREATE SCHEMA _timescaledb_internal;
             CREATE TABLE _timescaledb_internal._hyper_1_1_chunk () INHERITS (t)`,
  });
  await expect(node.track('t')).rejects.toMatchObject({
    code: 'TABLE_NOT_TRACKABLE',
    message: expect.stringContaining('hypertable of TimescaleDB'),
  });
});
