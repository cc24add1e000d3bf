/** Chunks follow the order of the key's own type, whatever schema contains its operators. */
import { expect, test } from 'vitest';
import { parseTableName } from '../../../../core/pg/identifiers.ts';
import { rebaseline } from '../../../../core/rebaseline.ts';
import { trackedNode } from '../../../support/tracked-node.ts';

test('a citext key: a baseline and a repair read every row exactly once', async () => {
  await using node = await trackedNode({
    plugin: 'pgoutput',
    tables: `CREATE SCHEMA odd; CREATE EXTENSION citext SCHEMA odd;
             CREATE TABLE t (id odd.citext, n int, PRIMARY KEY (id, n));
             INSERT INTO t SELECT CASE WHEN i % 2 = 0 THEN 'K' ELSE 'k' END || lpad(i::text, 5, '0'), i FROM generate_series(1, 2000) AS i`,
    track: ['t'],
  });
  const count = async (): Promise<unknown[]> =>
    (
      await node.store.query(
        `SELECT op, count(*)::int AS rows, count(DISTINCT pk)::int AS keys FROM pgtimewarp.row_changes GROUP BY op`,
      )
    ).rows;
  expect(await count()).toEqual([{ op: 'S', rows: 2000, keys: 2000 }]);
  await rebaseline({
    ...{ sourceUrl: node.sourceUrl, storeUrl: node.storeUrl, node: node.node },
    table: parseTableName('t'),
  });
  expect(await count(), 'nothing differs').toEqual([{ op: 'S', rows: 2000, keys: 2000 }]);
});
