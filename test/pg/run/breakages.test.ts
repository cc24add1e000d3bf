/**
 * Ten breakages, mended only by what doctor prints: its remedies are pasted unchanged. The commands and their output are
 * written to test-output/breakages.txt.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { databaseUrl } from '../../../cli/servers/databases.ts';
import { startServer } from '../../../cli/servers/start-server.ts';
import type { Check } from '../../../core/doctor/check.ts';
import { chooseServer } from '../../support/choose-server.ts';
import { describeNeeding } from '../../support/needs.ts';
import { needOf } from '../../support/plugins.ts';
import { remedySteps } from '../../support/remedy-steps.ts';
import { type CliResult, runCli, spawnCli } from '../../support/run-cli.ts';
import { connectForTest } from '../../support/test-client.ts';

const transcript: string[] = [];

afterAll(() => {
  mkdirSync('test-output', { recursive: true });
  writeFileSync('test-output/breakages.txt', `${transcript.join('\n')}\n`);
});

describeNeeding(needOf('wal2json'), 'ten breakages', () => {
  test('are mended by the remedy of doctor', { timeout: 900_000 }, async () => {
    const { binaries } = await chooseServer();
    await using source = await startServer({ binaries });
    await using store = await startServer({ binaries });
    await source.createDatabase('shop');
    await store.createDatabase('history');
    const urls = { source: source.url('shop'), store: store.url('history') };
    const sql = async (side: 'source' | 'store', text: string): Promise<void> => {
      const session = await connectForTest(urls[side]);
      try {
        await session.query(text);
      } finally {
        await session.end();
      }
    };
    await sql(
      'source',
      `CREATE TABLE orders (id int PRIMARY KEY, total int); INSERT INTO orders SELECT g, g FROM generate_series(1, 50) g;
       CREATE TABLE parts (id int PRIMARY KEY);
       CREATE ROLE app LOGIN PASSWORD 'app' NOREPLICATION IN ROLE pg_read_all_data;
       GRANT pg_monitor TO app`,
    );
    let sourceUrl = urls.source;
    const cli = (node: string, ...args: string[]): Promise<CliResult> =>
      runCli([...args], {
        env: { PGTIMEWARP_SOURCE_URL: sourceUrl, PGTIMEWARP_STORE_URL: urls.store, PGTIMEWARP_NODE: node },
        timeoutMs: 120_000,
      });
    const typed = async (node: string, ...args: string[]): Promise<CliResult> => {
      transcript.push(`$ pgtimewarp ${args.join(' ')}`);
      const result = await cli(node, ...args);
      transcript.push((result.stdout + result.stderr).trimEnd());
      return result;
    };
    const troubles = async (node: string): Promise<Check[]> => {
      const { checks } = (await cli(node, 'doctor', '--json')).json() as { checks: Check[] };
      return checks.filter((check) => check.status !== 'ok');
    };

    /** Types the remedy, and then the remedy of a command that fails. */
    async function paste(node: string, remedy: string): Promise<void> {
      for (const step of remedySteps(remedy)) {
        if (step.kind === 'sql') {
          transcript.push(`${step.side}=# ${step.text}`);
          await sql(step.side, step.text);
          continue;
        }
        const result = await typed(node, ...step.args);
        const next = /remedy: (.*)/.exec(result.stderr)?.[1];
        if (result.code !== 0 && next !== undefined) await paste(node, next.replace('NAME', node));
      }
    }

    async function breakage(
      what: string,
      node: string,
      expected: string,
      damage: () => Promise<void>,
      byHand?: () => Promise<void>,
    ): Promise<void> {
      transcript.push('', `=== ${what}`);
      await damage();
      await cli(node, 'poll');
      const found = await troubles(node);
      expect(
        found.map((check) => check.code),
        what,
      ).toContain(expected);
      await typed(node, 'doctor');
      if (byHand === undefined) {
        for (const check of found) {
          const still = (await troubles(node)).find((each) => each.code === check.code);
          if (still !== undefined) await paste(node, still.remedy!);
        }
      } else {
        transcript.push('(the operator does so)');
        await byHand();
      }
      const polled = await cli(node, 'poll');
      expect(
        polled.code,
        `${what}: ${polled.stdout}${polled.stderr}\n${transcript.slice(-20).join('\n')}`,
      ).toBe(0);
      expect(await troubles(node), what).toEqual([]);
      await typed(node, 'doctor');
    }

    for (const [node, plugin] of [
      ['wal', 'wal2json'],
      ['pub', 'pgoutput'],
    ] as const) {
      expect((await cli(node, 'init', '--plugin', plugin)).code).toBe(0);
      expect((await cli(node, 'track', 'orders', '--shared')).code).toBe(0);
      expect(await troubles(node)).toEqual([]);
    }

    await breakage('the output plugin is refused', 'wal', 'plugin_permitted', () =>
      sql('source', 'ALTER SYSTEM SET output_plugin_libraries = pgoutput').then(async () => {
        await sql('source', 'SELECT pg_reload_conf()');
        await new Promise((resolve) => setTimeout(resolve, 500));
      }),
    );
    await breakage('the primary key is dropped', 'wal', 'table_trackable', () =>
      sql('source', 'ALTER TABLE orders DROP CONSTRAINT orders_pkey'),
    );
    await breakage('the slot is dropped by hand', 'wal', 'slot_present', () =>
      sql('source', `SELECT pg_drop_replication_slot('pgtimewarp_wal')`),
    );
    await breakage('somebody else reads the slot', 'wal', 'node_gap', async () => {
      await sql('source', `UPDATE orders SET total = total + 1`);
      await sql('source', `SELECT count(*) FROM pg_logical_slot_get_changes('pgtimewarp_wal', NULL, NULL)`);
    });
    await breakage(
      'the store is stopped',
      'wal',
      'store_reachable',
      () => store.stop(),
      () => store.start(),
    );
    await breakage('a role that may not replicate', 'wal', 'source_role', async () => {
      sourceUrl = databaseUrl(source.url(), 'shop', { user: 'app', password: 'app' });
    });
    sourceUrl = urls.source;
    const blocker = await connectForTest(urls.source);
    await breakage('a transaction stays open', 'wal', 'open_transaction', async () => {
      await blocker.query('BEGIN; INSERT INTO parts VALUES (1)');
      const tracking = spawnCli(['track', 'parts'], {
        env: { PGTIMEWARP_SOURCE_URL: urls.source, PGTIMEWARP_STORE_URL: urls.store, PGTIMEWARP_NODE: 'wal' },
        timeoutMs: 120_000,
      });
      tracking.child.stderr.on('data', (text: string) => {
        if (/waiting for transactions/.test(text)) tracking.child.kill('SIGINT');
      });
      await tracking.result;
    });
    await blocker.end().catch(() => undefined);
    await breakage('the publication is dropped', 'pub', 'publication_present', () =>
      sql('source', 'DROP PUBLICATION pgtimewarp_pub'),
    );
    await breakage('a table is taken out of the publication', 'pub', 'publication_table', () =>
      sql('source', 'ALTER PUBLICATION pgtimewarp_pub DROP TABLE orders'),
    );
    await breakage('autovacuum of the store is switched off', 'wal', 'store_autovacuum', async () => {
      await sql('store', 'ALTER SYSTEM SET autovacuum = off');
      await sql('store', 'SELECT pg_reload_conf()');
      await new Promise((resolve) => setTimeout(resolve, 500));
    });

    transcript.push('', '=== a column is renamed: nothing breaks');
    await sql(
      'source',
      'ALTER TABLE orders RENAME COLUMN total TO amount; UPDATE orders SET amount = 7 WHERE id = 1',
    );
    await cli('wal', 'poll');
    expect(await troubles('wal')).toEqual([]);
    await typed('wal', 'doctor');
    const answer = await typed('wal', 'asof', 'orders', '--pk', '1', '--json');
    expect(answer.stdout).toContain('"amount":7');
  });
});
