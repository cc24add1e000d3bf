/**
 * The typed row of a row that was written under other column names: if it is certain which column a value belongs to, the value
 * comes under the present name; otherwise the function raises an error. It never returns NULL instead.
 */
import { expect, test } from 'vitest';
import { describeNeeding } from '../../../support/needs.ts';
import { needOf, PLUGINS } from '../../../support/plugins.ts';
import { sqlSource } from '../../../support/sql-source.ts';
import { type TrackedNode, trackedNode } from '../../../support/tracked-node.ts';

const TABLE = `CREATE TABLE t (id int PRIMARY KEY, a int, b text); INSERT INTO t VALUES (1, 10, 'one')`;

async function typed(node: TrackedNode, at: string, id = 1): Promise<string> {
  try {
    const { rows } = await node.source.query<{ row: string }>(
      'SELECT row_to_json(r)::text AS row FROM pgtimewarp_asof_row(NULL::t, to_jsonb($2::int), $1) AS r',
      [at, id],
    );
    return rows[0]?.row ?? 'absent';
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return `${code} ${message.replace(/^.*: /, '')}`;
  }
}

async function horizon(node: TrackedNode): Promise<string> {
  await node.poll();
  const { rows } = await node.store.query<{ ts: string }>(
    'SELECT applied_ts AS ts FROM pgtimewarp.wal_checkpoints WHERE node_id = $1',
    [node.node],
  );
  return rows[0]!.ts;
}

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `typed rows of renamed columns, ${plugin}`, () => {
    const prepare = async () => {
      const node = await trackedNode({ plugin, tables: TABLE, track: ['t'] });
      const sql = await sqlSource(node);
      return {
        ...{ node, sql },
        [Symbol.asyncDispose]: async () => {
          await node[Symbol.asyncDispose]();
          await sql[Symbol.asyncDispose]();
        },
      };
    };

    test('a rename is followed, in a baseline row and in a written one, before and after a run records it', async () => {
      await using prepared = await prepare();
      const { node } = prepared;
      const read = await horizon(node);
      await node.source.query('UPDATE t SET a = 11');
      const written = await horizon(node);
      await node.source.query('ALTER TABLE t RENAME b TO c');
      expect(await typed(node, read)).toBe('{"id":1,"a":10,"c":"one"}');
      expect(await typed(node, written)).toBe('{"id":1,"a":11,"c":"one"}');
      await node.source.query('UPDATE t SET a = 12');
      const after = await horizon(node);
      expect(await typed(node, read)).toBe('{"id":1,"a":10,"c":"one"}');
      expect(await typed(node, written)).toBe('{"id":1,"a":11,"c":"one"}');
      expect(await typed(node, after)).toBe('{"id":1,"a":12,"c":"one"}');
      await node.source.query('ALTER TABLE t RENAME c TO d');
      await node.poll();
      await node.source.query('ALTER TABLE t RENAME d TO b');
      await horizon(node);
      for (const at of [read, written, after]) expect(await typed(node, at)).toMatch(/"b":"one"}$/);
      const { rows } = await node.source.query(`SELECT pgtimewarp_asof_pk('t', '1', $1)::text AS plain`, [
        after,
      ]);
      expect(rows).toEqual([{ plain: '{"id":1,"a":12,"c":"one"}' }]); // the row as it was then
    });

    test('a row that is written before the rename and read after it, in one run', async () => {
      await using prepared = await prepare();
      const { node } = prepared;
      await node.source.query(`INSERT INTO t VALUES (2, 20, 'two')`);
      await node.source.query('ALTER TABLE t RENAME b TO c');
      await node.source.query(`INSERT INTO t VALUES (3, 30, 'three')`);
      const at = await horizon(node);
      expect(await typed(node, at, 2)).toBe('{"id":2,"a":20,"c":"two"}');
      expect(await typed(node, at, 3)).toBe('{"id":3,"a":30,"c":"three"}');
    });

    test('a column that was added later is NULL, also if it was renamed since', async () => {
      await using prepared = await prepare();
      const { node } = prepared;
      const before = await horizon(node);
      await node.source.query('ALTER TABLE t ADD x int');
      await node.poll();
      await node.source.query('ALTER TABLE t RENAME x TO y');
      await node.poll();
      expect(await typed(node, before)).toBe('{"id":1,"a":10,"b":"one","y":null}');
    });

    test.each([
      [
        'exchanged names',
        ['ALTER TABLE t RENAME a TO x', 'ALTER TABLE t RENAME b TO a', 'ALTER TABLE t RENAME x TO b'],
        { b: 10, a: 'one' },
      ],
      [
        'a name given to a new column',
        ['ALTER TABLE t RENAME b TO c', 'ALTER TABLE t ADD b text'],
        { a: 10, c: 'one', b: null },
      ],
      [
        'a column dropped and another added under its name',
        ['ALTER TABLE t DROP b', 'ALTER TABLE t ADD b text'],
        { a: 10, b: null },
      ],
    ])('%s: each value is right or left out', async (_, statements, right) => {
      await using prepared = await prepare();
      const { node } = prepared;
      const before = await horizon(node);
      for (const statement of statements) await node.source.query(statement);
      await node.source.query(`INSERT INTO t (id) VALUES (2)`);
      for (let run = 0; run < 3; run++) await node.poll();
      const got = await typed(node, before);
      if (!got.startsWith('TW015')) expect(JSON.parse(got)).toEqual({ id: 1, ...right });
      const now = await typed(node, await horizon(node));
      if (!now.startsWith('TW015')) expect(JSON.parse(now)).toEqual({ id: 1, ...right });
    });

    test('a table recreated under the name: no value moves to a column because of its position', async () => {
      await using prepared = await prepare();
      const { node } = prepared;
      const before = await horizon(node);
      await node.source.query('ALTER TABLE t RENAME TO old');
      await node.source.query('CREATE TABLE t (id int PRIMARY KEY, z int, y text)');
      expect(await typed(node, before)).toMatch(/^TW005/); // the rights on the new table do not cover the other table's history
      for (let run = 0; run < 4; run++) await node.poll();
      expect(await typed(node, before)).toMatch(/^TW015 y, z|^TW015 z, y/);
    });
  });
}
