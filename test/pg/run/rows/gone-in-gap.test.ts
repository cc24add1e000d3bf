/**
 * A row that was deleted in a gap of the node is deleted at the end of the gap. That answer never changes, whether the LSNs of
 * the source continue after the gap or a new LSN space begins.
 */
import { expect, test } from 'vitest';
import { parseTableName } from '../../../../core/pg/identifiers.ts';
import { asOf } from '../../../../core/query/as-of.ts';
import { changes } from '../../../../core/query/changes.ts';
import { parseInstant } from '../../../../core/query/instant.ts';
import { keyFromText } from '../../../../core/query/key-input.ts';
import { rebaselineNode } from '../../../../core/rebaseline-node.ts';
import { urls } from '../../../support/node-questions.ts';
import { type TrackedNode, trackedNode } from '../../../support/tracked-node.ts';

const TABLES =
  'CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE TABLE untracked (id int)';

/** A time of the store as people type it. */
async function timeIn(node: TrackedNode, column: string, table: string): Promise<string> {
  const { rows } = await node.store.query<{ ts: string }>(
    `SELECT to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS ts FROM pgtimewarp.${table}`,
  );
  return rows[0]!.ts;
}

/** What is known of row 2 at a time, and its changes up to then. */
async function known(node: TrackedNode, at: string): Promise<unknown> {
  const table = parseTableName('t');
  const row = await asOf(node.store, { node: node.node, table, pk: keyFromText('2'), at: parseInstant(at) });
  const interval = { from: null, to: parseInstant(at), limit: 10 };
  const { changes: all } = await changes(node.store, { node: node.node, table, ...interval });
  const { status, reason, final } = row;
  return { status, reason, final, changes: all.map(({ op, pkText }) => `${op} ${pkText}`) };
}

test.each([
  ['go on', false],
  ['begin anew', true],
] as const)('LSNs that %s: the deletion keeps its place', async (_, isAnew) => {
  await using node = await trackedNode({ plugin: 'pgoutput', tables: TABLES, track: ['t'] });
  await node.source.query('SELECT pg_drop_replication_slot($1)', [node.slot]);
  await node.source.query('DELETE FROM t WHERE id = 2');
  if (isAnew) await node.store.query('UPDATE pgtimewarp.nodes SET timeline = timeline + 1'); // as after a promotion
  await rebaselineNode({ ...urls(node), version: 'test' });
  const space = await node.store.query<{ lsn_space: number }>(
    'SELECT lsn_space FROM pgtimewarp.wal_checkpoints',
  );
  expect(space.rows[0]!.lsn_space).toBe(isAnew ? 2 : 1);
  const deleted = { status: 'absent', reason: 'deleted', final: true, changes: ['D {"id":"2"}'] };
  const start = await timeIn(node, 'tracked_from_ts', 'tracked_relations');
  const horizon = await timeIn(node, 'applied_ts', 'wal_checkpoints');
  for (let run = 0; run < 3; run++) {
    expect(await known(node, start)).toEqual(deleted);
    expect(await known(node, horizon)).toEqual(deleted);
    await node.source.query('INSERT INTO untracked VALUES (1)'); // nothing of it is stored, but the horizon moves
    await node.poll();
  }
});
