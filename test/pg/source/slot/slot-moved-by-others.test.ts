/**
 * Another program moves the slot during a run: another poller with a copy of the store, or a call of
 * pg_replication_slot_get_changes(). The skipped changes are lost to this store and are recorded as a gap of the node.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { connect } from '../../../../core/pg/connection.ts';
import { type PollResult, pollWith } from '../../../../core/poll.ts';
import { describeNeeding } from '../../../support/needs.ts';
import { needOf, PLUGINS } from '../../../support/plugins.ts';
import { type TrackedNode, trackedNode } from '../../../support/tracked-node.ts';

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `the slot moved by others, ${plugin}`, () => {
    let node: TrackedNode;

    beforeEach(async () => {
      node = await trackedNode({
        plugin,
        tables: 'CREATE TABLE orders (id int PRIMARY KEY, total int); INSERT INTO orders VALUES (1, 10)',
        track: ['orders'],
      });
    });

    afterEach(async () => {
      await node?.[Symbol.asyncDispose]();
    });

    /** A run in which `meddle` is called once, just before the first statement that matches `at`. */
    const runWith = async (at: RegExp, meddle: () => Promise<unknown>): Promise<PollResult> => {
      const source = await connect(node.sourceUrl, { side: 'source', node: node.node });
      const store = await connect(node.storeUrl, { side: 'store', node: node.node });
      const query = source.query.bind(source) as (...args: unknown[]) => unknown;
      let done = false;
      source.query = ((statement: string | { text?: string }, ...rest: unknown[]): unknown => {
        const text = typeof statement === 'string' ? statement : (statement.text ?? '');
        if (done || !at.test(text)) return query(statement, ...rest);
        done = true;
        return meddle().then(() => query(statement, ...rest));
      }) as typeof source.query;
      try {
        const result = await pollWith({ source, store }, { node: node.node });
        expect(done).toBe(true);
        return result;
      } finally {
        await source.end();
        await store.end();
      }
    };

    const moveSlot = () =>
      node.source.query(
        `SELECT pg_replication_slot_advance(slot_name, pg_current_wal_flush_lsn())
           FROM pg_replication_slots WHERE database = current_database()`,
      );

    const stored = async (): Promise<string[]> => {
      const { rows } = await node.store.query<{ row: string }>(
        `SELECT row_data::text AS row FROM pgtimewarp.row_changes WHERE op <> 'S' ORDER BY valid_from_lsn, seq`,
      );
      return rows.map(({ row }) => row);
    };

    test('before the peek: nothing is stored, and the loss is a gap', async () => {
      await node.source.query('UPDATE orders SET total = 11');
      const result = await runWith(/^DECLARE pgtimewarp_peek/, async () => {
        await moveSlot();
        await node.source.query('UPDATE orders SET total = 12');
      });
      expect(result).toMatchObject({ outcome: 'gap', reason: expect.stringContaining('past the stored') });
      expect(await stored()).toEqual([]);
      const { rows } = await node.store.query('SELECT code, to_lsn FROM pgtimewarp.history_gaps');
      expect(rows).toEqual([{ code: 'SLOT_MISSING', to_lsn: null }]);
    });

    test('after the peek and all its rows: nothing is lost', async () => {
      await node.source.query('UPDATE orders SET total = 11');
      const result = await runWith(/pg_replication_slot_advance/, moveSlot);
      expect(result).toMatchObject({ outcome: 'done', caughtUp: true });
      expect(await stored()).toEqual(['{"id":1,"total":11}']);
    });
  });
}
