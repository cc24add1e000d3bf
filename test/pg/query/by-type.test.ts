/** A value is compared as the type of its column compares: what the source's own WHERE finds, the history finds. */
import { describe, expect, test } from 'vitest';
import { changes } from '../../../core/query/changes.ts';
import { findRows } from '../../../core/query/find.ts';
import { NOW } from '../../../core/query/instant.ts';
import { describeNeeding } from '../../support/needs.ts';
import { needOf, PLUGINS } from '../../support/plugins.ts';
import { runCli } from '../../support/run-cli.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';

const TYPES = `
  CREATE EXTENSION citext;
  CREATE TYPE mood AS ENUM ('sad', 'happy');
  CREATE DOMAIN price AS numeric;
  CREATE DOMAIN span AS int4range;`;

/** A value that is stored, and other ways to write it. */
const SAME: readonly (readonly [type: string, stored: string, ...asked: string[]])[] = [
  ['int4', '7', '007'],
  ['numeric', '1.00', '1.0', '1e0'],
  ['float8', '1e10', '10000000000'],
  ['float8', '-0', '0'],
  ['bool', 't', 'yes'],
  ['char(5)', 'a', 'a', 'a   '],
  ['citext', 'AbC', 'aBc'],
  ['mood', 'happy', 'happy'],
  ['text', `o'b"\\ \n{}=`, `o'b"\\ \n{}=`],
  ['text', '', ''],
  ['uuid', '00000000-0000-0000-0000-00000000000a', '0000000000000000000000000000000A'],
  ['timestamptz', '2026-01-01 00:00:00+00', '2026-01-01T01:00:00+01:00', '2026-01-01'],
  ['interval', '30 days', '1 month', '720:00:00'],
  ['bytea', '\\x61', 'a'],
  ['inet', '10.0.0.1', '10.0.0.1/32'],
  ['jsonb', '{"a": 1, "b": [1.0, "\\u00e9"]}', '{"b":[1.00,"é"],"a":1}'],
  ['jsonb', '"x"', '"x"'],
  ['jsonb', 'null', 'null'],
  ['json', '"x"', '"x"'],
  ['int4[]', '{1,2}', '{1, 2}'],
  ['int4[]', '[0:1]={1,2}', '[0:1]={1,2}'],
  ['text[]', '{a,"b c",NULL,"null"}', '{"a","b c",null,"null"}'],
  ['numeric[]', '{{1.0},{2}}', '{{1.00},{2.0}}'],
  ['timestamptz[]', '{"2026-01-01 00:00+00"}', '{"2026-01-01 01:00+01"}'],
  ['jsonb[]', '{"{\\"a\\": 1}"}', '{"{\\"a\\":1}"}'],
  ['mood[]', '{happy,sad}', '{"happy", sad}'],
  ['int4range', '[1,3]', '[1,4)'],
  ['numrange', '[1.0,2)', '[1.00,2.0)'],
  ['tstzrange', '["2026-01-01 00:00+00",)', '["2026-01-01 01:00+01",)'],
  ['int4multirange', '{[1,3]}', '{[1,2],[3,3]}'],
  ['tsvector', 'a b', 'b a'],
  ['price', '1.00', '1.0'],
  ['span', '[1,3]', '[1,4)'],
];
/** Texts that look alike and are other values. */
const OTHER: readonly (readonly [type: string, stored: string, ...asked: string[]])[] = [
  ['text', 'a', 'a ', 'A', ''],
  ['varchar(5)', 'a', 'a '],
  ['jsonb', '"1"', '1'],
  ['jsonb', '1', '"1"', 'null'],
  ['text[]', '{a}', '{A}', '{}', '{{a}}'],
  ['int4[]', '[0:1]={1,2}', '{1,2}'],
  ['numrange', '[1,2)', '[1,2]'],
  ['price', '1.00', '1.01'],
];

const CASES = [...SAME, ...OTHER];

async function finds(node: TrackedNode, where: Record<string, string | null>): Promise<string[]> {
  const request = { node: node.node, table: { schema: 'public', name: 't' }, where, at: NOW };
  const { rows } = await findRows(node.store, { ...request, from: null, to: null, limit: 100 });
  // a null that may be NaN matches every number
  return rows.filter((row) => row.incomplete === undefined).map(({ pkText }) => JSON.parse(pkText).id);
}

for (const plugin of PLUGINS)
  describeNeeding(needOf(plugin), `values of rows through ${plugin}`, () => {
    describe('are compared as the source compares them', () => {
      test.each([
        ['other ways to write them', 0, SAME.length, 1],
        ['texts that only look alike', SAME.length, CASES.length, 0],
      ] as const)('%s', async (_, from, to, expected) => {
        const columns = CASES.map(([type], index) => `c${index} ${type}`).join(', ');
        await using node = await trackedNode({
          plugin,
          tables: `${TYPES} CREATE TABLE t (id int PRIMARY KEY, ${columns})`,
          track: ['t'],
        });
        for (const [index, [, stored]] of CASES.entries())
          await node.source.query(`INSERT INTO t (id, c${index}) VALUES ($1, $2)`, [index, stored]);
        await node.poll();
        const wrong: string[] = [];
        for (let index = from; index < to; index++) {
          const [type, stored, ...texts] = CASES[index]!;
          for (const text of texts) {
            const operator = type === 'json' ? '::text =' : '=';
            const live = await node.source.query(`SELECT FROM t WHERE c${index} ${operator} $1`, [text]);
            const found = await finds(node, { [`c${index}`]: text });
            if (live.rowCount !== expected || found.length !== expected)
              wrong.push(`${type} ${stored}: ${text}: ${live.rowCount} live, found ${found.join()}`);
          }
        }
        expect(wrong).toEqual([]);
      });
    });

    test('a value that the type cannot have is refused', async () => {
      await using node = await trackedNode({
        plugin,
        tables: 'CREATE TABLE t (id int PRIMARY KEY, j jsonb, a int[], r int4range)',
        track: ['t'],
      });
      for (const [column, text] of ['j x', 'a x', 'a {x}', 'r [2,1]'].map((each) => each.split(' ')))
        await expect(finds(node, { [column!]: text! })).rejects.toMatchObject({ code: 'BAD_FLAGS' });
    });

    test('NULL can be asked for: it is neither an empty text nor the null of JSON', async () => {
      await using node = await trackedNode({
        plugin,
        tables: `CREATE TABLE t (id int PRIMARY KEY, v text, j jsonb);
                 INSERT INTO t VALUES (1, NULL, NULL), (2, '', 'null'), (3, 'null', '1')`,
        track: ['t'],
      });
      expect(await finds(node, { v: null })).toEqual(['1']);
      expect(await finds(node, { v: '' })).toEqual(['2']);
      expect(await finds(node, { v: 'null' })).toEqual(['3']);
      expect(await finds(node, { j: null })).toEqual(['1']);
      expect(await finds(node, { j: 'null' })).toEqual(['2']);
      await node.source.query(
        `UPDATE t SET v = 'x' WHERE id = 1; UPDATE t SET v = NULL WHERE id = 3; DELETE FROM t WHERE id = 2`,
      );
      await node.poll();
      for (const net of [false, true]) {
        const request = { node: node.node, table: { schema: 'public', name: 't' }, from: null, to: null };
        const filter = { where: { v: null } };
        const page = await changes(node.store, { ...request, limit: 10, net, filter });
        expect(page.changes.map(({ pkText }) => pkText).sort()).toEqual(['{"id":"1"}', '{"id":"3"}']);
      }
      const asked = ['find', 't', '--json', '--where', 'v is null'];
      const { rows } = (await runCli(asked, { env: node.env })).json() as { rows: { pk: unknown }[] };
      expect(rows.map(({ pk }) => pk)).toEqual([{ id: '3' }]);
      const twice = await runCli([...asked, '--where', 'v=1'], { env: node.env });
      expect(twice.code).toBe(2);
    });
  });
