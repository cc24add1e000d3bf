/** The context of a commit is deleted with the last of the tables that carry it, whatever other tables of the node keep. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { untrack } from '../../../core/track.ts';
import { urls } from '../../support/node-questions.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';
import { StoreHistory, timeOf } from '../query/query-history.ts';

const TABLES =
  'CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY)';

async function commit(node: TrackedNode, who: string, statements: string): Promise<void> {
  await node.source.query(
    `BEGIN; SELECT pg_logical_emit_message(true, 'pgtimewarp', '"${who}"'); ${statements}; COMMIT`,
  );
}

async function known(node: TrackedNode): Promise<string[]> {
  const { rows } = await node.store.query<{ who: string }>(
    `SELECT t.context #>> '{}' AS who FROM pgtimewarp.transaction_contexts AS t ORDER BY who`,
  );
  return rows.map(({ who }) => who);
}

/** Runs until earlier commits have left a window of a second. */
async function pass(node: TrackedNode): Promise<void> {
  for (let runs = 0; runs < 3; runs++) {
    await sleep(700);
    await node.poll();
  }
}

test('a table that keeps everything does not keep the contexts of other tables', async () => {
  await using node = await trackedNode({ plugin: 'pgoutput', tables: TABLES, track: ['b'] });
  await node.track('a', { retention: '1s' });
  await node.track('c', { retention: '1s' });
  await commit(node, 'a', 'INSERT INTO a VALUES (1)');
  await commit(node, 'a and c', 'INSERT INTO a VALUES (2); INSERT INTO c VALUES (2)');
  await commit(node, 'a truncated', 'TRUNCATE a');
  await commit(node, 'b', 'INSERT INTO b VALUES (1)');
  await commit(node, 'a and b', 'INSERT INTO a VALUES (3); INSERT INTO b VALUES (3)');
  await node.store.query(
    `INSERT INTO pgtimewarp.blocked_changes (node_id, lsn_space, lsn, position, xid, data)
     SELECT node_id, lsn_space, applied_lsn, 1, 1, 'a row' FROM pgtimewarp.wal_checkpoints`,
  );
  await node.poll();
  expect(await known(node)).toEqual(['a', 'a and b', 'a and c', 'a truncated', 'b']);
  await pass(node);
  expect(await known(node)).toEqual(['a and b', 'b']);
  const blocked = await node.store.query('SELECT FROM pgtimewarp.blocked_changes');
  expect(blocked.rowCount, 'rows that could not be applied').toBe(0);

  await untrack({ ...urls(node), table: { schema: 'public', name: 'b' }, purge: true });
  expect(await known(node), 'with the history of the last table').toEqual([]);
});

test('contexts stored before their tables were recorded are deleted when no table of the node keeps that time', async () => {
  await using node = await trackedNode({ plugin: 'pgoutput', tables: TABLES, track: ['b'] });
  await node.track('a', { retention: '1s' });
  await commit(node, 'a', 'INSERT INTO a VALUES (1)');
  await node.poll();
  await node.store.query('UPDATE pgtimewarp.transaction_contexts SET relation_ids = NULL');
  await pass(node);
  expect(await known(node)).toEqual(['a']);
  await node.store.query(`UPDATE pgtimewarp.tracked_relations SET retention = '1s'`);
  await pass(node);
  expect(await known(node)).toEqual([]);
});

test('contexts are deleted in steps, each of which continues where the last one ended', async () => {
  await using node = await trackedNode({ plugin: 'pgoutput' });
  const h = await StoreHistory.create(node.store);
  const [short, long] = [await h.track(), await h.track({ to: 5 }, true)];
  await node.store.query(
    `INSERT INTO pgtimewarp.transaction_contexts (node_id, lsn_space, lsn, context, relation_ids)
     SELECT $1, 1, '0/0'::pg_lsn + n, '{}', CASE WHEN n % 10 = 0 THEN ARRAY[$2::int, $3::int] ELSE ARRAY[$2::int] END
       FROM generate_series(1, 100) AS n`,
    [h.node, short, long],
  );
  await node.store.query(
    `INSERT INTO pgtimewarp.relation_retention (relation_id, retention, expired_before_lsn, expired_before_ts)
     VALUES ($1, '1 day', '0/50', $2)`,
    [short, timeOf(1)],
  );
  const step = async (): Promise<string> => {
    const { rows } = await node.store.query<{ seen: number }>(
      'SELECT pgtimewarp.retention_cut_contexts($1, 30) AS seen',
      [h.node],
    );
    const left = await node.store.query('SELECT FROM pgtimewarp.transaction_contexts');
    return `${rows[0]!.seen} looked at, ${left.rowCount} left`;
  };
  expect([await step(), await step(), await step(), await step()]).toEqual([
    '30 looked at, 73 left',
    '30 looked at, 46 left',
    '20 looked at, 28 left',
    '0 looked at, 28 left',
  ]);
});

test('a step may end between two messages of one transaction', async () => {
  await using node = await trackedNode({ plugin: 'pgoutput' });
  const h = await StoreHistory.create(node.store);
  const [short, long] = [await h.track(), await h.track({ to: 5 }, true)];
  await node.store.query(
    `INSERT INTO pgtimewarp.transaction_contexts (node_id, lsn_space, lsn, seq, context, relation_ids)
     SELECT $1, 1, '0/0'::pg_lsn + lsn, seq, '{}', CASE WHEN seq = 1 THEN ARRAY[$2::int, $3::int] ELSE ARRAY[$2::int] END
       FROM generate_series(1, 4) AS lsn, generate_series(0, 4) AS seq`,
    [h.node, short, long],
  );
  await node.store.query(
    `INSERT INTO pgtimewarp.relation_retention (relation_id, retention, expired_before_lsn, expired_before_ts)
     VALUES ($1, '1 day', '0/4', $2)`,
    [short, timeOf(1)],
  );
  const seen: number[] = [];
  for (let step = 0; step < 5; step++) {
    const { rows } = await node.store.query<{ seen: number }>(
      'SELECT pgtimewarp.retention_cut_contexts($1, 7) AS seen',
      [h.node],
    );
    seen.push(rows[0]!.seen);
  }
  expect(seen).toEqual([7, 7, 6, 0, 0]);
  const { rows } = await node.store.query('SELECT DISTINCT seq FROM pgtimewarp.transaction_contexts');
  expect(rows, 'those that the other table carries').toEqual([{ seq: 1 }]);
});

test('the context of a change is deleted with the tables that carry it, not with other tables of its transaction', async () => {
  await using node = await trackedNode({ plugin: 'pgoutput', tables: TABLES, track: ['b'] });
  await node.track('a', { retention: '1s' });
  const say = (who: string) => `SELECT pg_logical_emit_message(true, 'pgtimewarp', '"${who}"')`;
  await node.source.query(`BEGIN; ${say('of a')}; INSERT INTO a VALUES (1); ${say('of b')}; INSERT INTO b VALUES (1);
    ${say('of both')}; INSERT INTO a VALUES (2); INSERT INTO b VALUES (2); COMMIT`);
  await node.poll();
  expect(await known(node)).toEqual(['of a', 'of b', 'of both']);
  await pass(node);
  expect(await known(node)).toEqual(['of b', 'of both']);
});

test('an answer has the context of a version as long as its commit is in the window', async () => {
  await using node = await trackedNode({ plugin: 'pgoutput' });
  const h = await StoreHistory.create(node.store);
  const relation = await h.track();
  await h.change(relation, 20, 'I');
  await h.change(relation, 40, 'U');
  await node.store.query(
    `INSERT INTO pgtimewarp.transaction_contexts (node_id, lsn, context, relation_ids)
     SELECT $1, r.valid_from_lsn, '"ann"', ARRAY[r.relation_id] FROM pgtimewarp.row_changes AS r`,
    [h.node],
  );
  const who = async (n: number) => (await h.answer(timeOf(n))).context;
  expect([await who(30), await who(50)]).toEqual(['ann', 'ann']);
  await node.store.query(
    `INSERT INTO pgtimewarp.relation_retention (relation_id, retention, expired_before_lsn, expired_before_ts)
     VALUES ($1, '1 day', '0/1400', $2)`,
    [relation, timeOf(20, 1)],
  );
  expect([await who(30), await who(50)]).toEqual([null, 'ann']);
});
