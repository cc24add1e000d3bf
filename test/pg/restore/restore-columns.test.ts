/** Columns that got another name after the transaction, or another column their name: no value goes into another column. */
import { describe, expect, test } from 'vitest';
import { runCommand } from '../../support/command.ts';
import { restoreInBulk } from '../../support/restore-in-bulk.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';

const TABLES = `CREATE TABLE t (id int PRIMARY KEY, a timestamp, b timestamp);
  INSERT INTO t VALUES (1, '2026-01-31 09:41', '2026-02-28 10:00')`;

/** The commit LSN of the last transaction. */
async function lastCommit(node: TrackedNode): Promise<string> {
  await node.catchUp();
  const { stdout } = await runCommand(['transactions', '--json'], node);
  return (JSON.parse(stdout) as { transactions: { lsn: string }[] }).transactions[0]!.lsn;
}

describe.each([
  ['dropped and added again', 'ALTER TABLE t DROP COLUMN a; ALTER TABLE t ADD COLUMN a date'],
  ['exchanged', 'ALTER TABLE t RENAME a TO c; ALTER TABLE t RENAME b TO a; ALTER TABLE t RENAME c TO b'],
  ['renamed', 'ALTER TABLE t RENAME a TO c'],
])('restore into a table with columns that were %s', (_, change) => {
  test.each(['DELETE FROM t', 'TRUNCATE t'])('after %s', async (removal) => {
    await using node = await trackedNode({ plugin: 'pgoutput', tables: TABLES, track: ['t'] });
    await node.source.query(removal);
    const lsn = await lastCommit(node);
    await node.source.query(change);
    for (const when of ['before a run has seen it', 'after it']) {
      const { refused } = await restoreInBulk(node, { transactions: [lsn] });
      expect(refused[0], when).toMatchObject({ reason: 'columns_renamed' });
      expect((await node.source.query('SELECT FROM t')).rows, when).toEqual([]);
      for (let runs = 0; runs < 4; runs++) await node.poll();
    }
  });
});
