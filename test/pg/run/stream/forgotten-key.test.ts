/**
 * wal2json 2.5 looks up a table's key for every row. If the catalog changes at that moment, it loses the key: the row then
 * comes with `"pk":[]`, and with a wrong identity or none. This was seen once in 30,000 commits beside TRUNCATE and autovacuum.
 * Here the test removes the key from the text of a real peek.
 */
import { expect, test } from 'vitest';
import { connect } from '../../../../core/pg/connection.ts';
import { type PollResult, pollWith } from '../../../../core/poll.ts';
import { changeRows } from '../../../support/changed-rows.ts';
import { describeNeeding } from '../../../support/needs.ts';
import { needOf } from '../../../support/plugins.ts';
import { type TrackedNode, trackedNode } from '../../../support/tracked-node.ts';

const TABLES = 'CREATE TABLE items (id int PRIMARY KEY, note text)';
const WRITES = [
  `INSERT INTO items VALUES (1, 'first')`,
  `INSERT INTO items VALUES (2, 'second')`,
  `UPDATE items SET id = 3, note = 'moved' WHERE id = 2; DELETE FROM items WHERE id = 1`,
];
const NOTHING_LOST = ['["1"] I', '["2"] I', '["2"] D', '["3"] I', '["1"] D'];

describeNeeding(needOf('wal2json'), 'a key that wal2json forgot', () => {
  test('the peek is repeated, and the row is kept', async () => {
    await using node = await trackedNode({ plugin: 'wal2json', tables: TABLES, track: ['items'] });
    for (const sql of WRITES) await node.source.query(sql);
    const { result, peeks } = await pollTearing(
      node,
      (row, peek) => (peek === 1 && row.includes('"second"')) || (peek === 2 && row.includes('"action":"D"')),
    );
    expect(result).toMatchObject({ outcome: 'done', transactions: 3 });
    expect(peeks).toBe(3);
    expect(await changes(node)).toEqual(NOTHING_LOST);
    expect(await gaps(node)).toEqual([]);
  });

  test('what the first peek found is reported once', async () => {
    await using node = await trackedNode({ plugin: 'wal2json', tables: TABLES, track: ['items'] });
    await node.source.query(`INSERT INTO items VALUES (7, 'seventh')`);
    await node.catchUp();
    await node.source.query('ALTER TABLE items ADD d int DEFAULT 7');
    for (const sql of WRITES) await node.source.query(sql);
    const { peeks } = await pollTearing(node, (row, peek) => peek === 1 && row.includes('"second"'));
    expect(peeks).toBe(2);
    expect(await gaps(node)).toHaveLength(1);
    const { rows } = await node.store.query(
      `SELECT severity FROM pgtimewarp.health_events WHERE severity <> 'info'`,
    );
    expect(rows).toEqual([{ severity: 'fail' }]);
  });

  test('a table that really had no key gets a gap after three peeks', async () => {
    await using node = await trackedNode({ plugin: 'wal2json', tables: TABLES, track: ['items'] });
    for (const sql of WRITES) await node.source.query(sql);
    const { result, peeks } = await pollTearing(node, (row) => row.includes('"second"'));
    expect(result.outcome).toBe('done');
    expect(peeks).toBe(3);
    expect(await gaps(node)).toEqual(['the primary key is (), tracked is (id)']);
    expect(await changes(node)).toEqual(NOTHING_LOST.filter((change) => change !== '["2"] I'));
  });
});

/** A run in which the rows that `isTorn` selects come without their key; counts its peeks. */
async function pollTearing(
  node: TrackedNode,
  isTorn: (row: string, peek: number) => boolean,
): Promise<{ result: PollResult; peeks: number }> {
  const source = await connect(node.sourceUrl, { side: 'source', node: node.node });
  const store = await connect(node.storeUrl, { side: 'store', node: node.node });
  let peeks = 0;
  changeRows(source, (row) => (isTorn(row, peeks) ? row.replace(/"pk":\[.*\]\}$/, '"pk":[]}') : row));
  const query = source.query.bind(source) as (...args: unknown[]) => unknown;
  source.query = ((...args: unknown[]) => {
    const [first] = args;
    if (typeof first === 'string' && first.startsWith('DECLARE pgtimewarp_peek')) peeks++;
    return query(...args);
  }) as typeof source.query;
  try {
    return { result: await pollWith({ source, store }, { node: node.node }), peeks };
  } finally {
    await source.end();
    await store.end();
  }
}

async function changes(node: TrackedNode): Promise<string[]> {
  const { rows } = await node.store.query<{ change: string }>(
    `SELECT pk || ' ' || op::text AS change FROM pgtimewarp.row_changes WHERE op <> 'S' ORDER BY valid_from_lsn, seq`,
  );
  return rows.map(({ change }) => change);
}

async function gaps(node: TrackedNode): Promise<string[]> {
  const { rows } = await node.store.query<{ reason: string }>(
    'SELECT reason FROM pgtimewarp.history_gaps ORDER BY from_lsn',
  );
  return rows.map(({ reason }) => reason);
}
