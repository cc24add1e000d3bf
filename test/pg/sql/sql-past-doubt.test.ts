/**
 * Cases in which the live rows must not be used, so the store alone answers. Without its check each case would give wrong rows.
 */
import type pg from 'pg';

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { untrack } from '../../../core/track.ts';
import { differences, type PastSource, pastSource } from '../../support/past-source.ts';

const TABLES = `
  CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t SELECT g, g FROM generate_series(1, 10) g;
  CREATE TABLE parted (id int PRIMARY KEY, n int) PARTITION BY RANGE (id);
  CREATE TABLE low PARTITION OF parted FOR VALUES FROM (0) TO (100);
  CREATE TABLE high PARTITION OF parted FOR VALUES FROM (100) TO (200);
  INSERT INTO parted SELECT g, g FROM generate_series(95, 105) g;
  CREATE TABLE other (id int PRIMARY KEY)`;

let past: PastSource;
let source: pg.Client;
/** Another session of the source. */
let writer: pg.Client;
let at: string;
beforeAll(async () => {
  past = await pastSource({ plugin: 'pgoutput', tables: TABLES, track: ['t', 'parted'] });
  source = past.node.source;
  writer = await past.node.connect('source');
});
// a test that fails leaves no locks behind
afterEach(async () => {
  await source.query('ROLLBACK');
});
afterAll(async () => {
  await past[Symbol.asyncDispose]();
});

/** Fixes the instant: copies the tables, and keeps the position. */
async function begin(): Promise<void> {
  await writer.query(
    'DROP TABLE IF EXISTS t_then, parted_then; CREATE TABLE t_then AS TABLE t; CREATE TABLE parted_then AS TABLE parted',
  );
  at = await past.mark();
}
const compared = (table: 't' | 'parted') => differences(`TABLE asof.${table}`, `TABLE ${table}_then`);
const wrong = (table: 't' | 'parted' = 't') => past.asOf(at, compared(table));
/** The reasons why the store alone has answered since the last call. */
const why = () => [...new Set(past.alone().map((text) => text.replace(/.*?: /, '')))];

describe('the store alone answers', () => {
  test('not if nothing is in doubt', async () => {
    await begin();
    await writer.query('UPDATE t SET n = n + 1 WHERE id < 4; DELETE FROM parted WHERE id = 100');
    expect([await wrong(), await wrong('parted'), why()]).toEqual([[], [], []]);
  });

  test('this transaction has written to the table', async () => {
    await begin();
    await source.query('BEGIN; UPDATE t SET n = -1 WHERE id = 5; DELETE FROM t WHERE id = 6');
    expect([await wrong(), why()]).toEqual([[], ['this transaction has written to the table']]);
    await source.query('ROLLBACK; BEGIN; DELETE FROM high WHERE id = 104');
    expect([await wrong('parted'), why()]).toEqual([[], ['this transaction has written to the table']]);
    await source.query('ROLLBACK; BEGIN; INSERT INTO other VALUES (1)');
    expect([await wrong(), why()], 'another table does not matter').toEqual([[], []]);
    await source.query('ROLLBACK');
  });

  test('a later statement of a READ COMMITTED transaction sees more than the snapshot of the store', async () => {
    await begin();
    await source.query('BEGIN');
    expect([await wrong(), why()]).toEqual([[], []]);
    await writer.query('UPDATE t SET n = n + 100 WHERE id = 7; DELETE FROM t WHERE id = 8');
    expect([await wrong(), why()]).toEqual([[], ['no run has read up to this statement yet']]);
    await source.query('COMMIT; BEGIN ISOLATION LEVEL REPEATABLE READ');
    expect([await wrong(), why()]).toEqual([[], []]);
    await writer.query('UPDATE t SET n = n + 100 WHERE id = 9');
    expect([await wrong(), why()], 'the snapshot stays').toEqual([[], []]);
    await source.query('COMMIT');
  });

  test('no run has come in time', async () => {
    await begin();
    await writer.query('UPDATE t SET n = n + 100 WHERE id = 1');
    await source.query(`SET pgtimewarp.as_of = '${at}'; SET pgtimewarp.asof_wait = '50ms'`);
    expect((await source.query(compared('t'))).rows).toEqual([]);
    expect(why()).toEqual(['no run has read up to this statement yet']);
    await source.query('RESET pgtimewarp.asof_wait');
  });

  test('the slot of the node is not in this database, as in a copy', async () => {
    await begin();
    await past.node.store.query(`UPDATE pgtimewarp.nodes SET slot_name = 'elsewhere'`);
    await writer.query('UPDATE t SET n = n + 100 WHERE id = 1');
    await source.query(`SET pgtimewarp.as_of = '${at}'; SET pgtimewarp.asof_wait = '50ms'`);
    expect((await source.query(compared('t'))).rows).toEqual([]);
    expect(why()).toEqual(['the slot elsewhere is not in this database']);
    await past.node.store.query('UPDATE pgtimewarp.nodes SET slot_name = $1', [past.node.slot]);
    await source.query('RESET pgtimewarp.asof_wait');
    await wrong(); // reads the name of the slot again
    why();
  });

  test('the table was truncated after the instant', async () => {
    await begin();
    await writer.query('TRUNCATE high; INSERT INTO high VALUES (150, 1)');
    expect([await wrong('parted'), why()]).toEqual([[], ['the table was truncated since']]);
    await begin();
    await writer.query('UPDATE parted SET n = 0 WHERE id = 95');
    expect([await wrong('parted'), why()]).toEqual([[], []]);
  });

  test('the table was truncated or rewritten, or its partitions changed, after the snapshot', async () => {
    const reason = [
      'the table was rewritten, truncated or divided otherwise after the snapshot of this transaction',
    ];
    for (const [table, change] of [
      ['t', 'TRUNCATE t; INSERT INTO t SELECT g, 0 FROM generate_series(1, 10) g'],
      ['t', 'ALTER TABLE t ALTER n TYPE bigint USING -n; ALTER TABLE t ALTER n TYPE int'],
      ['parted', 'ALTER TABLE parted DETACH PARTITION high'],
      ['parted', 'ALTER TABLE parted ATTACH PARTITION high FOR VALUES FROM (100) TO (200)'],
    ] as const) {
      await begin();
      await source.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
      await source.query('TABLE other'); // takes the snapshot
      await writer.query(change);
      expect([await wrong(table), why()], change).toEqual([[], reason]);
      await source.query('COMMIT');
      for (let runs = 0; runs < 4; runs++) await past.node.poll(); // repairs
    }
  });

  test('a gap is open', async () => {
    await begin();
    await past.node.store.query(
      `INSERT INTO pgtimewarp.history_gaps (node_id, relation_id, from_lsn, from_ts, reason)
       SELECT t.node_id, t.relation_id, c.applied_lsn, c.applied_ts, 'test'
         FROM pgtimewarp.tracked_relations t JOIN pgtimewarp.wal_checkpoints c USING (node_id) WHERE t.table_name = 't'`,
    );
    expect([await wrong(), why()]).toEqual([[], ['a gap is open']]);
    expect([await wrong('parted'), why()]).toEqual([[], []]);
    await past.node.store.query('DELETE FROM pgtimewarp.history_gaps WHERE to_ts IS NULL');
  });

  test('rows were rewritten and the log does not contain it, before and after their repair', async () => {
    await begin();
    await writer.query('ALTER TABLE t ALTER n TYPE int USING n * 2 + 1');
    expect(await wrong()).toEqual([]);
    for (let runs = 0; runs < 4; runs++) await past.node.poll();
    why();
    expect([await wrong(), why()], 'every row has changed').toEqual([[], []]);
  });

  test('a new partition is not judged yet', async () => {
    await begin();
    await past.node.store.query(
      `INSERT INTO pgtimewarp.relation_leaves (relation_id, schema_name, table_name, relid, checked, seen_after_lsn, seen_after_ts)
       SELECT t.relation_id, 'public', 'new', 1, false, c.applied_lsn, c.applied_ts
         FROM pgtimewarp.tracked_relations t JOIN pgtimewarp.wal_checkpoints c USING (node_id) WHERE t.table_name = 't'`,
    );
    // no run may come meanwhile, because it would judge the partition: so the test claims that the statement sees nothing after
    // 0/1
    await source.query(`BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL pgtimewarp.as_of = '${at}'`);
    await source.query(`SELECT set_config('pgtimewarp.seen', pg_current_snapshot() || ' 0/1', true)`);
    expect([(await source.query(compared('t'))).rows, why()]).toEqual([
      [],
      ['it is not known yet whether a new partition came with rows'],
    ]);
    await source.query('COMMIT');
    await past.node.store.query('DELETE FROM pgtimewarp.relation_leaves WHERE relid = 1');
    await writer.query(`CREATE TABLE more (id int PRIMARY KEY, n int); INSERT INTO more VALUES (300, 1);
      ALTER TABLE parted ATTACH PARTITION more FOR VALUES FROM (300) TO (400)`);
    expect(await wrong('parted')).toEqual([]);
    for (let runs = 0; runs < 4; runs++) await past.node.poll();
    why();
    expect([await wrong('parted'), why()], 'repaired').toEqual([[], []]);
  });

  test('the table has another key, and is tracked again', async () => {
    await begin();
    await past.node.store.query(
      `UPDATE pgtimewarp.tracked_relations SET pk_columns = '{no}' WHERE table_name = 't'`,
    );
    expect([await wrong(), why()]).toEqual([[], ['the key of the table is another one']]);
    await past.node.store.query(
      `UPDATE pgtimewarp.tracked_relations SET pk_columns = '{id}' WHERE table_name = 't'`,
    );
    const urls = { sourceUrl: past.node.sourceUrl, storeUrl: past.node.storeUrl, node: past.node.node };
    await untrack({ ...urls, table: { schema: 'public', name: 't' }, purge: false });
    await writer.query('UPDATE t SET n = 77');
    await past.node.track('t');
    expect([await wrong(), why()]).toEqual([[], ['the table is not tracked any more, or was tracked anew']]);
  });
});
