/**
 * Protections of history whose cases rarely occur by themselves, tested on purpose: a claim that another run has taken, a
 * commit that comes during a run, a store without space.
 */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { connect } from '../../../core/pg/connection.ts';
import { beginTransaction, commit, inTransaction, rollBack } from '../../../core/pg/transaction.ts';
import { poll, pollWith } from '../../../core/poll.ts';
import { claimNode, lockCheckpoint, releaseClaim, writeHorizon } from '../../../core/store/node/claim.ts';
import { MAX_FAILURES } from '../../../core/store/node/failures.ts';
import { nextMicrosecond } from '../../../core/types/commit-time.ts';
import type { Lsn } from '../../../core/types/lsn.ts';
import { describeNeeding } from '../../support/needs.ts';
import { needOf, PLUGINS } from '../../support/plugins.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';

const WAITS_FOR_MAP = `SELECT FROM pg_locks WHERE relation = 'pgtimewarp.lsn_time_map'::regclass AND NOT granted`;

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `protections of a run through ${plugin}`, () => {
    let node: TrackedNode;

    beforeAll(async () => {
      const tables = 'CREATE TABLE orders (id bigint PRIMARY KEY)';
      node = await trackedNode({ plugin, tables, track: ['orders'] });
    });

    afterAll(async () => node?.[Symbol.asyncDispose]());

    test('a transaction that the server rolled back at its COMMIT counts as failed', async () => {
      const store = await connect(node.storeUrl, { side: 'store', node: node.node });
      const claim = (await claimNode(store, node.node, 60))!;
      const before = claim.horizon;
      try {
        const work = inTransaction(store, async (tx) => {
          await lockCheckpoint(tx, claim);
          await writeHorizon(tx, claim, { lsn: (before.lsn + 8n) as Lsn, time: before.time }, true);
          await tx.query('SELECT 1 / 0').catch(() => {});
        });
        await expect(work).rejects.toMatchObject({ code: 'INTERNAL' });
        const tx = await beginTransaction(store);
        await writeHorizon(tx, claim, { lsn: (before.lsn + 8n) as Lsn, time: before.time }, true);
        await tx.query('SELECT 1 / 0').catch(() => {});
        await expect(commit(tx)).rejects.toMatchObject({ code: 'INTERNAL' });
        expect(claim.horizon, 'the slot must not move').toEqual(before);
      } finally {
        await releaseClaim(store, claim);
        await store.end();
      }
    });

    test('a commit after the end of WAL was read is left to the next run', async () => {
      await node.source.query('INSERT INTO orders VALUES (1)');
      const source = await connect(node.sourceUrl, { side: 'source', node: node.node });
      const store = await connect(node.storeUrl, { side: 'store', node: node.node });
      const query = source.query.bind(source) as (...args: unknown[]) => Promise<unknown>;
      let late = false;
      source.query = (async (...args: unknown[]) => {
        if (!late && String(args[0]).startsWith('DECLARE')) {
          late = true;
          await node.source.query('INSERT INTO orders VALUES (2)');
        }
        return query(...args);
      }) as typeof source.query;
      try {
        expect(await pollWith({ source, store }, { node: node.node })).toMatchObject({ transactions: 1 });
      } finally {
        await Promise.all([source.end(), store.end()]);
      }
      expect(late).toBe(true);
      expect(await node.poll()).toMatchObject({ transactions: 1 });
    });

    test('a run whose claim was taken over, or whose horizon was moved, writes nothing', async () => {
      const [first, second] = [await node.connect('store'), await node.connect('store')];
      const ours = (await claimNode(first, node.node, 60))!;
      expect(await claimNode(second, node.node, 60), 'while it is held').toBeNull();
      await inTransaction(first, (tx) => lockCheckpoint(tx, ours));

      const moved = { ...ours, horizon: { ...ours.horizon, lsn: (ours.horizon.lsn + 1n) as Lsn } };
      const lost = { code: 'CLAIM_LOST' };
      await expect(inTransaction(first, (tx) => lockCheckpoint(tx, moved))).rejects.toMatchObject(lost);

      await releaseClaim(first, ours); // the session does not know the lock, as if another session held it
      const theirs = (await claimNode(second, node.node, 60))!;
      expect(BigInt(theirs.epoch)).toBe(BigInt(ours.epoch) + 1n);
      await expect(inTransaction(first, (tx) => lockCheckpoint(tx, ours))).rejects.toMatchObject(lost);
      const stored = async (): Promise<unknown> =>
        (await node.store.query('SELECT applied_lsn, applied_ts FROM pgtimewarp.wal_checkpoints')).rows;
      const before = await stored();
      const { lsn, time } = ours.horizon;
      await inTransaction(first, (tx) => writeHorizon(tx, ours, { lsn, time: nextMicrosecond(time) }, true));
      expect(await stored()).toEqual(before);

      await lockCheckpoint(await beginTransaction(second), theirs);
      await expect(
        inTransaction(first, (tx) => lockCheckpoint(tx, { ...ours, epoch: theirs.epoch })),
        'it does not wait for the row either',
      ).rejects.toMatchObject(lost);
      await rollBack(second);
      await releaseClaim(second, theirs);
    });

    test('readers see all of a large transaction, or nothing', async () => {
      const reader = await node.connect('store');
      const count = async (): Promise<number> =>
        (await reader.query('SELECT count(*)::int AS n FROM pgtimewarp.row_changes')).rows[0].n;
      const before = await count();
      await node.source.query('INSERT INTO orders SELECT 1000 + i FROM generate_series(1, 150000) AS i');
      const seen: Promise<number>[] = [];
      const { sourceUrl, storeUrl } = node;
      await poll({ sourceUrl, storeUrl, node: node.node, onProgress: () => seen.push(count()) });
      const [all, ...counts] = [await count(), ...(await Promise.all(seen))];
      expect(all).toBe(before + 150_000);
      expect(counts.filter((each) => each === before).length, 'parts that were not visible').toBeGreaterThan(
        1,
      );
      expect(counts.filter((each) => each !== before && each !== all)).toEqual([]);
    });

    test('a full or stopped store never blocks the node, however often runs fail', async () => {
      await node.source.query('INSERT INTO orders VALUES (3)');
      for (const [condition, code] of [
        ['disk_full', 'DATABASE_ERROR'],
        ['out_of_memory', 'DATABASE_ERROR'],
        ['admin_shutdown', 'STORE_UNREACHABLE'],
      ]) {
        await node.store.query(`
          CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE 'no room' USING ERRCODE = '${condition}'; END $$;
          CREATE TRIGGER no_room BEFORE INSERT ON pgtimewarp.row_changes FOR EACH ROW EXECUTE FUNCTION no_room()`);
        for (let run = 0; run <= MAX_FAILURES; run++)
          await expect(node.poll(), condition).rejects.toMatchObject({ code });
        await node.store.query('DROP FUNCTION no_room CASCADE');
      }
      const { rows } = await node.store.query('SELECT status FROM pgtimewarp.nodes');
      expect(rows).toEqual([{ status: 'active' }]);
      expect(await node.poll()).toMatchObject({ transactions: 1, caughtUp: true });
    });

    test('the victim of a deadlock in the store ends with an error that allows a repetition, and has written nothing', async () => {
      await node.source.query('INSERT INTO orders VALUES (4)');
      const other = await node.connect('store');
      await other.query(`SET deadlock_timeout = '1min'; BEGIN`); // the run's second ends first
      await other.query('LOCK TABLE pgtimewarp.lsn_time_map IN EXCLUSIVE MODE');
      const failed = expect(node.poll()).rejects.toMatchObject({
        code: 'TRANSACTION_CONFLICT',
        action: 'retry',
      });
      await vi.waitUntil(async () => (await node.store.query(WAITS_FOR_MAP)).rowCount === 1, 10_000);
      const waiting = other.query('UPDATE pgtimewarp.wal_checkpoints SET caught_up = caught_up');
      await failed;
      await waiting;
      await other.query('ROLLBACK');
      expect(await node.poll()).toMatchObject({ outcome: 'done', transactions: 1, caughtUp: true });
    });
  });
}
