/** A column that has another type now: the restore puts back exactly the values of the history, or it is refused. */
import { describe, expect, test } from 'vitest';
import { runCommand } from '../../support/command.ts';
import { restoreInBulk } from '../../support/restore-in-bulk.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';

/** The commit LSN of the last transaction. */
async function lastCommit(node: TrackedNode): Promise<string> {
  await node.catchUp();
  const { stdout } = await runCommand(['transactions', '--json'], node);
  return (JSON.parse(stdout) as { transactions: { lsn: string }[] }).transactions[0]!.lsn;
}

/** A table whose row 1 was deleted before the type of its column changed. */
async function deletedBefore(
  type: string,
  value: string,
  change: string,
): Promise<{ node: TrackedNode; lsn: string }> {
  const tables = `CREATE TABLE t (id int PRIMARY KEY, v ${type}); INSERT INTO t VALUES (1, '${value}'), (2, NULL)`;
  const node = await trackedNode({ plugin: 'pgoutput', tables, track: ['t'] });
  await node.source.query('DELETE FROM t WHERE id = 1');
  const lsn = await lastCommit(node);
  await node.source.query(`ALTER TABLE t ALTER v TYPE ${change}`);
  return { node, lsn };
}

describe('restore into a column of another type', () => {
  test.each([
    ['numeric', '12.345', 'numeric(10,2)', null],
    ['numeric(10,2)', '1.50', 'numeric(12,4)', '1.5000'],
    ['char(3)', 'ab', 'char(5)', 'ab'],
    ['timestamp', '2026-01-31 09:41:00', 'date', null],
    ['varchar(5)', 'ab   ', 'varchar(3)', null],
    ['numeric(10,2)[]', '{1.25}', 'numeric(10,1)[]', null],
    ['int', '7', 'bigint', '7'],
  ])('%s %s, now %s', async (type, value, change, restored) => {
    const { node, lsn } = await deletedBefore(type, value, change);
    await using _ = node;
    const restore = () => runCommand(['restore', '--transaction', lsn, '--apply', '--json'], node);
    const rows = async () =>
      (await node.source.query<{ v: string | null }>('SELECT v::text FROM t ORDER BY id')).rows;
    for (const when of ['before a run has seen the type', 'after it']) {
      if (restored === null) {
        await expect(restore(), when).rejects.toMatchObject({
          code: 'RESTORE_REFUSED',
          message: expect.stringMatching(/type_changed: .*v of the row /),
        });
        expect(await rows(), when).toEqual([{ v: null }]);
      } else if (when === 'after it') {
        expect(await restore()).toMatchObject({ code: 0 });
        expect(await rows()).toEqual([{ v: restored }, { v: null }]);
      }
      for (let runs = 0; runs < 4; runs++) await node.poll();
    }
  });

  test('rows in bulk', async () => {
    const tables = 'CREATE TABLE t (id int PRIMARY KEY, v numeric); INSERT INTO t VALUES (1, 12.345), (2, 1)';
    await using node = await trackedNode({ plugin: 'pgoutput', tables, track: ['t'] });
    await node.source.query('TRUNCATE t');
    const lsn = await lastCommit(node);
    await node.source.query('ALTER TABLE t ALTER v TYPE numeric(10,2)');
    expect((await restoreInBulk(node, { transactions: [lsn] })).refused).toMatchObject([
      { reason: 'table_changed', message: expect.stringContaining('got another type: v') },
    ]);
    for (let runs = 0; runs < 4; runs++) await node.poll();
    await expect(restoreInBulk(node, { transactions: [lsn] })).rejects.toMatchObject({
      message: expect.stringContaining('type_changed'),
    });
    expect((await node.source.query('SELECT FROM t')).rows).toEqual([]);
  });
});
