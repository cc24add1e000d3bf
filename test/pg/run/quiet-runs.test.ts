/**
 * A quiet run writes nothing about unchanged tables, and its questions to the catalog of the source do not cost more in a large
 * catalog.
 */
import type pg from 'pg';
import { expect, test } from 'vitest';
import type { Queryable } from '../../../core/pg/connection.ts';
import type { TableName } from '../../../core/pg/identifiers.ts';
import { poll } from '../../../core/poll.ts';
import { readTableFacts } from '../../../core/source/catalog/table-facts.ts';
import { trackTables } from '../../../core/track.ts';
import { callProxy } from '../../support/call-proxy.ts';
import { describeNeeding } from '../../support/needs.ts';
import { needOf, PLUGINS } from '../../support/plugins.ts';
import { testDatabases } from '../../support/test-databases.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';

const TABLES = `
  CREATE TABLE plain (id int PRIMARY KEY, n numeric(10, 2), note text DEFAULT 'x', secret text);
  CREATE TABLE parted (id int PRIMARY KEY, n int) PARTITION BY RANGE (id);
  CREATE TABLE parted_0 PARTITION OF parted FOR VALUES FROM (0) TO (10);
  INSERT INTO plain VALUES (1, 1); INSERT INTO parted VALUES (1, 1)`;

const PLAIN = { schema: 'public', name: 'plain' };
const PARTED = { schema: 'public', name: 'parted' };

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `tables as they were, through ${plugin}`, () => {
    test('are not written again, whether they changed or not', async () => {
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

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `what a quiet run asks, through ${plugin}`, () => {
    test('do not cost more with many tables than with two, also with retention windows', async () => {
      const sql = (count: number): string =>
        Array.from(
          { length: count },
          (_, index) => `CREATE TABLE t${index} (id int PRIMARY KEY, note text);`,
        ).join('');
      const callsOf = async (count: number): Promise<number> => {
        await using node = await trackedNode({ plugin, tables: sql(count) });
        const tables = Array.from({ length: count }, (_, index) => ({ schema: 'public', name: `t${index}` }));
        const urls = { sourceUrl: node.sourceUrl, storeUrl: node.storeUrl, node: node.node };
        await trackTables({ ...urls, tables, retention: '1d' });
        for (let run = 0; run < 3; run++) await node.poll(); // ranges are made
        await using source = await callProxy(node.sourceUrl, null);
        await using store = await callProxy(node.storeUrl, null);
        const counts: number[] = [];
        for (let run = 0; run < 5; run++) {
          const before = source.calls() + store.calls();
          await poll({ ...urls, sourceUrl: source.url, storeUrl: store.url });
          counts.push(source.calls() + store.calls() - before);
        }
        return Math.min(...counts); // beside other tests a run may look twice, or flush WAL
      };
      const [few, many] = [await callsOf(2), await callsOf(30)];
      expect(many).toBeLessThanOrEqual(few + 15);
      expect(many).toBeLessThan(90);
    });
  });
}

test('the catalog is read by index, for tables and partitions', async () => {
  await using databases = await testDatabases({ tables: TABLES });
  const { source } = databases;
  await source.query('CREATE PUBLICATION shown FOR TABLE plain, parted');
  await source.query(
    `DO $$ BEGIN
       FOR i IN 1 .. 2000 LOOP
         EXECUTE format('CREATE TABLE other_%s (id int, a int, b int, c int, d int)', i);
       END LOOP;
       FOR i IN 1 .. 1000 LOOP
         EXECUTE format('CREATE TABLE parted_%s PARTITION OF parted FOR VALUES FROM (%s) TO (%s)', i, i * 10, i * 10 + 10);
       END LOOP;
     END $$`,
  );
  await source.query('VACUUM ANALYZE');
  const plan = await planOfFacts(source, [PLAIN, PARTED]);
  // publications and namespaces are few
  const again = plan.filter((line) => /Seq Scan on pg_(?!namespace|publication).*loops=(?!1\))/.test(line));
  expect(again).toEqual([]);
  expect(blocksOf(await planOfFacts(source, [PLAIN]))).toBeLessThan(120); // pg_class alone is larger
  for (const facts of await readTableFacts(source, [PLAIN, PARTED]))
    expect(new Set(facts!.columns.map((column) => column.hasMissing))).toEqual(new Set([false]));
});

/** The plan by which the server reads the facts of tables. */
async function planOfFacts(source: pg.Client, tables: readonly TableName[]): Promise<string[]> {
  let text = '';
  let values: unknown[] = [];
  const recorder = {
    query: (...statement: [string, unknown[]]) => {
      [text, values] = statement;
      return { rows: [] };
    },
  } as unknown as Queryable;
  await readTableFacts(recorder, tables, 'shown');
  const { rows } = await source.query<{ 'QUERY PLAN': string }>(`EXPLAIN (ANALYZE, BUFFERS) ${text}`, values);
  return rows.map((row) => row['QUERY PLAN']);
}

/** The number of blocks that the server read. */
function blocksOf(plan: readonly string[]): number {
  const ofAll = plan.find((line) => line.includes('Buffers: '))!;
  const blocks = [...ofAll.matchAll(/(?:hit|read)=(\d+)/g)].map(([, count]) => Number.parseInt(count!, 10));
  return blocks.reduce((sum, count) => sum + count);
}

/** The transaction that last wrote what the store knows about a table or partition. */
async function written(node: TrackedNode): Promise<Record<string, string>> {
  const { rows } = await node.store.query<{ table_name: string; xmin: string }>(
    `SELECT table_name, xmin::text FROM pgtimewarp.tracked_relations
      UNION ALL SELECT table_name, xmin::text FROM pgtimewarp.relation_leaves`,
  );
  return Object.fromEntries(rows.map(({ table_name, xmin }) => [table_name, xmin]));
}
