/** A transaction that cannot be applied is tried again; then the node is blocked and names it. It is left out only on request. */
import { describe, expect, test } from 'vitest';
import { diagnose } from '../../../../core/doctor/diagnose.ts';
import { gatherFacts } from '../../../../core/doctor/facts.ts';
import { connect } from '../../../../core/pg/connection.ts';
import { streamOf } from '../../../../core/pg/end-session.ts';
import { pollWith } from '../../../../core/poll.ts';
import { skip } from '../../../../core/skip.ts';
import { parseLsn } from '../../../../core/types/lsn.ts';
import { describeNeeding } from '../../../support/needs.ts';
import { relation, sameAsLive } from '../../../support/node-questions.ts';
import { needOf, PLUGINS } from '../../../support/plugins.ts';
import { runCli } from '../../../support/run-cli.ts';
import { type TrackedNode, trackedNode } from '../../../support/tracked-node.ts';

const TABLES = `CREATE TABLE orders (id int PRIMARY KEY, total int, secret text);
  CREATE TABLE other (id int PRIMARY KEY)`;

/** The store refuses order 13. */
async function poison(
  node: TrackedNode,
  poisoned = `INSERT INTO orders VALUES (13, 1, 'hush'), (14, 1, 'hush')`,
): Promise<void> {
  const { rows } = await node.store.query<{ id: number }>(
    `SELECT relation_id AS id FROM pgtimewarp.tracked_relations WHERE table_name = 'orders'`,
  );
  await node.store.query(
    `ALTER TABLE pgtimewarp.row_changes_r${rows[0]!.id} ADD CONSTRAINT poison CHECK (pk <> '["13"]')`,
  );
  await node.source.query(`INSERT INTO orders VALUES (1, 1, 'hush')`);
  await node.source.query(poisoned);
  await node.source.query('INSERT INTO other VALUES (1)');
}

async function pollUntilBlocked(node: TrackedNode): Promise<number> {
  for (let run = 1; run <= 10; run++) {
    const result = await runCli(['poll', '--json'], { env: node.env });
    expect(result.code).toBe(1);
    if ((result.json() as { outcome?: string }).outcome === 'blocked') return run;
  }
  throw new Error('the node was never blocked');
}

const checksOf = async (node: TrackedNode) =>
  diagnose(await gatherFacts({ ...node, node: node.node })).checks.filter((check) => check.status === 'fail');

describe.for(PLUGINS)('with %s', (plugin) => {
  describeNeeding(needOf(plugin), 'a poisoned transaction', () => {
    test('blocks after five tries, with position and reason; skip records the loss', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES, track: ['orders', 'other'] });
      await poison(node);
      expect(await pollUntilBlocked(node)).toBeLessThanOrEqual(7);

      const { rows } = await node.store.query(
        `SELECT n.status, n.status_reason, c.failure ->> 'lsn' AS lsn
           FROM pgtimewarp.nodes n JOIN pgtimewarp.wal_checkpoints c USING (node_id)`,
      );
      expect(rows[0].status).toBe('blocked');
      expect(rows[0].status_reason).toMatch(/could not be applied in 5 runs: .*poison/);
      const kept = await node.store.query(
        `SELECT lsn, data FROM pgtimewarp.blocked_changes ORDER BY position`,
      );
      expect(kept.rows.map((row) => row.lsn)).toContain(rows[0].lsn);
      expect(kept.rows.map((row) => row.data).join()).toContain(
        plugin === 'wal2json' ? 'hush' : Buffer.from('hush').toString('hex'),
      );
      // everything before it is stored, and nothing else
      const stored = await node.store.query(
        `SELECT pk FROM pgtimewarp.row_changes WHERE op = 'I' ORDER BY pk`,
      );
      expect(stored.rows).toEqual([{ pk: '["1"]' }]);
      const [blocked] = await checksOf(node);
      expect(blocked).toMatchObject({
        code: 'node_blocked',
        remedy: `pgtimewarp skip --lsn ${rows[0].lsn} --node ${node.node}`,
      });

      await expect(skip({ ...node, lsn: parseLsn('0/1') })).rejects.toMatchObject({ code: 'BAD_FLAGS' });
      expect(await skip({ ...node, lsn: parseLsn(rows[0].lsn) })).toMatchObject({
        tables: ['public.orders'],
      });
      const gaps = await node.store.query(
        `SELECT count(*)::int AS n FROM pgtimewarp.history_gaps WHERE relation_id IS NOT NULL AND to_ts IS NULL`,
      );
      expect(gaps.rows).toEqual([{ n: 1 }]);
      await node.poll();
      const after = await node.store.query(
        `SELECT pk FROM pgtimewarp.row_changes WHERE op = 'I' ORDER BY relation_id, pk`,
      );
      expect(after.rows).toEqual([{ pk: '["1"]' }, { pk: '["1"]' }]); // order 1, and the row of the other table
      const slot = await node.source.query(
        `SELECT confirmed_flush_lsn >= $1::pg_lsn AS past FROM pg_replication_slots WHERE slot_name = $2`,
        [rows[0].lsn, node.slot],
      );
      expect(slot.rows).toEqual([{ past: true }]);
    });

    test('one that is too large for memory is named, too, so that it can be skipped', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES, track: ['orders', 'other'] });
      await poison(
        node,
        `INSERT INTO orders SELECT i, 1, repeat('hush', 100) FROM generate_series(13, 20000) AS i`,
      );
      await pollUntilBlocked(node);
      const { rows } = await node.store.query<{ lsn: string | null; raw: number }>(
        `SELECT c.failure ->> 'lsn' AS lsn,
                (SELECT count(*)::int FROM pgtimewarp.blocked_changes AS b WHERE b.data LIKE ANY (ARRAY['%hush%', '%68757368%'])) AS raw
           FROM pgtimewarp.wal_checkpoints AS c`,
      );
      const { lsn, raw } = rows[0]!;
      expect(lsn).not.toBeNull();
      expect(raw).toBeGreaterThan(1);
      expect((await skip({ ...node, lsn: parseLsn(lsn!) })).tables).toContain('public.orders');
      await node.poll();
      const stored = await node.store.query(
        `SELECT pk FROM pgtimewarp.row_changes WHERE op = 'I' ORDER BY relation_id, pk`,
      );
      expect(stored.rows).toEqual([{ pk: '["1"]' }, { pk: '["1"]' }]);
    });

    test('skipped while its table is being repaired: the repair starts again and reads its rows', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES, track: ['orders', 'other'] });
      await node.source.query('ALTER TABLE orders ADD g int GENERATED ALWAYS AS (1) STORED');
      const phase = async () =>
        (JSON.parse((await relation(node, 'orders')).repair ?? '{}') as { phase?: string }).phase;
      for (let runs = 0; runs < 5 && (await phase()) !== 'done'; runs++) await node.poll();
      expect(await phase()).toBe('done');
      await poison(node);
      await pollUntilBlocked(node);
      const { rows } = await node.store.query<{ lsn: string; id: number }>(
        `SELECT c.failure ->> 'lsn' AS lsn, r.relation_id AS id
           FROM pgtimewarp.wal_checkpoints AS c JOIN pgtimewarp.tracked_relations AS r USING (node_id)
          WHERE r.table_name = 'orders'`,
      );
      await node.store.query(`ALTER TABLE pgtimewarp.row_changes_r${rows[0]!.id} DROP CONSTRAINT poison`);
      await skip({ ...node, lsn: parseLsn(rows[0]!.lsn) });
      for (let runs = 0; runs < 4; runs++) await node.poll();
      expect(await relation(node, 'orders')).toMatchObject({ status: 'active', repair: null });
      await sameAsLive(node, 'orders');
    });

    test('a skipped transaction that is delivered again counts in full, so the run does not take later commits for the end', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES, track: ['orders'] });
      const copy = `${node.slot}_copy`;
      await node.source.query('SELECT pg_copy_logical_replication_slot($1, $2)', [node.slot, copy]);
      await node.source.query('INSERT INTO orders VALUES (13)');
      await node.poll();
      await node.store.query(`
        WITH skipped AS (DELETE FROM pgtimewarp.row_changes WHERE pk = '["13"]' RETURNING valid_from_lsn)
        DELETE FROM pgtimewarp.lsn_time_map USING skipped WHERE lsn = valid_from_lsn`);
      await node.source.query('SELECT pg_drop_replication_slot($1)', [node.slot]); // the slot is back at an earlier position, as after a crash of the source
      await node.source.query('SELECT pg_copy_logical_replication_slot($1, $2)', [copy, node.slot]);
      await node.source.query('SELECT pg_drop_replication_slot($1)', [copy]);
      for (let id = 20; id < 26; id++) await node.source.query('INSERT INTO orders VALUES ($1)', [id]);
      const source = await connect(node.sourceUrl, { side: 'source', node: node.node });
      const store = await connect(node.storeUrl, { side: 'store', node: node.node });
      try {
        streamOf(source).prependListener('data', (chunk: Buffer) => {
          const at = chunk.indexOf(plugin === 'wal2json' ? '"value":13}' : 't\0\0\0\u000213');
          if (at !== -1) chunk[at] = 0x21; // the decoder cannot read the value of this row
        });
        for (let run = 0; run < 8; run++) {
          // through wal2json the server stops exactly at this limit: three rows for each of two transactions
          const result = await pollWith({ source, store }, { node: node.node, maxChanges: 6 });
          expect(result.outcome).toBe('done');
          if (result.caughtUp) break;
        }
        const { rows } = await node.store.query('SELECT count(*)::int AS n FROM pgtimewarp.row_changes');
        expect(rows).toEqual([{ n: 6 }]);
      } finally {
        await source.end();
        await store.end();
      }
    });

    test('values of excluded columns are not kept', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES });
      await node.track('orders', { exclude: ['secret'] });
      await node.track('other');
      await poison(node);
      await pollUntilBlocked(node);
      const kept = await node.store.query('SELECT data FROM pgtimewarp.blocked_changes');
      expect(kept.rows.length).toBeGreaterThan(0);
      expect(kept.rows.every((row) => row.data === null)).toBe(true);
      const everything = await node.store.query(
        `SELECT string_agg(f.failure::text, '') || (SELECT string_agg(h::text, '') FROM pgtimewarp.health_events h) AS text
           FROM pgtimewarp.wal_checkpoints f`,
      );
      expect(everything.rows[0].text).not.toContain('hush');
    });
  });
});
