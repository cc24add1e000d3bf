/** Tables tracked by pattern, by schema, or all of them; with --follow also those that are made later. */
import { describe, expect, test } from 'vitest';
import { runCommand } from '../../../support/command.ts';
import { describeNeeding } from '../../../support/needs.ts';
import { needOf, PLUGINS } from '../../../support/plugins.ts';
import { type TrackedNode, trackedNode } from '../../../support/tracked-node.ts';

const TABLES = `
  CREATE SCHEMA tenant_1; CREATE SCHEMA tenant_2; CREATE SCHEMA shop;
  CREATE TABLE tenant_1.orders (id int PRIMARY KEY, ssn text); INSERT INTO tenant_1.orders VALUES (1, 'a'), (2, 'b');
  CREATE TABLE tenant_2.orders (id int PRIMARY KEY); INSERT INTO tenant_2.orders VALUES (1);
  CREATE TABLE tenant_2.other (id int PRIMARY KEY);
  CREATE TABLE shop.keyless (n int);
  CREATE TABLE shop.items (id int PRIMARY KEY);
  CREATE VIEW shop.shown AS SELECT 1 AS id;
  CREATE TABLE shop.parted (id int PRIMARY KEY) PARTITION BY RANGE (id);
  CREATE TABLE shop.parted_1 PARTITION OF shop.parted FOR VALUES FROM (0) TO (10);
  CREATE TABLE plain (id int PRIMARY KEY); CREATE TEMPORARY TABLE passing (id int PRIMARY KEY)`;

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `by pattern, through ${plugin}`, () => {
    test('matching tables are tracked; those that cannot be tracked are named with the reason', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES });
      const orders = await json(node, 'track', 'TENANT_*.orders', '--exclude', 'ssn');
      expect(orders).toMatchObject({
        tables: [
          { table: 'tenant_1.orders', baseline_rows: 2, already_tracked: false },
          { table: 'tenant_2.orders', baseline_rows: 1 },
        ],
        not_tracked: [],
      });
      expect(await json(node, 'track', '--schema', 'shop', 'plain')).toMatchObject({
        tables: [{ table: 'public.plain' }, { table: 'shop.items' }, { table: 'shop.parted' }],
        not_tracked: [
          {
            table: 'shop.keyless',
            code: 'NO_PRIMARY_KEY',
            reason: expect.stringContaining('no primary key'),
          },
          { table: 'shop.shown', code: 'TABLE_NOT_TRACKABLE', reason: expect.stringContaining('a view') },
        ],
      });
      const all = await json(node, 'track', '--all');
      expect(all.tables.map(({ table, already_tracked }) => [table, already_tracked])).toEqual([
        ['public.plain', true],
        ['shop.items', true],
        ['shop.parted', true],
        ['tenant_1.orders', true],
        ['tenant_2.orders', true],
        ['tenant_2.other', false],
      ]);
      expect(all.not_tracked).toHaveLength(2);
      const { rows } = await node.store.query(
        `SELECT schema_name, excluded_columns FROM pgtimewarp.tracked_relations WHERE table_name = 'orders' ORDER BY 1`,
      );
      expect(rows.map((row) => row.excluded_columns)).toEqual([['ssn'], []]);
    });

    test('later tables are followed until that is ended', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES });
      expect(await json(node, 'track', 'tenant_*.*', '--follow', '--retention', '30d')).toMatchObject({
        followed: ['tenant_*.*'],
      });
      await node.source.query(
        `CREATE SCHEMA tenant_3; CREATE TABLE tenant_3.orders (id int PRIMARY KEY); INSERT INTO tenant_3.orders VALUES (7);
         CREATE TABLE tenant_3.keyless (id int); CREATE TABLE shop.later (id int PRIMARY KEY)`,
      );
      expect(await json(node, 'poll')).toMatchObject({ followed: ['tenant_3.orders'] });
      expect(await json(node, 'poll')).not.toHaveProperty('followed');
      expect(await runCommand(['asof', 'tenant_3.orders', '--pk', '7'], node)).toMatchObject({ code: 0 });
      expect(await status(node)).toEqual([
        {
          pattern: 'tenant_*.*',
          retention: '30 days',
          excluded: [],
          not_tracked: [{ table: 'tenant_3.keyless', reason: expect.stringContaining('no primary key') }],
        },
      ]);
      expect(await eventsOf(node)).toEqual(['TABLE_FOLLOWED', 'TABLE_NOT_FOLLOWED']); // each reported once
      await node.source.query('ALTER TABLE tenant_3.keyless ADD PRIMARY KEY (id)');
      expect(await json(node, 'poll')).toMatchObject({ followed: ['tenant_3.keyless'] });

      await json(node, 'untrack', 'tenant_1.orders'); // a table that was untracked stays untracked
      expect(await json(node, 'poll')).not.toHaveProperty('followed');

      expect(await json(node, 'track', 'tenant_3.*', '--no-follow')).toMatchObject({ unfollowed: [] });
      expect(await json(node, 'track', '"tenant_"*.*', '--no-follow')).toMatchObject({
        unfollowed: ['tenant_*.*'],
      });
      await node.source.query('CREATE TABLE tenant_3.last (id int PRIMARY KEY)');
      expect(await json(node, 'poll')).not.toHaveProperty('followed');
      expect(await status(node)).toEqual([]);
    });
  });
}

describe('ending the tracking', () => {
  test('untrack by pattern ends the rule and the tracking of its tables', async () => {
    await using node = await trackedNode({ plugin: 'pgoutput', tables: TABLES });
    await json(node, 'track', 'tenant_*.orders', '--follow');
    expect(await json(node, 'untrack', 'tenant_*.orders', '--dry-run')).toMatchObject({
      would: [
        'Later tables that match tenant_*.orders will not be tracked.',
        'Ends the tracking of tenant_1.orders.',
        expect.any(String),
        'Ends the tracking of tenant_2.orders.',
        expect.any(String),
      ],
    });
    expect(await json(node, 'untrack', 'tenant_*.orders')).toMatchObject({
      tables: [{ table: 'tenant_1.orders' }, { table: 'tenant_2.orders' }],
      unfollowed: ['tenant_*.orders'],
    });
    await expect(json(node, 'untrack', 'tenant_*.orders')).rejects.toMatchObject({
      code: 'TABLE_NOT_TRACKED',
    });
  });

  test('after deinit no table is followed', async () => {
    await using node = await trackedNode({ plugin: 'pgoutput', tables: TABLES });
    await json(node, 'track', '--all', '--follow');
    await json(node, 'deinit');
    await json(node, 'init', '--plugin', 'pgoutput');
    expect(await json(node, 'poll')).not.toHaveProperty('followed');
  });
});

test.each([
  [['track'], 'BAD_FLAGS'],
  [['track', 'orders', '--follow'], 'BAD_FLAGS'],
  [['track', 'none_*'], 'TABLE_UNKNOWN'],
  [['track', 'a b*'], 'BAD_TABLE_NAME'],
  [['track', '--schema', 'shop', '--exclude', 'nosuch'], 'BAD_FLAGS'],
  [['track', 'shop.key*'], 'TABLE_NOT_TRACKABLE'],
  [['track', 'plain', 'nosuch'], 'TABLE_UNKNOWN'],
  [['track', '--schema', 'pg_catalog'], 'TABLE_NOT_TRACKABLE'],
  [['untrack', '--all'], 'TABLE_NOT_TRACKED'],
])('%j: %s, and nothing is tracked', async (args, code) => {
  await using node = await trackedNode({ plugin: 'pgoutput', tables: TABLES });
  await expect(json(node, ...args)).rejects.toMatchObject({ code });
  const { rows } = await node.store.query('SELECT table_name FROM pgtimewarp.tracked_relations');
  expect(rows).toEqual([]);
});

interface Tracked {
  readonly tables: { readonly table: string; readonly already_tracked: boolean }[];
  readonly not_tracked: unknown[];
}

async function json(node: TrackedNode, ...args: string[]): Promise<Tracked> {
  return JSON.parse((await runCommand([...args, '--json'], node)).stdout) as Tracked;
}

async function status(node: TrackedNode): Promise<unknown> {
  const { stdout } = await runCommand(['status', '--json'], node);
  return (JSON.parse(stdout) as { nodes: { followed: unknown }[] }).nodes[0]!.followed;
}

async function eventsOf(node: TrackedNode): Promise<string[]> {
  const { rows } = await node.store.query<{ code: string }>(
    `SELECT code FROM pgtimewarp.health_events WHERE code LIKE 'TABLE%' ORDER BY code`,
  );
  return rows.map((row) => row.code);
}
