/**
 * The end of a run: wherever its time is up, it ends as `deadline` and still does its final work. A failure names the database
 * that failed.
 */
import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect } from '../../../core/pg/connection.ts';
import { type PollResult, poll, pollWith, type RunOptions } from '../../../core/poll.ts';
import { writeSlotSettings } from '../../../core/store/node/nodes.ts';
import { describeNeeding } from '../../support/needs.ts';
import { needOf, PLUGINS } from '../../support/plugins.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';

/** What the run's session of the source does before this statement; a text replaces the statement. */
type Before = (text: string) => string | Promise<void> | undefined;

/** Longer than any run here: the run's own limit ends it. */
const ENDLESS = 'SELECT pg_sleep(60)';

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `the end of a run through ${plugin}`, () => {
    let node: TrackedNode;

    beforeAll(async () => {
      node = await trackedNode({
        plugin,
        tables: `CREATE TABLE orders (id bigint PRIMARY KEY, total numeric);
                 CREATE TABLE late (id bigint PRIMARY KEY)`,
        track: ['orders'],
      });
    });

    afterAll(async () => {
      await node?.[Symbol.asyncDispose]();
    });

    const run = async (before: Before, options: Omit<RunOptions, 'node'> = {}): Promise<PollResult> => {
      const source = await connect(node.sourceUrl, { side: 'source', node: node.node });
      const store = await connect(node.storeUrl, { side: 'store', node: node.node });
      try {
        const query = source.query.bind(source) as (...args: unknown[]) => Promise<unknown>;
        const meddling = (statement: string | { text?: string }, ...rest: unknown[]): unknown => {
          const instead = before(typeof statement === 'string' ? statement : (statement.text ?? ''));
          if (instead instanceof Promise) return instead.then(() => query(statement, ...rest));
          return instead === undefined ? query(statement, ...rest) : query(instead);
        };
        source.query = meddling as typeof source.query;
        return await pollWith({ source, store }, { ...options, node: node.node });
      } finally {
        await source.end().catch(() => undefined);
        await store.end();
      }
    };

    test('a deadline while a peek is open, before its rows are read, ends the run like any deadline', async () => {
      await node.source.query('INSERT INTO orders VALUES (1, 10)');
      let peeked = false;
      const result = await run(
        (text) => {
          if (text.includes('MOVE ABSOLUTE 0')) peeked = true;
          else if (peeked && !text.startsWith('SET')) {
            peeked = false; // only the first statement: it reads the catalog
            return ENDLESS;
          }
          return undefined;
        },
        { maxSeconds: 3 },
      );
      expect(result).toMatchObject({ outcome: 'deadline', caughtUp: false, transactions: 0 });
      expect(result.lagBytes).toBeGreaterThan(0n);
      expect(await node.poll()).toMatchObject({ outcome: 'done', transactions: 1 });
    });

    test('a deadline before the node is claimed ends the run like any deadline', async () => {
      await node.source.query('INSERT INTO orders VALUES (2, 20)');
      let endless = 0;
      const result = await run((text) => (!text.startsWith('SET') && endless++ === 0 ? ENDLESS : undefined), {
        maxSeconds: 1,
      });
      expect(result).toMatchObject({ outcome: 'deadline', caughtUp: false, transactions: 0 });
      expect(result.lagBytes).toBeGreaterThan(0n);
      expect(await run(() => undefined, { maxSeconds: 0 })).toMatchObject({ outcome: 'deadline' });
      expect(await node.poll()).toMatchObject({ outcome: 'done', transactions: 1 });
    });

    test('a limit larger than a timer can hold counts as no limit', async () => {
      expect(await run(() => undefined, { maxSeconds: 1e9 })).toMatchObject({ outcome: 'done' });
      expect(await poll({ ...node, maxSeconds: 1e9 })).toMatchObject({ outcome: 'done' });
    });

    test('the error names a source that is lost at the end of a run', async () => {
      const lost = run((text) =>
        text === 'SET statement_timeout = 5000' ? terminateRun(node.source, node.node) : undefined,
      );
      await expect(lost).rejects.toMatchObject({ name: 'TimewarpError', code: 'SOURCE_UNREACHABLE' });
    });

    test('a source lost between two statements of a limited run is not reported as the store', async () => {
      let limits = 0;
      const lost = run(
        (text) =>
          text.startsWith('SET statement_timeout') && ++limits === 2
            ? terminateRun(node.source, node.node)
            : undefined,
        { maxSeconds: 30 },
      );
      await expect(lost).rejects.toMatchObject({ name: 'TimewarpError', code: 'SOURCE_UNREACHABLE' });
    });

    test('a failure of the store is reported as the store’s, also between queries of the source', async () => {
      await node.store.query(`
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no room'; END $$;
        CREATE TRIGGER refuse BEFORE UPDATE OF start_conditions ON pgtimewarp.tracked_relations
          FOR EACH ROW EXECUTE FUNCTION refuse()`);
      try {
        await expect(node.track('late')).rejects.toMatchObject({
          code: 'DATABASE_ERROR',
          message: expect.stringContaining('no room'),
          facts: { side: 'store' },
        });
      } finally {
        await node.store.query('DROP TRIGGER refuse ON pgtimewarp.tracked_relations; DROP FUNCTION refuse()');
      }
      expect(await node.poll()).toMatchObject({ outcome: 'done' });
    });

    test('runs that always end at their deadline still drop a slot that is over its budget', async () => {
      await node.source.query(
        `SELECT pg_logical_emit_message(false, 'noise', repeat('x', 1000000)) FROM generate_series(1, 3)`,
      );
      await writeSlotSettings(node.store, node.node, { budgetBytes: 1_000_000n, automatic: true });
      const result = await run((text) => (text.startsWith('DECLARE') ? ENDLESS : undefined), {
        maxSeconds: 3,
      });
      expect(result).toMatchObject({ outcome: 'gap', reason: expect.stringContaining('budget') });
      const { rowCount } = await node.source.query(
        'SELECT FROM pg_replication_slots WHERE slot_name = $1::name',
        [node.slot],
      );
      expect(rowCount).toBe(0);
    });
  });
}

/** Ends the run's session of the source, and waits until it is gone. */
async function terminateRun(source: pg.Client, node: string): Promise<void> {
  await source.query(
    `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
      WHERE application_name = $1::text AND datname = current_database()`,
    [`pgtimewarp/${node}`],
  );
}
