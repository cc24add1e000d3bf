/**
 * Beside the questions that all ways answer (questions.ts): a typed row in SQL equals the row of the table, whatever its names
 * and values are.
 */
import { expect, test } from 'vitest';
import { quoteTable } from '../../core/pg/identifiers.ts';
import { describeNeeding } from '../support/needs.ts';
import { needOf, PLUGINS } from '../support/plugins.ts';
import { sqlSource } from '../support/sql-source.ts';
import { trackedNode } from '../support/tracked-node.ts';
import { HOSTILE, HOSTILE_KEYS, HOSTILE_TABLE } from './scenario.ts';

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `a typed row through ${plugin}`, () => {
    test('returns what the table held, with hostile names and values', async () => {
      const table = quoteTable(HOSTILE);
      await using node = await trackedNode({ plugin, tables: HOSTILE_TABLE, track: [table] });
      await using sql = await sqlSource(node);
      const held: { at: string; row: string | null }[] = [];
      const [value] = HOSTILE_KEYS;
      const steps = [
        `INSERT INTO ${table} VALUES ($1, 1.5, '{"op": "}"}', '\\x00ff', '},"op":')`,
        `UPDATE ${table} SET v = '["\\\\u0000"]', row = NULL WHERE "k,1" = $1`,
        `UPDATE ${table} SET "op" = NULL WHERE "k,1" = $1`,
        `DELETE FROM ${table} WHERE "k,1" = $1`,
        `INSERT INTO ${table} VALUES ($1, 1.50, '1', '', E'\\n')`,
      ];
      for (const step of steps) {
        await node.source.query(step, [value]);
        await node.catchUp();
        const { rows } = await node.source.query<{ at: string; row: string | null }>(
          `SELECT (pgtimewarp_horizon()).ts::text AS at, (SELECT row_to_json(x)::text FROM ${table} x) AS row`,
        );
        held.push(rows[0]!);
      }
      expect(held.filter(({ row }) => row === null)).toHaveLength(1);
      for (const { at, row } of held) {
        const { rows } = await node.source.query<{ row: string }>(
          `SELECT row_to_json(r)::text AS row FROM pgtimewarp_asof_row(NULL::${table}, $1, $2) r`,
          [JSON.stringify({ 'k,1': value, 'K"2': '1.50' }), at],
        );
        expect(rows[0]?.row ?? null).toBe(row);
      }
      expect(sql.warnings()).toEqual([]);
    });
  });
}
