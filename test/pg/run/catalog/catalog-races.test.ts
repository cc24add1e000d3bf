/**
 * The catalog changes during a run: after the end of WAL up to which the run reads, and before the run records the catalog. So
 * the next run reads changes that were made under the earlier catalog.
 */

import type pg from 'pg';
import { expect, test } from 'vitest';
import { parseTableName } from '../../../../core/pg/identifiers.ts';
import { inTransaction } from '../../../../core/pg/transaction.ts';
import { asOf } from '../../../../core/query/as-of.ts';
import { NOW, parseInstant } from '../../../../core/query/instant.ts';
import { keyFromText } from '../../../../core/query/key-input.ts';
import { rebaseline } from '../../../../core/rebaseline.ts';
import { askRepair } from '../../../../core/store/tables/repair.ts';
import { track, untrack } from '../../../../core/track.ts';
import { describeNeeding } from '../../../support/needs.ts';
import { relation, sameAsLive, urls } from '../../../support/node-questions.ts';
import { needOf, PLUGINS } from '../../../support/plugins.ts';
import { runMeanwhile } from '../../../support/run-meanwhile.ts';
import { type TrackedNode, trackedNode } from '../../../support/tracked-node.ts';

const TABLES = `
  CREATE TABLE parted (id int PRIMARY KEY, n int) PARTITION BY RANGE (id);
  CREATE TABLE parted_0 PARTITION OF parted FOR VALUES FROM (0) TO (10);
  CREATE TABLE parted_10 PARTITION OF parted FOR VALUES FROM (10) TO (20);
  CREATE TABLE parted_20 (LIKE parted INCLUDING ALL);
  INSERT INTO parted_20 VALUES (21, 1), (22, 2);
  INSERT INTO parted VALUES (1, 1)`;

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `a catalog that changes during a run through ${plugin}`, () => {
    test('rows written to a partition before it was renamed are read', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES, track: ['parted'] });
      await runMeanwhile(node, 'DECLARE pgtimewarp_peek', async () => {
        await node.source.query('INSERT INTO parted VALUES (2, 2)');
        await node.source.query('ALTER TABLE parted_0 RENAME TO parted_zero');
        await node.source.query('INSERT INTO parted VALUES (3, 3)');
      });
      await node.catchUp();
      await node.source.query('INSERT INTO parted VALUES (4, 4)');
      await node.catchUp();
      await node.catchUp(); // by now the old name is no longer kept
      expect(await Promise.all(['1', '2', '3', '4'].map((key) => ask(node, key)))).toEqual(
        Array(4).fill('found'),
      );
      const { rows } = await node.store.query(
        `SELECT catalog_facts ? 'formerLeaves' AS kept FROM pgtimewarp.tracked_relations`,
      );
      expect(rows).toEqual([{ kept: false }]);
    });

    test('a gap begins at the earliest of its reasons', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES, track: ['parted'] });
      // after the run has looked at the partitions, before it reads the end of WAL
      await runMeanwhile(node, 'AS upto', () =>
        node.source.query('ALTER TABLE parted ATTACH PARTITION parted_20 FOR VALUES FROM (20) TO (30)'),
      );
      const { rows } = await node.store.query<{ lsn: string }>(
        'SELECT applied_lsn AS lsn FROM pgtimewarp.wal_checkpoints',
      );
      await node.source.query('DROP TABLE parted_10');
      await node.catchUp();
      expect(await ask(node, '21', rows[0]!.lsn)).toBe('unknown');
    });

    test.each([
      ['before a run', null],
      ['during a run', 'AS upto'],
    ])('a partition that comes back %s counts as one that came with rows', async (_when, text) => {
      await using node = await trackedNode({ plugin, tables: TABLES, track: ['parted'] });
      await node.source.query('INSERT INTO parted VALUES (2, 2)'); // so its rows also have earlier changes
      await node.catchUp();
      const there = await horizonOf(node);
      await node.source.query('ALTER TABLE parted DETACH PARTITION parted_0');
      await node.catchUp();
      await rebaseline({ ...urls(node), table: parseTableName('parted') });
      await node.catchUp();
      const gone = await horizonOf(node);
      const attach = () =>
        node.source.query('ALTER TABLE parted ATTACH PARTITION parted_0 FOR VALUES FROM (0) TO (10)');
      if (text === null) await attach();
      else await runMeanwhile(node, text, attach);
      await node.catchUp();
      for (const key of ['1', '2']) {
        expect(await ask(node, key)).toBe('unknown');
        expect(await ask(node, key, there)).toBe('found'); // and earlier answers stay the same
        expect(await ask(node, key, gone)).toBe('absent');
      }
      await rebaseline({ ...urls(node), table: parseTableName('parted') });
      await sameAsLive(node, 'parted');
    });

    test('partitions that come and go before the table begins to be tracked', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES });
      const writer = await beginsToWait(node);
      await node.source.query('ALTER TABLE parted DETACH PARTITION parted_0');
      await node.source.query('ALTER TABLE parted ATTACH PARTITION parted_20 FOR VALUES FROM (20) TO (30)');
      await writer.query('COMMIT');
      await node.track('parted'); // which waits until the table is tracked
      await node.source.query('INSERT INTO parted VALUES (11, 1)');
      await node.catchUp();
      expect(await statusOf(node)).toBe('active');
      await sameAsLive(node, 'parted');
      await node.source.query('ALTER TABLE parted ATTACH PARTITION parted_0 FOR VALUES FROM (0) TO (10)');
      await node.catchUp();
      expect(await ask(node, '1')).toBe('unknown');
    });

    test('a partition that existed only while the baseline was read', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES });
      const writer = await beginsToWait(node);
      await writer.query('COMMIT');
      await runMeanwhile(node, 'pg_replication_slot_advance', () =>
        node.source.query('ALTER TABLE parted ATTACH PARTITION parted_20 FOR VALUES FROM (20) TO (30)'),
      );
      await node.source.query('ALTER TABLE parted DETACH PARTITION parted_20');
      await node.track('parted'); // which waits until the table is tracked
      expect(await ask(node, '21')).toBe('absent');
      await sameAsLive(node, 'parted');
    });

    test.each([
      ['a partition', 20, '21'],
      ['a former partition', 0, '1'],
    ])('%s that existed only while a repair read', async (_what, from, key) => {
      await using node = await trackedNode({ plugin, tables: TABLES, track: ['parted'] });
      if (from === 0) await node.source.query('ALTER TABLE parted DETACH PARTITION parted_0');
      await node.source.query(
        `ALTER TABLE parted ADD d int DEFAULT 7; ALTER TABLE parted_${from} ADD d int DEFAULT 7`,
      );
      await node.catchUp(); // records the change
      const id = await relationId(node);
      await inTransaction(node.store, (tx) => askRepair(tx, id));
      await node.source.query('INSERT INTO parted VALUES (12, 1)'); // the next run begins to read
      await runMeanwhile(node, 'pg_replication_slot_advance', () =>
        node.source.query(
          `ALTER TABLE parted ATTACH PARTITION parted_${from} FOR VALUES FROM (${from}) TO (${from + 10})`,
        ),
      );
      await node.source.query(`ALTER TABLE parted DETACH PARTITION parted_${from}`);
      await rebaseline({ ...urls(node), table: parseTableName('parted') });
      expect(await ask(node, key)).toBe('absent');
      await sameAsLive(node, 'parted');
    });

    test('a former partition that exists only while a repair looks for keys', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES, track: ['parted'] });
      await node.source.query('ALTER TABLE parted DETACH PARTITION parted_0');
      await node.catchUp(); // records the change
      const id = await relationId(node);
      await inTransaction(node.store, (tx) => askRepair(tx, id));
      await node.source.query('INSERT INTO parted VALUES (12, 1)'); // the next run begins to read
      await runMeanwhile(node, 'WITH ORDINALITY AS k', () =>
        node.source.query('ALTER TABLE parted ATTACH PARTITION parted_0 FOR VALUES FROM (0) TO (10)'),
      );
      await node.source.query('ALTER TABLE parted DETACH PARTITION parted_0');
      await rebaseline({ ...urls(node), table: parseTableName('parted') });
      expect(await ask(node, '1')).toBe('absent');
      await sameAsLive(node, 'parted');
    });

    test('partitions in the store that differ from the catalog facts are corrected and judged', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES, track: ['parted'] });
      await node.store.query(
        `INSERT INTO pgtimewarp.relation_leaves (relation_id, schema_name, table_name, relid)
         VALUES ($1, 'public', 'other', 1)`,
        [await relationId(node)],
      );
      await node.source.query('INSERT INTO parted VALUES (11, 1)');
      await node.catchUp();
      const { rows } = await node.store.query(
        `SELECT attached FROM pgtimewarp.relation_leaves WHERE table_name = 'other'`,
      );
      expect(rows).toEqual([{ attached: false }]);
      await node.store.query(
        `UPDATE pgtimewarp.relation_leaves SET relid = 2 WHERE table_name = 'parted_10'`,
      );
      await node.source.query('INSERT INTO parted VALUES (12, 1)');
      await node.catchUp();
      expect(await ask(node, '12')).toBe('found');
      await node.source.query('INSERT INTO parted VALUES (13, 1)');
      await node.catchUp();
      expect(await statusOf(node)).toBe('needs_rebaseline'); // 11 is there, and the log does not show how it came into this partition
    });

    test('a run that fails while it records a partition has recorded nothing', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES, track: ['parted'] });
      await node.source.query('ALTER TABLE parted ATTACH PARTITION parted_20 FOR VALUES FROM (20) TO (30)');
      await node.store.query(
        `CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$;
         CREATE TRIGGER refuse BEFORE INSERT ON pgtimewarp.relation_leaves EXECUTE FUNCTION public.refuse()`,
      );
      await expect(node.poll()).rejects.toThrow();
      await node.store.query('DROP FUNCTION public.refuse CASCADE');
      await node.catchUp();
      expect(await ask(node, '21')).toBe('unknown');
    });

    test('a partition that is attached in a subtransaction of the transaction that fills it', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES, track: ['parted'] });
      await node.source.query('TRUNCATE parted_20; BEGIN; SAVEPOINT a');
      await node.source.query('ALTER TABLE parted ATTACH PARTITION parted_20 FOR VALUES FROM (20) TO (30)');
      await node.source.query('RELEASE a; INSERT INTO parted VALUES (21, 1); COMMIT');
      await node.catchUp();
      expect(await statusOf(node)).toBe('active'); // the commit that attached it also filled it
      await sameAsLive(node, 'parted');
    });

    test('a partition that comes back empty and is filled causes no loss', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES, track: ['parted'] });
      await node.source.query('INSERT INTO parted VALUES (2, 2)');
      await node.catchUp();
      await node.source.query('ALTER TABLE parted DETACH PARTITION parted_0; TRUNCATE parted_0');
      await node.catchUp();
      await rebaseline({ ...urls(node), table: parseTableName('parted') });
      await node.source.query('ALTER TABLE parted ATTACH PARTITION parted_0 FOR VALUES FROM (0) TO (10)');
      await node.source.query('INSERT INTO parted VALUES (2, 3)');
      await node.catchUp();
      expect(await statusOf(node)).toBe('active');
      await sameAsLive(node, 'parted');
    });

    test('a table recreated twice before it is read again: its later changes are followed', async () => {
      const made = 'CREATE TABLE made (id int PRIMARY KEY, n int); INSERT INTO made VALUES (1, 1)';
      await using node = await trackedNode({ plugin, tables: made, track: ['made'] });
      const table = parseTableName('made');
      await node.source.query(`DROP TABLE made; ${made}`);
      await node.catchUp();
      const asked = rebaseline({ ...urls(node), table, signal: AbortSignal.abort() });
      await expect(asked).rejects.toMatchObject({ code: 'INTERRUPTED' });
      await node.source.query(`DROP TABLE made; ${made}`);
      for (let runs = 0; runs < 10 && (await statusOf(node, 'made')) !== 'active'; runs++)
        await node.catchUp();
      expect(await statusOf(node, 'made')).toBe('active');
      await node.source.query('UPDATE made SET n = 2; INSERT INTO made VALUES (2, 2)');
      await node.catchUp();
      await sameAsLive(node, 'made');
    });

    test('a table recreated without a key before it is read again accepts writes', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES, track: ['parted'] });
      await node.source.query('ALTER TABLE parted ADD d int DEFAULT 7');
      await node.catchUp(); // a gap, and a repair that the next run begins
      await node.source.query(
        'DROP TABLE parted; CREATE TABLE parted (id int, n int); INSERT INTO parted VALUES (1, 1)',
      );
      await node.catchUp();
      await node.source.query('UPDATE parted SET n = 2');
      expect(await statusOf(node)).toBe('needs_rebaseline');
    });

    test.each([
      ['a column dropped', 'ALTER TABLE parted DROP n'],
      ['the table renamed for a moment', 'ALTER TABLE parted RENAME TO away'],
    ])('%s while a repair and a baseline read: a later run reads the rows', async (_what, sql) => {
      const back = () => node.source.query('ALTER TABLE IF EXISTS away RENAME TO parted');
      await using node = await trackedNode({ plugin, tables: TABLES, track: ['parted'] });
      await node.source.query('ALTER TABLE parted ADD d int DEFAULT 7');
      await node.catchUp(); // records the change; the next run begins to read
      await runMeanwhile(node, 'tableoid', () => node.source.query(sql));
      await back();
      expect(await statusOf(node)).toBe('needs_rebaseline');
      await rebaseline({ ...urls(node), table: parseTableName('parted') });
      await sameAsLive(node, 'parted');

      await node.source.query(
        'CREATE TABLE fresh (id int PRIMARY KEY, n int); INSERT INTO fresh VALUES (1, 1)',
      );
      const tracking = { table: parseTableName('fresh'), baseline: true, exclude: [], retention: null };
      const asked = track({ ...urls(node), ...tracking, signal: AbortSignal.abort() });
      await expect(asked).rejects.toMatchObject({ code: 'INTERRUPTED' });
      await runMeanwhile(node, 'tableoid', () => node.source.query(sql.replace('parted', 'fresh')));
      await node.source.query('ALTER TABLE IF EXISTS away RENAME TO fresh');
      await node.catchUp();
      if ((await statusOf(node, 'fresh')) !== 'active')
        await rebaseline({ ...urls(node), table: tracking.table });
      await node.catchUp();
      await sameAsLive(node, 'fresh');
    });

    test('a table that is untracked during a run gets no gap', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES, track: ['parted'] });
      await runMeanwhile(node, 'attachedBy', async () => {
        await node.source.query('ALTER TABLE parted ADD d int DEFAULT 7'); // detected at this point at the latest
        await untrack({ ...urls(node), table: parseTableName('parted'), purge: false });
      });
      expect(await statusOf(node)).toBe('untracked');
      const { rowCount } = await node.store.query('SELECT FROM pgtimewarp.history_gaps');
      expect(rowCount).toBe(0);
    });

    test('a partition that is renamed before a run judges its rows is judged by the next run', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES, track: ['parted'] });
      await node.source.query('ALTER TABLE parted ATTACH PARTITION parted_20 FOR VALUES FROM (20) TO (30)');
      await runMeanwhile(node, 'LIMIT 10000', () =>
        node.source.query('ALTER TABLE parted_20 RENAME TO parted_twenty'),
      );
      await node.catchUp();
      expect(await ask(node, '21')).toBe('unknown');
    });

    test('if the catalog shows no change of the table, the run ends with an error that asks to repeat it', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES, track: ['parted'] });
      await node.source.query('ALTER TABLE parted ADD d int DEFAULT 7');
      await node.catchUp();
      const gone = Object.assign(new Error('column "n" does not exist'), { code: '42703' });
      await expect(runMeanwhile(node, 'tableoid', () => Promise.reject(gone))).rejects.toMatchObject({
        code: 'TABLE_CHANGING',
      });
      for (let runs = 0; runs < 3; runs++) await node.catchUp();
      await sameAsLive(node, 'parted');
    });
  });
}

/**
 * Requests tracking, and waits until runs have seen the table and its partitions.
 * @returns a session with a transaction for which the start waits
 */
async function beginsToWait(node: TrackedNode): Promise<pg.Client> {
  const writer = await node.connect('source');
  await writer.query('BEGIN; LOCK TABLE parted_10 IN ROW EXCLUSIVE MODE; SELECT txid_current()');
  const stop = new AbortController();
  const tracking = track({
    ...{ ...urls(node), table: parseTableName('parted'), exclude: [], baseline: true, retention: null },
    signal: stop.signal,
    onProgress: ({ phase }) => {
      if (phase === 'waiting') stop.abort();
    },
  });
  await expect(tracking).rejects.toMatchObject({ code: 'INTERRUPTED' });
  await node.source.query('CREATE TABLE IF NOT EXISTS something ()'); // so that the run has something to read
  await node.catchUp();
  expect(await statusOf(node)).toBe('starting');
  return writer;
}

async function relationId(node: TrackedNode): Promise<number> {
  const { rows } = await node.store.query<{ relation_id: number }>(
    'SELECT relation_id FROM pgtimewarp.tracked_relations',
  );
  return rows[0]!.relation_id;
}

async function horizonOf(node: TrackedNode): Promise<string> {
  const { rows } = await node.store.query<{ lsn: string }>(
    'SELECT applied_lsn AS lsn FROM pgtimewarp.wal_checkpoints',
  );
  return rows[0]!.lsn;
}

async function statusOf(node: TrackedNode, table = 'parted'): Promise<unknown> {
  return (await relation(node, table)).status;
}

async function ask(node: TrackedNode, key: string, lsn?: string): Promise<string> {
  const answer = await asOf(node.store, {
    node: node.node,
    table: { schema: 'public', name: 'parted' },
    pk: keyFromText(key),
    at: lsn === undefined ? NOW : parseInstant(lsn),
  });
  return answer.status;
}
