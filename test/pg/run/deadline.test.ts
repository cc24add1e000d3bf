/**
 * A run with a time limit ends by it, whatever the store and the next transaction are like: nothing is half done, the run
 * reports the deadline, and runs without progress are reported.
 */
import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type LocalServer, startServer } from '../../../cli/servers/start-server.ts';
import { poll } from '../../../core/poll.ts';
import { init } from '../../../core/setup/init.ts';
import { track } from '../../../core/track.ts';
import { chooseServer } from '../../support/choose-server.ts';
import { describeNeeding } from '../../support/needs.ts';
import { needOf, PLUGINS } from '../../support/plugins.ts';
import { runCli } from '../../support/run-cli.ts';
import { connectForTest } from '../../support/test-client.ts';

const LARGE_ROWS = 200_000;
/** A second must be too short on every machine: the transaction comes in parts of a few MB. */
const SLOW_STORE = `
  CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.2); RETURN NULL; END $$;
  CREATE TRIGGER slow BEFORE INSERT ON pgtimewarp.row_changes FOR EACH STATEMENT EXECUTE FUNCTION slow()`;

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `a run through ${plugin} with a time limit`, () => {
    let server: LocalServer; // its own source: locks of other sessions would delay slots
    let source: pg.Client;
    let store: pg.Client;
    let urls: { sourceUrl: string; storeUrl: string; node: string };
    let env: Record<string, string>;

    beforeAll(async () => {
      const { binaries } = await chooseServer();
      server = await startServer({ binaries });
      for (const name of ['source', 'store']) await server.createDatabase(name);
      urls = { sourceUrl: server.url('source'), storeUrl: server.url('store'), node: 'deadline' };
      env = {
        PGTIMEWARP_SOURCE_URL: urls.sourceUrl,
        PGTIMEWARP_STORE_URL: urls.storeUrl,
        PGTIMEWARP_NODE: urls.node,
      };
      source = await connectForTest(urls.sourceUrl);
      store = await connectForTest(urls.storeUrl);
      await source.query('CREATE TABLE orders (id int PRIMARY KEY, note text)');
      await init({ ...urls, plugin, slotName: null, version: 'test' });
      const table = { schema: 'public', name: 'orders' };
      await track({ ...urls, table, baseline: true, exclude: [], retention: null });
    });

    afterAll(async () => {
      await Promise.all([source?.end(), store?.end()]);
      await server?.[Symbol.asyncDispose]();
    });

    const history = async (): Promise<string> => {
      const { rows } = await store.query<{ text: string }>(
        `SELECT concat_ws(' ', (SELECT count(*) FROM pgtimewarp.row_changes),
                (SELECT count(*) FROM pgtimewarp.lsn_time_map), (SELECT applied_lsn FROM pgtimewarp.wal_checkpoints)) AS text`,
      );
      const slots = await source.query<{ lsn: string }>(
        'SELECT confirmed_flush_lsn AS lsn FROM pg_replication_slots',
      );
      return `${rows[0]!.text} ${slots.rows[0]!.lsn}`;
    };

    // the store does not depend on the plugin, so one is enough
    test.runIf(plugin === 'pgoutput').each([
      ['history', 'LOCK TABLE pgtimewarp.row_changes IN ACCESS EXCLUSIVE MODE'],
      ['the map', 'LOCK TABLE pgtimewarp.lsn_time_map IN ACCESS EXCLUSIVE MODE'],
      ['the tracked tables', 'LOCK TABLE pgtimewarp.tracked_relations IN ACCESS EXCLUSIVE MODE'],
      ['the checkpoint', 'SELECT FROM pgtimewarp.wal_checkpoints FOR UPDATE'],
    ])('ends by its deadline while another session locks %s in the store', async (what, lock) => {
      await source.query('INSERT INTO orders SELECT coalesce(max(id), 0) + 1, $1 FROM orders', [what]);
      const before = await history();
      await store.query('BEGIN');
      try {
        await store.query(lock);
        const started = performance.now();
        const result = await poll({ ...urls, maxSeconds: 2 });
        const tookMs = performance.now() - started;
        expect(result).toMatchObject({ outcome: 'deadline', caughtUp: false, transactions: 0 });
        expect(tookMs, 'the limit, and five seconds for last words').toBeLessThan(8_000);
      } finally {
        await store.query('ROLLBACK');
      }
      expect(await history()).toBe(before);
      expect(await poll(urls)).toMatchObject({ outcome: 'done', transactions: 1 });
      expect(await history()).not.toBe(before);
    });

    test('that is too short for the next transaction reports this every time, until a run without a limit', async () => {
      await source.query('INSERT INTO orders VALUES (-1, $1)', ['before']);
      await source.query(
        `INSERT INTO orders SELECT 1000 + i, repeat(md5(i::text), 4) FROM generate_series(1, $1::int) AS i`,
        [LARGE_ROWS],
      );
      await source.query('INSERT INTO orders VALUES (-2, $1)', ['after']);
      await poll({ ...urls, maxChanges: 1 }); // what comes before it
      await store.query('DELETE FROM pgtimewarp.health_events');
      await store.query(SLOW_STORE);
      const before = await history();
      for (let run = 1; run <= 3; run++) {
        const result = await runCli(['poll', '--max-seconds', '1', '--json'], { env });
        expect(result.json(), result.stderr).toMatchObject({
          outcome: 'deadline',
          caught_up: false,
          changes: 0,
        });
        expect((result.json() as { lag_bytes: number }).lag_bytes).toBeGreaterThan(LARGE_ROWS * 100);
        expect(result.code).toBe(0);
      }
      expect(await history()).toBe(before);
      const { rows } = await store.query(
        `SELECT severity, message FROM pgtimewarp.health_events WHERE code = 'NO_PROGRESS' ORDER BY id`,
      );
      const remedy = expect.stringContaining('pgtimewarp poll');
      expect(rows).toEqual([
        { severity: 'warn', message: remedy },
        { severity: 'fail', message: remedy },
      ]);
      const doctor = await runCli(['doctor', '--json'], { env });
      expect(doctor.code).toBe(1);
      const { checks } = doctor.json() as { checks: { code: string }[] };
      expect(checks.find((check) => check.code === 'no_progress')).toMatchObject({ status: 'fail', remedy });
      const status = await runCli(['status', '--json'], { env });
      expect(status.json()).toMatchObject({ nodes: [{ last_run: { outcome: 'deadline' } }] });

      await store.query('DROP TRIGGER slow ON pgtimewarp.row_changes');
      expect(await poll(urls)).toMatchObject({ outcome: 'done', caughtUp: true, transactions: 2 });
      const counted = await store.query(
        `SELECT count(*)::int AS n FROM pgtimewarp.row_changes WHERE op = 'I'`,
      );
      expect(counted.rows[0].n).toBeGreaterThanOrEqual(LARGE_ROWS + 2);
      const well = await runCli(['doctor', '--json'], { env });
      const codes = (well.json() as { checks: { code: string }[] }).checks.map((check) => check.code);
      expect(codes).not.toContain('no_progress');
    }, 180_000);
  });
}
