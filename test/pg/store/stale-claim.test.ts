/**
 * A run that has lost its claim but not its session (as behind a pooler that lends the session to others) writes nothing and
 * moves nothing: the epoch of the checkpoint is no longer its own.
 */
import type pg from 'pg';
import { expect, test } from 'vitest';
import { connect } from '../../../core/pg/connection.ts';
import { type PollResult, pollWith } from '../../../core/poll.ts';
import { describeNeeding } from '../../support/needs.ts';
import { needOf, PLUGINS } from '../../support/plugins.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `a claim that another run has taken, ${plugin}`, () => {
    test('before the changes are written', async () => {
      await using node = await trackedNode({
        plugin,
        tables: 'CREATE TABLE t (id int PRIMARY KEY)',
        track: ['t'],
      });
      await node.source.query('INSERT INTO t VALUES (1)');
      const { result, before, after } = await overtaken(node);
      expect(result).toMatchObject({ outcome: 'busy', transactions: 0, changes: 0 });
      expect(after).toEqual(before);
      expect(await node.poll()).toMatchObject({ outcome: 'done', caughtUp: true });
    });

    test('before the horizon is moved', async () => {
      await using node = await trackedNode({
        plugin,
        tables: 'CREATE TABLE t (id int PRIMARY KEY)',
        track: ['t'],
      });
      const { result, before, after } = await overtaken(node, 'INSERT INTO t VALUES (1)');
      expect(result).toMatchObject({ outcome: 'busy' });
      expect(after).toEqual(before);
      await node.source.query('INSERT INTO t VALUES (2)');
      expect(await node.poll()).toMatchObject({ outcome: 'done', changes: 1 });
    });
  });
}

/** A run that has lost the node in its first store transaction: another run has done its work, and `more`. */
async function overtaken(
  node: TrackedNode,
  more?: string,
): Promise<{ result: PollResult; before: unknown; after: unknown }> {
  const store = await connect(node.storeUrl, { side: 'store', node: node.node });
  const source = await connect(node.sourceUrl, { side: 'source', node: node.node });
  const query = store.query.bind(store) as (...args: unknown[]) => unknown;
  let before: unknown;
  const overtake = async (): Promise<void> => {
    await query('SELECT pg_advisory_unlock_all()');
    if (more !== undefined) await node.source.query(more);
    await node.poll();
    before = await state(node);
  };
  const overtaking = (...args: unknown[]): unknown =>
    args[0] === 'BEGIN' && before === undefined ? overtake().then(() => query(...args)) : query(...args);
  store.query = overtaking as pg.Client['query'];
  try {
    const result = await pollWith({ source, store }, { node: node.node });
    expect(before, 'it was overtaken').toBeDefined();
    return { result, before, after: await state(node) };
  } finally {
    await Promise.all([source.end(), store.end()]);
  }
}

async function state(node: TrackedNode): Promise<unknown> {
  const { rows } = await node.store.query(
    `SELECT applied_lsn, applied_ts, epoch, (SELECT count(*)::int FROM pgtimewarp.row_changes) AS changes,
            (SELECT count(*)::int FROM pgtimewarp.lsn_time_map) AS mapped
       FROM pgtimewarp.wal_checkpoints`,
  );
  const slot = await node.source.query(
    'SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = $1',
    [node.slot],
  );
  return [...rows, ...slot.rows];
}
