/** Checks on real servers in bad states: doctor reports exactly that state, and passes after its remedy was pasted. */
import { describe, expect, test } from 'vitest';
import { diagnose } from '../../../core/doctor/diagnose.ts';
import { gatherFacts } from '../../../core/doctor/facts.ts';
import type { ProofFacts } from '../../../core/doctor/self-proof.ts';
import { releaseSlot } from '../../../core/release-slot.ts';
import { deinit } from '../../../core/setup/deinit.ts';
import { init } from '../../../core/setup/init.ts';
import { untrack } from '../../../core/track.ts';
import { mendTheRest, pasteRemedy, troubles, verdicts } from '../../support/doctored.ts';
import { describeNeeding } from '../../support/needs.ts';
import { ownSource } from '../../support/own-source.ts';
import { needOf, PLUGINS } from '../../support/plugins.ts';
import { trackedNode } from '../../support/tracked-node.ts';

const TABLES = `CREATE TABLE orders (
    id bigint PRIMARY KEY, total numeric, at timestamptz, price float8, doc jsonb, raw json, bits bytea, tags text[]);
  INSERT INTO orders SELECT g, g * 1.10, now(), g / 3.0, '{"a": 1}', '{"b" :  [1]}', '\\x00ff', ARRAY['x', NULL]
    FROM generate_series(1, 100) g;
  CREATE TABLE parts (id int, region text, note text, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
  CREATE TABLE parts_eu PARTITION OF parts FOR VALUES IN ('eu'); INSERT INTO parts VALUES (1, 'eu', 'x')`;

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `doctor with ${plugin}`, () => {
    test('a healthy node: every check passes, and random rows prove the history', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES, track: ['orders', 'parts'] });
      await node.source.query(`UPDATE orders SET total = total + 0.01, price = 1e300 WHERE id % 2 = 0;
        UPDATE orders SET price = 'NaN', at = 'infinity' WHERE id % 3 = 0`);
      const facts = await gatherFacts({ ...node, node: node.node });
      expect(diagnose(facts).checks.filter((check) => check.status !== 'ok')).toEqual([]);
      expect(facts.proof).toMatchObject({ differences: [], undecided: 0 });
      // the first row of each table and three random ones of orders, one of which may be the last
      expect((facts.proof as ProofFacts).compared).toBeGreaterThanOrEqual(4);
    });

    test('history that differs from the table is found, with its key', async () => {
      await using node = await trackedNode({
        plugin,
        tables:
          'CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, $$one$$), (2, $$two$$)',
        track: ['t'],
      });
      await node.store.query(
        `UPDATE pgtimewarp.row_changes SET row_data = '{"id":1,"v":"other"}' WHERE pk = '["1"]'`,
      );
      expect(await troubles(node)).toMatchObject([
        {
          code: 'self_proof',
          status: 'fail',
          message: expect.stringMatching(/public\.t.*\["1"\].*other values in v/),
        },
      ]);
      await node.store.query(`DELETE FROM pgtimewarp.row_changes WHERE pk = '["1"]'`);
      expect((await troubles(node))[0]!.message).toContain('no such row');
      // a lost deletion: the history has a row that the table does not have
      await node.store.query(
        `INSERT INTO pgtimewarp.row_changes (relation_id, pk, valid_from_lsn, valid_from_ts, seq, op, row_data, xid)
         SELECT relation_id, replace(k, '2', v), valid_from_lsn, valid_from_ts, seq, op, replace(row_data::text, '2', v)::json, xid
           FROM pgtimewarp.row_changes, unnest(ARRAY['1', '3'], ARRAY['["2"]', '["2"]']) AS n (v, k) WHERE pk = '["2"]'`,
      );
      await node.store.query(
        `UPDATE pgtimewarp.row_changes SET row_data = '{"id":1,"v":"one"}' WHERE pk = '["1"]'`,
      );
      expect(await troubles(node)).toMatchObject([
        {
          code: 'self_proof',
          status: 'fail',
          message: expect.stringMatching(/\["3"\].*the table has no such row/),
        },
      ]);
      await node.store.query(`DELETE FROM pgtimewarp.row_changes WHERE pk = '["3"]'`);
      expect(await troubles(node)).toEqual([]);
    });
  });
}

test('a healthy node is examined in less than two seconds', async () => {
  await using node = await trackedNode({ plugin: 'pgoutput', tables: TABLES, track: ['orders', 'parts'] });
  const times: number[] = [];
  for (let round = 0; round < 3; round++) {
    const started = performance.now();
    expect(await troubles(node)).toEqual([]);
    times.push(performance.now() - started);
  }
  const median = times.sort((a, b) => a - b)[1]!;
  console.log(`doctor on a healthy node: ${median.toFixed(0)} ms (median of 3)`);
  expect(median).toBeLessThan(2_000);
});

describe('the publication', () => {
  test.for([
    ['fail publication_filter', 'SET TABLE orders WHERE (id > 5)'],
    ['fail publication_actions', `SET (publish = 'insert')`],
    ['fail publication_table', 'DROP TABLE orders'],
  ] as const)('%s', async ([expected, change]) => {
    await using node = await trackedNode({ plugin: 'pgoutput', tables: TABLES, track: ['orders'] });
    await node.source.query(`ALTER PUBLICATION ${node.publication} ${change}`);
    const found = await troubles(node);
    expect(verdicts(found)).toEqual([expected]);
    await pasteRemedy(node, found, found[0]!.code);
    await mendTheRest(node);
    const { rows } = await node.store.query('SELECT count(*)::int AS n FROM pgtimewarp.history_gaps');
    expect(rows).toEqual([{ n: 1 }]); // doctor reported it, although no run came in between
  });

  test('a published table that lost its key', async () => {
    await using node = await trackedNode({ plugin: 'pgoutput', tables: TABLES, track: ['orders'] });
    await node.source.query('ALTER TABLE orders DROP CONSTRAINT orders_pkey');
    const found = await troubles(node);
    expect(verdicts(found)).toEqual(['fail publication_refused', 'fail table_trackable']);
    await pasteRemedy(node, found, 'table_trackable');
    await mendTheRest(node);
  });
});

test('rights of the role: fail source_role, fail source_select, fail row_security', async () => {
  await using node = await ownSource({ plugin: 'pgoutput' });
  await node.sql(`CREATE ROLE plain LOGIN PASSWORD 'p'`);
  await node.sql('ALTER TABLE orders ENABLE ROW LEVEL SECURITY');
  const plain = { ...node.urls, sourceUrl: node.server.url('source', 'plain', 'p') };
  const found = await troubles(plain);
  expect(verdicts(found)).toEqual(
    expect.arrayContaining(['fail source_role', 'fail source_select', 'fail row_security']),
  );
  for (const code of ['source_role', 'source_select', 'row_security'])
    await pasteRemedy(node.urls, found, code);
  expect(await troubles(plain)).toEqual([]);
});

test('a gap of an untracked table is not open, and one of a removed node ends when the node begins again', async () => {
  await using node = await trackedNode({ plugin: 'pgoutput', tables: TABLES, track: ['orders', 'parts'] });
  await node.source.query('ALTER TABLE orders DROP CONSTRAINT orders_pkey');
  await node.poll();
  expect((await troubles(node)).map(({ code }) => code)).toContain('gap_open');
  await untrack({ ...node, table: { schema: 'public', name: 'orders' }, purge: false });
  expect(await troubles(node)).toEqual([]);
  await releaseSlot(node);
  expect((await troubles(node)).map(({ code }) => code)).toContain('gap_open');
  await deinit({ ...node, purge: false });
  await init({ ...node, plugin: 'pgoutput', slotName: null, version: 'test' });
  await node.track('parts');
  expect(await troubles(node)).toEqual([]);
  const { rows } = await node.store.query('SELECT open_gaps::int AS n FROM pgtimewarp.node_status');
  expect(rows).toEqual([{ n: 0 }]);
});
