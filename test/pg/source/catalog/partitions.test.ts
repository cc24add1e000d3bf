/**
 * A partitioned table is one history: partitions are added and removed, rows move between them, and a truncate closes the
 * versions of the rows that it removed.
 */
import { afterEach, expect, test } from 'vitest';
import { describeNeeding } from '../../../support/needs.ts';
import { needOf, PLUGINS } from '../../../support/plugins.ts';
import { type TrackedNode, trackedNode } from '../../../support/tracked-node.ts';

const TABLES = `
  CREATE TABLE p (region text, id int, v text, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
  CREATE TABLE p_eu PARTITION OF p FOR VALUES IN ('eu');
  CREATE TABLE p_us PARTITION OF p FOR VALUES IN ('us') PARTITION BY RANGE (id);
  CREATE TABLE p_us1 PARTITION OF p_us FOR VALUES FROM (0) TO (10);
  CREATE TABLE p_us2 PARTITION OF p_us FOR VALUES FROM (10) TO (20);
  INSERT INTO p VALUES ('eu', 1, 'a'), ('eu', 2, 'b'), ('us', 1, 'c'), ('us', 11, 'd')`;

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `partitioned tables (${plugin})`, () => {
    let node: TrackedNode;

    afterEach(async () => {
      await node?.[Symbol.asyncDispose]();
    });

    test('rows that move, new and renamed partitions, truncates of a partition and of the root', async () => {
      node = await trackedNode({ plugin, tables: TABLES, track: ['p'] });
      expect(await versions(node)).toEqual(await live(node));
      const steps: readonly string[] = [
        `UPDATE p SET v = 'moved', region = 'us', id = 2 WHERE region = 'eu' AND id = 2`,
        `UPDATE p SET id = 12 WHERE region = 'us' AND id = 1`,
        `CREATE TABLE p_as PARTITION OF p FOR VALUES IN ('as'); INSERT INTO p VALUES ('as', 1, 'new leaf')`,
        `CREATE TABLE p_us3 PARTITION OF p_us FOR VALUES FROM (20) TO (30); INSERT INTO p VALUES ('us', 25, 'new sub-leaf')`,
        `ALTER TABLE p_us2 RENAME TO p_us_second; UPDATE p SET v = 'renamed' WHERE id = 11`,
        `UPDATE p SET v = 'x'; ALTER TABLE p_as RENAME TO p_asia`,
        `TRUNCATE p_us_second`,
        `INSERT INTO p VALUES ('us', 11, 'again'); TRUNCATE p_asia; INSERT INTO p VALUES ('as', 2, 'b')`,
        `TRUNCATE p_us`,
        `INSERT INTO p VALUES ('us', 1, 'c'), ('us', 11, 'd')`,
        `TRUNCATE p`,
        `INSERT INTO p VALUES ('eu', 1, 'end')`,
      ];
      for (const step of steps) {
        await node.source.query(step);
        await node.poll();
        expect({ step, rows: await versions(node) }).toEqual({ step, rows: await live(node) });
      }
      const { rows } = await node.store.query('SELECT status FROM pgtimewarp.tracked_relations');
      expect(rows).toEqual([{ status: 'active' }]);
    });

    test('changes under the former name of a partition are not lost', async () => {
      node = await trackedNode({ plugin, tables: TABLES, track: ['p'] });
      await node.source.query(`UPDATE p SET v = 'before the renaming'`);
      await node.source.query('ALTER TABLE p_eu RENAME TO p_europe');
      await node.poll();
      expect(await versions(node)).toEqual(await live(node));
    });

    test('a root without partitions, then with some', async () => {
      node = await trackedNode({
        plugin,
        tables: `CREATE TABLE p (id int PRIMARY KEY, v text) PARTITION BY RANGE (id); CREATE TABLE other (id int PRIMARY KEY)`,
        track: ['p'],
      });
      await node.source.query('INSERT INTO other VALUES (1)');
      await node.poll();
      await node.source.query('CREATE TABLE p_1 PARTITION OF p DEFAULT; INSERT INTO p VALUES (1, $$first$$)');
      await node.poll();
      await node.poll();
      expect(await versions(node)).toEqual(await live(node));
    });
  });
}

async function live(node: TrackedNode): Promise<string[]> {
  const { rows } = await node.source.query<{ row: string }>(
    `SELECT to_json(p)::text AS row FROM p ORDER BY 1`,
  );
  return rows.map(({ row }) => row).sort();
}

/** The rows that history holds now. */
async function versions(node: TrackedNode): Promise<string[]> {
  const { rows } = await node.store.query<{ row: string }>(
    `SELECT row_data::text AS row FROM pgtimewarp.row_versions WHERE table_name = 'p' AND valid_to_lsn IS NULL AND op <> 'D'`,
  );
  return rows.map(({ row }) => row).sort();
}
