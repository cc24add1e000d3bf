/** What a run writes about tables of which there is nothing new to say: nothing. Its work does not grow with their number. */
import { expect, test } from 'vitest';
import { describeNeeding } from '../support/needs.ts';
import { needOf, PLUGINS } from '../support/plugins.ts';
import { type TrackedNode, trackedNode } from '../support/tracked-node.ts';

const TABLES = `
  CREATE TABLE plain (id int PRIMARY KEY, n numeric(10, 2), note text DEFAULT 'x', secret text);
  CREATE TABLE parted (id int PRIMARY KEY, n int) PARTITION BY RANGE (id);
  CREATE TABLE parted_0 PARTITION OF parted FOR VALUES FROM (0) TO (10);
  INSERT INTO plain VALUES (1, 1); INSERT INTO parted VALUES (1, 1)`;

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `tables as they were, through ${plugin}`, () => {
    test('are not written about again, whether they were changed or not', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES, track: ['parted'] });
      await node.track('plain', { exclude: ['secret'] });
      await node.source.query('CREATE TABLE other (id int PRIMARY KEY)');
      await node.track('other');
      await node.source.query('ALTER TABLE plain ADD COLUMN later int'); // known from the next run on
      await node.catchUp();
      const before = await written(node);
      for (let run = 0; run < 3; run++) {
        await node.source.query('UPDATE plain SET n = n + 1; UPDATE parted SET n = n + 1');
        await node.catchUp();
      }
      expect(await written(node)).toEqual(before);
      await node.source.query('ALTER TABLE plain ADD COLUMN last int');
      await node.catchUp();
      expect(await written(node)).toEqual({ ...before, plain: expect.not.stringMatching(before.plain!) });
    });
  });
}

/** The transaction that wrote last what the store says of a table or partition. */
async function written(node: TrackedNode): Promise<Record<string, string>> {
  const { rows } = await node.store.query<{ table_name: string; xmin: string }>(
    `SELECT table_name, xmin::text FROM pgtimewarp.tracked_relations
      UNION ALL SELECT table_name, xmin::text FROM pgtimewarp.relation_leaves`,
  );
  return Object.fromEntries(rows.map(({ table_name, xmin }) => [table_name, xmin]));
}
