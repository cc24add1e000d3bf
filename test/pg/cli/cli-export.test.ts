/**
 * All tables as of one position: one command writes them, one loads them into an empty database, where joins give what they gave on the
 * source at that time. Nothing half done stays behind.
 */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabase, databaseUrl, dropDatabase } from '../../../cli/servers/databases.ts';
import { poll } from '../../../core/poll.ts';
import { init } from '../../../core/setup/init.ts';
import { track } from '../../../core/track.ts';
import { psql } from '../../support/copy-back.ts';
import { describeNeeding } from '../../support/needs.ts';
import { needOf, PLUGINS } from '../../support/plugins.ts';
import { type CliResult, runCli, spawnCli } from '../../support/run-cli.ts';
import { serverInfo } from '../../support/server-info.ts';
import { connectForTest } from '../../support/test-client.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';

const ODD = `"Odd Schema"."Ta""ble, x"`;
const REPORT = `SELECT c.name, l.product, sum(l.amount * p.price) AS total, count(*), max(l.at)
  FROM customers c JOIN lines l ON l.customer = c.id JOIN products p ON p.code = l.product GROUP BY 1, 2`;

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `an export (${plugin})`, () => {
    let node: TrackedNode;
    let at: string;
    let folder: string;
    const scratches: string[] = [];
    const run = (...args: string[]): Promise<CliResult> =>
      runCli(['export', ...args], { env: { ...node.env, TZ: 'UTC' } });

    async function load(directory: string): Promise<pg.Client> {
      const name = `scratch_${node.node}_${scratches.length}`;
      const { adminUrl } = serverInfo();
      await createDatabase(adminUrl, name);
      scratches.push(name);
      await psql(databaseUrl(adminUrl, name), ['-f', 'load.sql'], directory);
      return await connectForTest(databaseUrl(adminUrl, name));
    }

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'pgtimewarp-export-'));
      node = await trackedNode({
        plugin,
        tables: `
          CREATE TYPE mood AS ENUM ('sad', 'fine'); CREATE DOMAIN amount AS numeric(12, 3);
          CREATE TABLE customers (id int PRIMARY KEY, name text, mood mood, moods mood[], doc jsonb);
          CREATE TABLE products (code text PRIMARY KEY, price amount, kind regclass, twice numeric GENERATED ALWAYS AS (price * 2) STORED);
          CREATE TABLE lines (customer int, no bigint, product text, amount int, at timestamptz, PRIMARY KEY (customer, no)) PARTITION BY LIST (customer);
          CREATE TABLE lines_1 PARTITION OF lines FOR VALUES IN (1);
          CREATE TABLE lines_rest PARTITION OF lines DEFAULT;
          CREATE SCHEMA "Odd Schema"; CREATE TABLE ${ODD} ("a:b 'c""" int PRIMARY KEY, "order" text);
          INSERT INTO customers SELECT n, 'customer ' || n, 'fine', '{sad,fine}', '{"n": null}' FROM generate_series(1, 5) AS n;
          INSERT INTO products SELECT 'p' || n, n * 1.5, 'pg_class' FROM generate_series(1, 4) AS n;
          INSERT INTO lines SELECT 1 + n % 5, n, 'p' || 1 + n % 4, n, '2026-01-01Z'::timestamptz + n * interval '1 s' FROM generate_series(1, 300) AS n;
          INSERT INTO ${ODD} VALUES (1, E'it''s\\n"so"')`,
        track: ['customers', 'products', 'lines', ODD],
      });
      await node.source.query(`
        BEGIN; UPDATE lines SET amount = amount + 1 WHERE no % 3 = 0; UPDATE products SET price = 9.125 WHERE code = 'p2';
        DELETE FROM customers WHERE id = 4; COMMIT;
        CREATE SCHEMA past; CREATE TABLE past.customers AS TABLE customers; CREATE TABLE past.products AS TABLE products;
        CREATE TABLE past.lines AS TABLE lines; CREATE TABLE past.report AS ${REPORT}`);
      const { rows } = await node.source.query<{ lsn: string }>(
        'SELECT pg_current_wal_insert_lsn()::text AS lsn',
      );
      at = rows[0]!.lsn;
      await node.source.query(
        `UPDATE lines SET amount = 0; TRUNCATE customers; DELETE FROM products; UPDATE ${ODD} SET "order" = ''`,
      );
      await node.catchUp();
    }, 60_000);

    afterAll(async () => {
      await rm(folder, { recursive: true, force: true });
      for (const name of scratches) await dropDatabase(serverInfo().adminUrl, name);
      await node?.[Symbol.asyncDispose]();
    });

    test('loads into an empty database by one command; tables and joins are those of then', async () => {
      const directory = join(folder, 'all');
      const answer = await run('--at', at, '--to', directory, '--json');
      expect(answer).toMatchObject({ code: 0 });
      expect(answer.json()).toMatchObject({
        directory,
        as_of: { requested: at },
        final: true,
        tables: [
          { schema: 'Odd Schema', file: 'Odd_Schema.Ta_ble__x-1.csv', row_count: 1 },
          { table: 'customers', file: 'public.customers.csv', row_count: 4 },
          { table: 'lines', row_count: 300 },
          { table: 'products', row_count: 4 },
        ],
        left_out: [],
      });
      expect((await readdir(folder)).filter((name) => name !== 'all')).toEqual([]);
      expect(JSON.parse(await readFile(join(directory, 'export.json'), 'utf8'))).toMatchObject({
        as_of: { requested: at },
      });
      const scratch = await load(directory);
      try {
        const columns: Readonly<Record<string, string>> = {
          customers: 'id, name, mood, moods, doc',
          lines: 'customer, no, product, amount, at',
          products: 'code, price, kind',
        };
        for (const [table, names] of Object.entries(columns)) {
          const texts = `SELECT (${names})::text AS r FROM`;
          const { rows: loaded } = await scratch.query<{ r: string }>(`${texts} ${table} ORDER BY 1`);
          const { rows: then } = await node.source.query<{ r: string }>(`${texts} past.${table} ORDER BY 1`);
          expect(loaded).toEqual(then);
        }
        const report = 'SELECT x::text AS r FROM';
        const { rows: loaded } = await scratch.query(`${report} (${REPORT}) AS x ORDER BY 1`);
        const { rows: then } = await node.source.query(`${report} past.report AS x ORDER BY 1`);
        expect(loaded).toEqual(then);
        const { rows: odd } = await scratch.query({ text: `TABLE ${ODD}`, rowMode: 'array' });
        expect(odd).toEqual([[1, `it's\n"so"`]]);
        await expect(scratch.query('INSERT INTO lines VALUES (1, 5)')).rejects.toMatchObject({
          code: '23505',
        });
      } finally {
        await scratch.end();
      }
    });

    test('the types are those of every server, or text', async () => {
      const script = await readFile(join(folder, 'all', 'load.sql'), 'utf8');
      expect(script).toContain('"mood" text,\n  "moods" text[],\n  "doc" jsonb\n');
      expect(script).toContain('"price" pg_catalog."numeric",\n  "kind" text\n');
      expect(script).toContain('"at" timestamp with time zone\n');
    });

    test('a choice of tables; refused are folders that are there or cannot be, and other tables', async () => {
      const some = await run('--to', join(folder, 'some'), '--tables', `lines,${ODD}`);
      expect(some.stdout).toContain('2 tables, 301 rows');
      expect((await readdir(join(folder, 'some'))).sort()).toEqual([
        'Odd_Schema.Ta_ble__x-2.csv',
        'export.json',
        'load.sql',
        'public.lines.csv',
      ]);
      for (const [args, message] of [
        [['--to', join(folder, 'some')], 'is there already'],
        [['--to', join(folder, 'none/x')], 'cannot be written (ENOENT'],
        [['--to', join(folder, 'x'), '--tables', 'linse'], 'Did you mean public.lines?'],
        [['--to', join(folder, 'x'), '--nodes', 'nobody'], 'nobody'],
      ] as const) {
        const { code, stderr } = await run(...args);
        expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
      }
      await mkdir(join(folder, 'empty'));
      expect((await run('--to', join(folder, 'empty'))).code).toBe(2);
      expect(existsSync(join(folder, 'x'))).toBe(false);
    });

    test('a table that is not known fails the export, or is left out; one that was over is left out', async () => {
      await node.source.query('CREATE TABLE later (id int PRIMARY KEY)');
      await node.track('later');
      const failed = await run('--at', at, '--to', join(folder, 'later'));
      expect([failed.code, failed.stderr]).toEqual([
        4,
        expect.stringContaining('public.later are not known'),
      ]);
      expect(await readdir(folder)).not.toContain('later');
      expect((await readdir(folder)).filter((name) => name.startsWith('.'))).toEqual([]);
      const skipped = await run('--at', at, '--to', join(folder, 'later'), '--unknown', 'skip', '--json');
      expect(skipped.json()).toMatchObject({ left_out: [{ table: 'later', reason: 'before_tracking' }] });
      expect(skipped.stderr).toContain('warning: public.later is left out');
      expect(await runCli(['untrack', 'later'], { env: node.env })).toMatchObject({ code: 0 });
      const over = await run('--at', at, '--to', join(folder, 'over'));
      expect(over).toMatchObject({ code: 0 });
      expect(over.stdout).toContain('without public.later: before tracking');
    });

    test('a table that was untracked since, and was tracked and not known then, fails the export', async () => {
      await node.source.query(
        'CREATE TABLE gone (id int PRIMARY KEY, n int); INSERT INTO gone VALUES (1, 1)',
      );
      await node.track('gone', { baseline: false });
      await node.catchUp();
      await node.source.query('INSERT INTO gone VALUES (2, 2)');
      const { rows } = await node.source.query<{ lsn: string }>(
        'SELECT pg_current_wal_insert_lsn()::text AS lsn',
      );
      await node.catchUp();
      expect(await runCli(['untrack', 'gone'], { env: node.env })).toMatchObject({ code: 0 });
      const then = rows[0]!.lsn;
      const failed = await run('--at', then, '--to', join(folder, 'gone'));
      expect([failed.code, failed.stderr]).toEqual([4, expect.stringContaining('public.gone')]);
      const skipped = await run('--at', then, '--to', join(folder, 'gone'), '--unknown', 'skip');
      expect([skipped.code, skipped.stderr]).toEqual([0, expect.stringContaining('warning: public.gone')]);
      await node.source.query('DELETE FROM lines WHERE no = 0');
      await node.catchUp();
      expect(await run('--to', join(folder, 'without-gone'))).toMatchObject({ code: 0 });
    });

    test('a table that was tracked again: types and columns are those of its earlier period', async () => {
      await node.source.query(`CREATE TYPE hue AS ENUM ('red', 'blue');
        CREATE TABLE again (id int PRIMARY KEY, hues hue[], g int, s int GENERATED ALWAYS AS (id) STORED);
        INSERT INTO again VALUES (1, '{red,blue}', 5)`);
      await node.track('again');
      await node.catchUp();
      const { rows } = await node.source.query<{ lsn: string }>(
        'SELECT pg_current_wal_insert_lsn()::text AS lsn',
      );
      await node.source.query('INSERT INTO again VALUES (2)');
      await node.catchUp();
      expect(await runCli(['untrack', 'again'], { env: node.env })).toMatchObject({ code: 0 });
      await node.source.query(`ALTER TABLE again DROP hues, DROP g, DROP s; DROP TYPE hue;
        ALTER TABLE again ADD g int GENERATED ALWAYS AS (id * 10) STORED, ADD s int`);
      await node.track('again');
      await node.catchUp();
      const asOf = await runCli(['asof', 'again', '--all', '--at', rows[0]!.lsn, '--format', 'csv'], {
        env: node.env,
      });
      expect(asOf.stdout).toBe('id,hues,g\n1,"{red,blue}",5\n');
    });

    test('names of files are unique, whatever the tables are called', async () => {
      const names = [
        '"new\nline"',
        '"n_-3"',
        '"n!"',
        `":x '$$"`,
        '"back\\slash"',
        '"N_"',
        '"n_"',
        '"n?"',
        '"../n"',
        `"${'é'.repeat(31)}"`,
      ];
      await node.source.query(names.map((name) => `CREATE TABLE ${name} (id int PRIMARY KEY)`).join(';'));
      for (const name of names) await node.track(name);
      await node.source.query('INSERT INTO "new\nline" VALUES (7)');
      await node.catchUp();
      const answer = await run('--to', join(folder, 'names'), '--json', '--tables', names.join());
      expect(answer).toMatchObject({ code: 0 });
      const files = (answer.json() as { tables: { file: string }[] }).tables.map(({ file }) =>
        file.toLowerCase(),
      );
      expect(new Set(files).size).toBe(names.length);
      const scratch = await load(join(folder, 'names'));
      const { rows } = await scratch.query('SELECT id FROM "new\nline"');
      await scratch.end();
      expect(rows).toEqual([{ id: 7 }]);
      for (const name of names)
        expect(await runCli(['untrack', name], { env: node.env })).toMatchObject({ code: 0 });
    });

    test('a link that leads nowhere is a folder that is there', async () => {
      await symlink(join(folder, 'nowhere'), join(folder, 'link'));
      const { code, stderr } = await run('--to', join(folder, 'link'));
      expect([code, stderr]).toEqual([2, expect.stringContaining('is there already')]);
    });

    test('a row that is not known: exit status 4, or left out with a warning that counts it', async () => {
      await node.store.query(
        `UPDATE pgtimewarp.row_changes AS c SET incomplete = '{price}'
          WHERE c.relation_id = (SELECT relation_id FROM pgtimewarp.tracked_relations WHERE node_id = $1 AND table_name = 'products')
            AND c.pk = '["p1"]'`,
        [node.node],
      );
      const asOf = (...args: string[]): Promise<CliResult> =>
        runCli(['asof', 'products', '--all', '--at', at, ...args], { env: node.env });
      const failed = await asOf('--json');
      expect(failed.code).toBe(4);
      expect(failed.json()).toMatchObject({ error: { code: 'VALUES_UNKNOWN' } });
      const skipped = await asOf('--format', 'csv', '--unknown', 'skip');
      expect(skipped).toMatchObject({ code: 0 });
      expect(skipped.stdout.trim().split('\n')).toHaveLength(4);
      expect(skipped.stderr).toContain('warning: public.products: 1 row is left out');
      expect((await asOf('--columns', 'code')).code).toBe(0);
      expect((await run('--at', at, '--to', join(folder, 'lacking'))).code).toBe(4);
      expect((await runCli(['asof', 'products', '--all', '--at', '-10d'], { env: node.env })).code).toBe(4);
      expect(existsSync(join(folder, 'lacking'))).toBe(false);
    });

    test('Ctrl-C leaves nothing behind', async () => {
      const directory = join(folder, 'stopped');
      const unfinished = async (): Promise<string[]> =>
        (await readdir(folder)).filter((name) => name.includes('unfinished'));
      await node.store.query('BEGIN; LOCK TABLE pgtimewarp.row_changes'); // the command cannot read on
      const { child, result } = spawnCli(['export', '--at', at, '--to', directory], { env: node.env });
      while ((await unfinished()).length === 0) await sleep(20);
      child.kill('SIGINT');
      await sleep(100);
      await node.store.query('ROLLBACK');
      expect(await result).toMatchObject({ code: 130 });
      expect(existsSync(directory)).toBe(false);
      expect(await unfinished()).toEqual([]);
    });

    test('two nodes of one server: one position, at most the horizon of each', async () => {
      const { sourceUrl, storeUrl } = node;
      const [one, two] = [`${node.node}_one`, `${node.node}_two`];
      await node.source.query('CREATE TABLE x (id int PRIMARY KEY); CREATE TABLE y (id int PRIMARY KEY)');
      for (const [name, table] of [
        [one, 'x'],
        [two, 'y'],
      ] as const) {
        const urls = { sourceUrl, storeUrl, node: name };
        await init({ ...urls, plugin, slotName: null, version: 'test' });
        await track({
          ...urls,
          table: { schema: 'public', name: table },
          baseline: true,
          exclude: [],
          retention: null,
        });
      }
      const both = (id: number) =>
        `BEGIN; INSERT INTO x VALUES (${id}); INSERT INTO y VALUES (${id}); COMMIT`;
      await node.source.query(both(1));
      await poll({ sourceUrl, storeUrl, node: one });
      await node.source.query(both(2));
      await poll({ sourceUrl, storeUrl, node: two });
      const counts = async (to: string, ...args: string[]): Promise<unknown> => {
        const answer = await run('--nodes', `${one},${two}`, '--to', join(folder, to), '--json', ...args);
        const { tables, final } = answer.json() as { tables: { row_count: number }[]; final: boolean };
        return [tables.map((table) => table.row_count), final];
      };
      expect(await counts('both')).toEqual([[1, 1], false]);
      await poll({ sourceUrl, storeUrl, node: one });
      expect(await counts('both-later')).toEqual([[2, 2], false]);
      const { rows } = await node.store.query<{ ts: string }>(
        `SELECT to_char(ts AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS ts FROM pgtimewarp.lsn_time_map
          WHERE node_id = $1 AND xid IS NOT NULL ORDER BY lsn LIMIT 1`,
        [two],
      );
      expect(await counts('both-then', '--at', rows[0]!.ts)).toEqual([[1, 1], true]);
      await track({
        sourceUrl,
        storeUrl,
        node: one,
        table: { schema: 'public', name: 'y' },
        baseline: true,
        exclude: [],
        retention: null,
        shared: true,
      });
      for (const each of [one, two]) await poll({ sourceUrl, storeUrl, node: each });
      await node.store.query('UPDATE pgtimewarp.nodes SET database_name = $2 WHERE node_id = $1', [
        two,
        'other',
      ]);
      const same = await run('--nodes', `${one},${two}`, '--to', join(folder, 'same'));
      expect([same.code, same.stderr]).toEqual([2, expect.stringContaining('follow different databases')]);
      expect(await counts('other-table', '--tables', 'x')).toEqual([[2], false]);
      await node.store.query('UPDATE pgtimewarp.nodes SET timeline = 7 WHERE node_id = $1', [two]);
      const apart = await run('--nodes', `${one},${two}`, '--tables', 'x', '--to', join(folder, 'apart'));
      expect([apart.code, apart.stderr]).toEqual([2, expect.stringContaining('no common order')]);
    });
  });
}
