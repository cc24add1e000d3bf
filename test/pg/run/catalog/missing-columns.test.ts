/**
 * A column that an update left out is filled in from the version before, or named as incomplete, whatever happened to its name
 * and storage. It is never left out without a word.
 */
import { expect, test } from 'vitest';
import { describeNeeding } from '../../../support/needs.ts';
import { needOf, PLUGINS } from '../../../support/plugins.ts';
import { type TrackedNode, trackedNode } from '../../../support/tracked-node.ts';

/** Twenty thousand characters that do not compress: stored out of line. */
const LARGE = `(SELECT string_agg(md5(i::text), '') FROM generate_series(1, 625) AS i)`;

/** The columns of the last version of the row with key 1; incomplete ones are marked. */
async function columnsOf(node: TrackedNode): Promise<string[]> {
  const { rows } = await node.store.query<{ columns: string[] }>(
    `SELECT ARRAY(SELECT json_object_keys(c.row_data)) || ARRAY(SELECT name || '?' FROM unnest(c.incomplete) AS name) AS columns
       FROM pgtimewarp.row_changes AS c WHERE c.pk = '["1"]'
      ORDER BY c.valid_from_lsn DESC, c.seq DESC LIMIT 1`,
  );
  return [...rows[0]!.columns].sort();
}

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `columns that an update leaves out, ${plugin}`, () => {
    const withLarge = () =>
      trackedNode({
        plugin,
        tables: `CREATE TABLE t (id int PRIMARY KEY, big text, n int);
                 ALTER TABLE t ALTER big SET STORAGE EXTERNAL;
                 INSERT INTO t VALUES (1, ${LARGE}, 0)`,
        track: ['t'],
      });

    test('after SET STORAGE PLAIN, which does not move existing values, the column is filled in', async () => {
      await using node = await withLarge();
      await node.source.query('ALTER TABLE t ALTER big SET STORAGE PLAIN');
      await node.source.query('UPDATE t SET n = 1');
      await node.poll();
      expect(await columnsOf(node)).toEqual(['big', 'id', 'n']);
    });

    test.each([
      ['once', ['ALTER TABLE t RENAME big TO large']],
      ['twice', ['ALTER TABLE t RENAME big TO wide', 'ALTER TABLE t RENAME wide TO large']],
      [
        'and its name given to a new column',
        ['ALTER TABLE t RENAME big TO large', 'ALTER TABLE t ADD big text'],
      ],
    ])('renamed %s, the value is there or the column is named', async (_, statements) => {
      await using node = await withLarge();
      for (const statement of statements) {
        await node.source.query(statement);
        await node.poll();
      }
      await node.source.query('UPDATE t SET n = 1');
      await node.poll();
      const columns = await columnsOf(node);
      expect(columns.some((each) => each === 'large' || each === 'large?')).toBe(true);
      await node.source.query(`UPDATE t SET large = 'short'`);
      await node.poll();
      expect(await columnsOf(node)).toContain('large');
    });

    test('renamed after an update that left the value out, and before the run', async () => {
      await using node = await withLarge();
      await node.source.query('UPDATE t SET n = 1');
      await node.source.query('ALTER TABLE t RENAME big TO large');
      await node.poll();
      expect((await columnsOf(node)).filter((each) => /^(big|large)\??$/.test(each))).not.toEqual([]);
    });

    test('renamed in an earlier run, beside another column that is dropped: the value is there or the column is named', async () => {
      await using node = await withLarge();
      await node.source.query('ALTER TABLE t RENAME big TO large');
      await node.poll();
      await node.source.query('UPDATE t SET n = 1');
      await node.source.query('ALTER TABLE t DROP n');
      await node.poll();
      expect((await columnsOf(node)).filter((each) => /^large\??$/.test(each))).not.toEqual([]);
    });

    test('a column that is added later is not incomplete', async () => {
      await using node = await withLarge();
      await node.source.query('UPDATE t SET n = 1');
      await node.source.query('ALTER TABLE t ADD later text');
      await node.poll();
      expect(await columnsOf(node)).toEqual(['big', 'id', 'n']);
    });
  });
}
