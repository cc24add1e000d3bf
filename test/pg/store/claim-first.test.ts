/**
 * A command reads everything that it judges after its claim: between its start and its claim another one may run, move the
 * horizon, skip, or remove the node.
 */
import pg from 'pg';
import { afterEach, expect, test } from 'vitest';
import { databaseUrl } from '../../../cli/servers/databases.ts';
import { poll } from '../../../core/poll.ts';
import { releaseSlot } from '../../../core/release-slot.ts';
import { deinit } from '../../../core/setup/deinit.ts';
import { init } from '../../../core/setup/init.ts';
import { skip } from '../../../core/skip.ts';
import { parseLsn } from '../../../core/types/lsn.ts';
import { troubles, verdicts } from '../../support/doctored.ts';
import { describeNeeding } from '../../support/needs.ts';
import { ownSource } from '../../support/own-source.ts';
import { needOf, PLUGINS } from '../../support/plugins.ts';
import { startReading } from '../../support/slot-reader.ts';
import { queryOnce } from '../../support/test-client.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';

const TABLES = 'CREATE TABLE t (id int PRIMARY KEY)';
const query = pg.Client.prototype.query as unknown as (this: pg.Client, ...args: unknown[]) => unknown;

afterEach(() => {
  pg.Client.prototype.query = query as typeof pg.Client.prototype.query;
});

/** Does `work` just before the next claim. */
function beforeClaim(work: () => Promise<unknown>): void {
  pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]) {
    if (typeof args[0] !== 'string' || !args[0].includes('pg_try_advisory_lock'))
      return query.apply(this, args);
    pg.Client.prototype.query = query as typeof pg.Client.prototype.query;
    return work().then(() => query.apply(this, args));
  } as typeof pg.Client.prototype.query;
}

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `what is read before the claim is not judged after it (${plugin})`, () => {
    test('another run has moved the horizon: no fork, no loss', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES, track: ['t'] });
      beforeClaim(async () => {
        await node.source.query('INSERT INTO t SELECT generate_series(1, 100)');
        await node.poll();
      });
      expect(await node.poll()).toMatchObject({ outcome: 'done', changes: 0 });
      expect(await gaps(node)).toBe(0);
    });

    test('a removed node stays removed', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES, track: ['t'] });
      beforeClaim(() => deinit({ ...node, purge: false }));
      await expect(node.poll()).rejects.toMatchObject({ code: 'NODE_UNKNOWN' });
      expect(await status(node)).toBe('removed');
      expect(await gaps(node)).toBe(0);
      await init({ ...node, plugin, slotName: null, version: 'test' });
      expect(await node.poll()).toMatchObject({ outcome: 'done' }); // no other session holds it
    });

    test('release-slot of a node that was removed meanwhile', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES, track: ['t'] });
      beforeClaim(() => deinit({ ...node, purge: false }));
      await expect(releaseSlot(node)).rejects.toMatchObject({ code: 'NODE_UNKNOWN' });
      expect(await status(node)).toBe('removed');
    });

    test('skipped twice: the horizon does not move back', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES, track: ['t'] });
      await node.poll();
      const { rows } = await node.source.query<{ lsn: string }>(
        'SELECT pg_current_wal_insert_lsn()::text AS lsn',
      );
      const lsn = parseLsn(rows[0]!.lsn);
      await node.source.query('INSERT INTO t VALUES (1)');
      await node.store.query(
        `UPDATE pgtimewarp.wal_checkpoints
            SET failure = jsonb_build_object('code', 'INTERNAL', 'message', 'x', 'lsn', $1::text, 'xid', '1', 'relation_ids', '[]')`,
        [rows[0]!.lsn],
      );
      await node.store.query(`UPDATE pgtimewarp.nodes SET status = 'blocked'`);
      let horizon = '';
      beforeClaim(async () => {
        await skip({ ...node, lsn });
        await node.poll();
        horizon = await horizonOf(node);
      });
      await expect(skip({ ...node, lsn })).rejects.toMatchObject({ code: 'BAD_FLAGS' });
      expect(await horizonOf(node)).toBe(horizon);
    });

    test('a renamed database is followed; another database is refused', async () => {
      await using node = await ownSource({ plugin });
      const admin = databaseUrl(node.urls.sourceUrl, 'postgres');
      const renamed = { ...node.urls, sourceUrl: databaseUrl(node.urls.sourceUrl, 'renamed') };
      await node.sql('UPDATE orders SET total = 11 WHERE id = 1');
      await queryOnce(admin, 'ALTER DATABASE source RENAME TO renamed; ');
      await queryOnce(admin, 'CREATE DATABASE source');
      await expect(node.poll()).rejects.toMatchObject({ code: 'NODE_CONFLICT' });
      expect(await troubles(renamed)).toEqual([]);
      expect(verdicts(await troubles(node.urls))).toEqual(['fail source_identity']);
      expect(await poll(renamed)).toMatchObject({ outcome: 'done', caughtUp: true });
      expect(await node.state('1')).toBe('found 11');
      const again = { ...renamed, plugin, slotName: null, version: 'test' };
      expect(await init(again)).toMatchObject({ created: false });
      await expect(deinit({ ...node.urls, purge: false })).rejects.toMatchObject({ code: 'NODE_CONFLICT' });
      expect(await deinit({ ...renamed, purge: false })).toMatchObject({ slotDropped: true });
    });

    test('deinit waits for the session that reads the slot', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES, track: ['t'] });
      if (plugin === 'wal2json') return; // the reader uses pgoutput
      await node.source.query('INSERT INTO t VALUES (1)');
      await startReading(node.sourceUrl, node.slot, node.publication);
      const removing = deinit({ ...node, purge: false });
      setTimeout(
        () =>
          void node.source.query(
            'SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1::name',
            [node.slot],
          ),
        600,
      );
      expect(await removing).toMatchObject({ slotDropped: true });
    });
  });
}

async function gaps(node: TrackedNode): Promise<number> {
  const { rows } = await node.store.query<{ n: number }>(
    'SELECT count(*)::int AS n FROM pgtimewarp.history_gaps',
  );
  return rows[0]!.n;
}

async function status(node: TrackedNode): Promise<string> {
  const { rows } = await node.store.query<{ status: string }>('SELECT status FROM pgtimewarp.nodes');
  return rows[0]!.status;
}

async function horizonOf(node: TrackedNode): Promise<string> {
  const { rows } = await node.store.query<{ lsn: string }>(
    'SELECT applied_lsn::text AS lsn FROM pgtimewarp.wal_checkpoints',
  );
  return rows[0]!.lsn;
}
