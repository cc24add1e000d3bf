/**
 * Tables, schemas and columns whose names look like attacks work like all others: they are tracked, polled, asked about,
 * excluded and deleted, and nothing else happens.
 */
import pg from 'pg';
import { expect, test } from 'vitest';
import { formatTableName, type TableName } from '../../../../core/pg/identifiers.ts';
import { asOf } from '../../../../core/query/as-of.ts';
import { diff } from '../../../../core/query/diff.ts';
import { parseInstant } from '../../../../core/query/instant.ts';
import { keyFromText } from '../../../../core/query/key-input.ts';
import { runRetention } from '../../../../core/retention/change-retention.ts';
import { untrack } from '../../../../core/track.ts';
import { describeNeeding } from '../../../support/needs.ts';
import { needOf, PLUGINS } from '../../../support/plugins.ts';
import { runCli } from '../../../support/run-cli.ts';
import { trackedNode } from '../../../support/tracked-node.ts';

const HOSTILE = [
  `x"; DROP TABLE victim; --`,
  `$$; DROP TABLE victim; $$`,
  `a'b`,
  'two\nlines\tand\rmore',
  '%s %I %1$L \\n \\',
  'a,b.*(c) [d] {e} "f"',
  'é'.repeat(31), // 62 of the 63 bytes
];
const VICTIM = 'CREATE TABLE victim (id int PRIMARY KEY); CREATE SCHEMA IF NOT EXISTS pgtimewarp_victim';

/** Quotes by pg's own function, because ours is under test. */
const quoteIdentifier = (name: string): string => pg.escapeIdentifier(name);
const quoteTable = ({ schema, name }: TableName): string => [schema, name].map(quoteIdentifier).join('.');

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `hostile names through ${plugin}`, () => {
    test('work', async () => {
      await using node = await trackedNode({ plugin, tables: VICTIM });
      await node.store.query('CREATE TABLE victim (id int)');
      const tables = HOSTILE.map(
        (name, index): TableName => ({
          schema: index === 0 ? name : HOSTILE[index % 3]!,
          name,
        }),
      );
      for (const schema of new Set(tables.map((table) => table.schema)))
        await node.source.query(`CREATE SCHEMA ${quoteIdentifier(schema)}`);
      for (const table of tables) {
        const [key, value, secret] = [
          table.name,
          `v ${table.name}`.slice(0, 31),
          `s ${table.name}`.slice(0, 31),
        ];
        await node.source.query(
          `CREATE TABLE ${quoteTable(table)} (${quoteIdentifier(key)} text PRIMARY KEY,
             ${quoteIdentifier(value)} text, ${quoteIdentifier(secret)} text)`,
        );
        await node.source.query(`INSERT INTO ${quoteTable(table)} VALUES ($1, $1, 'hidden')`, [table.name]);
        await node.track(formatTableName(table), { exclude: [secret], retention: '1 day' });
      }
      for (const table of tables) {
        const [key, value] = [table.name, `v ${table.name}`.slice(0, 31)].map(quoteIdentifier);
        await node.source.query(`UPDATE ${quoteTable(table)} SET ${value} = 'second' WHERE ${key} = $1`, [
          table.name,
        ]);
        await node.source.query(`INSERT INTO ${quoteTable(table)} VALUES ('gone', 'x')`);
        await node.source.query(`DELETE FROM ${quoteTable(table)} WHERE ${key} = 'gone'`);
      }
      expect(await node.poll()).toMatchObject({ changes: tables.length * 3, missing: [] });
      for (const table of tables) {
        const request = {
          node: node.node,
          table,
          pk: keyFromText(JSON.stringify({ [table.name]: table.name })),
        };
        const answer = await asOf(node.store, { ...request, at: parseInstant(undefined) });
        expect(answer.status, table.name).toBe('found');
        const { row, schema, table: name } = JSON.parse(answer.answerText) as Record<string, unknown>;
        expect({ row, schema, name }).toEqual({
          row: { [table.name]: table.name, [`v ${table.name}`.slice(0, 31)]: 'second' },
          schema: table.schema,
          name: table.name,
        });
        const page = await diff(node.store, { ...request, from: null, to: null, limit: 10 });
        expect(page.changes.map((change) => change.op)).toEqual(['S', 'U']);
        const gone = await asOf(node.store, {
          ...request,
          pk: keyFromText('gone'),
          at: parseInstant(undefined),
        });
        expect(gone).toMatchObject({ status: 'absent', reason: 'deleted' });
      }
      const [first] = tables;
      const byCommand = await runCli(
        ['asof', formatTableName(first!), '--pk', JSON.stringify({ [first!.name]: first!.name }), '--json'],
        { env: node.env },
      );
      expect(byCommand, byCommand.stderr).toMatchObject({ code: 0 });
      expect(byCommand.json()).toMatchObject({ table: first!.name, status: 'found' });
      await runRetention(node);
      for (const table of tables)
        await untrack({
          sourceUrl: node.sourceUrl,
          storeUrl: node.storeUrl,
          node: node.node,
          table,
          purge: true,
        });
      for (const database of [node.source, node.store]) {
        const { rows } = await database.query(`SELECT to_regclass('public.victim') IS NOT NULL AS there`);
        expect(rows).toEqual([{ there: true }]);
      }
    });

    test.runIf(plugin === 'pgoutput')('are refused if they cannot be names', async () => {
      await using node = await trackedNode({ plugin, tables: VICTIM });
      for (const args of [
        ['status', '--node', `x'; DROP TABLE victim; --`],
        ['init', '--slot', `x"; DROP TABLE victim; --`],
        ['track', `victim; DROP TABLE victim; --`],
        ['track', `"${'é'.repeat(32)}"`],
      ]) {
        const result = await runCli([...args, '--json'], { env: node.env });
        expect(result.code, result.stdout).toBe(2);
      }
      const { rows } = await node.source.query(`SELECT to_regclass('public.victim') IS NOT NULL AS there`);
      expect(rows).toEqual([{ there: true }]);
    });
  });
}
