/** Neither the connection nor the server's time-outs end a silent connection: we end it, and its locks and slot become free. */
import type { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { connect, connectBeside } from '../../../core/pg/connection.ts';
import { watchSession } from '../../../core/pg/watch-session.ts';
import { poll } from '../../../core/poll.ts';
import { renewLease } from '../../../core/store/node/claim.ts';
import { takeNode } from '../../../core/store/node/take-node.ts';
import { callProxy } from '../../support/call-proxy.ts';
import { muteProxy } from '../../support/mute-proxy.ts';
import { describeNeeding } from '../../support/needs.ts';
import { needOf, PLUGINS } from '../../support/plugins.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';

const TABLES = 'CREATE TABLE t (id int PRIMARY KEY)';

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `a run with a time limit whose connection goes silent (${plugin})`, () => {
    test.each([
      ['store', 'COPY pgtimewarp'],
      ['source', 'FETCH FORWARD'],
      ['source', 'DECLARE pgtimewarp_peek'],
      ['store', 'pg_try_advisory_lock'],
    ])('%s, at %s', { timeout: 60_000 }, async (side, word) => {
      await using node = await trackedNode({ plugin, tables: TABLES, track: ['t'] });
      await node.source.query('INSERT INTO t VALUES (1)');
      await using proxy = await muteProxy(side === 'store' ? node.storeUrl : node.sourceUrl, word);
      const urls = side === 'store' ? { storeUrl: proxy.url } : { sourceUrl: proxy.url };
      const started = performance.now();
      expect(await poll({ ...node, ...urls, maxSeconds: 1 })).toMatchObject({
        outcome: 'deadline',
        changes: 0,
      });
      expect(performance.now() - started).toBeLessThan(6_000);
      expect(proxy.muted()).toBe(1);
      // its server process has ended too, so its locks and slot are free
      await expect.poll(() => sessions(node)).toBe(0);
      expect(await poll({ ...node, maxSeconds: 30 })).toMatchObject({ outcome: 'done', changes: 1 });
    });
  });
}

/** Our sessions, on both sides. */
async function sessions(node: TrackedNode): Promise<number> {
  const { rowCount } = await node.store.query('SELECT FROM pg_stat_activity WHERE application_name = $1', [
    `pgtimewarp/${node.node}`,
  ]);
  return rowCount ?? 0;
}

test.each(['silent before', 'silent after'] as const)(
  'a session that falls silent while it closes (%s)',
  async (fault) => {
    await using node = await trackedNode({ plugin: 'pgoutput', tables: TABLES });
    await using proxy = await callProxy(node.storeUrl, { at: 4, fault });
    const session = await connect(proxy.url, { side: 'store', node: node.node });
    await session.query('SELECT pg_advisory_lock(1)');
    const started = performance.now();
    await session.end();
    expect(performance.now() - started).toBeLessThan(3_000);
    expect(proxy.calls()).toBeGreaterThanOrEqual(4);
    expect(await sessions(node)).toBe(0);
  },
);

test('a session whose connection was reset without notice to its server is ended on the server', async () => {
  await using node = await trackedNode({ plugin: 'pgoutput', tables: TABLES });
  await using proxy = await callProxy(node.storeUrl, { at: 4, fault: 'silent before' });
  const session = await connect(proxy.url, { side: 'store', node: node.node });
  await session.query('SELECT pg_advisory_lock(1)');
  const asking = session.query('SELECT 1');
  (session as unknown as { connection: { stream: Socket } }).connection.stream.destroy(
    new Error('read ECONNRESET'),
  );
  await expect(asking).rejects.toThrow();
  await session.end();
  await expect.poll(() => sessions(node)).toBe(0);
});

test('a session that gets no answer to its settings is ended on both sides', {
  timeout: 30_000,
}, async () => {
  await using node = await trackedNode({ plugin: 'pgoutput', tables: TABLES });
  await using proxy = await callProxy(node.storeUrl, { at: 2, fault: 'silent after' });
  await expect(connect(proxy.url, { side: 'store', node: node.node })).rejects.toMatchObject({
    code: 'STORE_UNREACHABLE',
  });
  await expect.poll(() => sessions(node)).toBe(0);
});

test('a session whose answer was sent but never arrived is ended on both sides', async () => {
  await using node = await trackedNode({ plugin: 'pgoutput', tables: TABLES });
  await using proxy = await muteProxy(node.storeUrl, 'never to be answered');
  const session = await connect(proxy.url, { side: 'store', node: node.node, isWatched: false });
  const { rows } = await session.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  await session.query('SELECT pg_advisory_lock(1)');
  const options = { side: 'store', node: node.node, isWatched: false } as const;
  watchSession(session, {
    pid: rows[0]!.pid,
    openBeside: () => connectBeside(session, options),
    everyMs: 100,
  });
  await session.query('SELECT pg_sleep(1)'); // the server is working, so the session waits
  await expect(session.query(`SELECT 'never to be answered'`)).rejects.toThrow(/gone silent/);
  const left = async (): Promise<number | null> =>
    (await node.store.query('SELECT FROM pg_stat_activity WHERE pid = $1', [rows[0]!.pid])).rowCount;
  await expect.poll(left, { timeout: 3_000 }).toBe(0); // an ended process disappears a moment later
  await session.end().catch(() => {});
});

test('a session whose answer exceeds its own time limit is ended', async () => {
  await using node = await trackedNode({ plugin: 'pgoutput', tables: TABLES });
  const session = await connect(node.storeUrl, { side: 'store', node: 'x', answerTimeoutMs: 300 });
  expect((await session.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  await expect(session.query('SELECT pg_sleep(5)')).rejects.toThrow(/no answer in time/);
  await session.end().catch(() => {});
});

test('a lease is renewed from another session, but not while its own session writes', async () => {
  await using node = await trackedNode({ plugin: 'pgoutput', tables: TABLES });
  const holder = await node.connect('store');
  const taken = await takeNode(holder, node.node, 1);
  const claim = { ...taken!.claim, leaseSeconds: 500 };
  const seconds = async (): Promise<number> =>
    (
      await node.store.query<{ s: number }>(
        'SELECT extract(epoch FROM lease_until - clock_timestamp())::int AS s FROM pgtimewarp.wal_checkpoints',
      )
    ).rows[0]!.s;
  await holder.query('BEGIN; SELECT FROM pgtimewarp.wal_checkpoints FOR UPDATE');
  await renewLease(node.store, claim);
  expect(await seconds()).toBeLessThan(10);
  await holder.query('COMMIT');
  await renewLease(node.store, claim);
  expect(await seconds()).toBeGreaterThan(400);
});
