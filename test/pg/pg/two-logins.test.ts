/**
 * Two logins that write one store in turns, as in a rotation with two users. One login cannot see what sessions of the other
 * do, nor since when. A run that is frozen under one login is replaced by the other, or the error says why not.
 */
import type pg from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { connect } from '../../../core/pg/connection.ts';
import { poll } from '../../../core/poll.ts';
import { claimNode } from '../../../core/store/node/claim.ts';
import { troubles } from '../../support/doctored.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';

let node: TrackedNode;
let logins: { readonly first: string; readonly second: string };
let frozen: pg.Client;

beforeEach(async () => {
  node = await trackedNode({
    plugin: 'pgoutput',
    tables: 'CREATE TABLE t (id int PRIMARY KEY)',
    track: ['t'],
  });
  logins = { first: `first_${node.node}`, second: `second_${node.node}` };
  for (const login of Object.values(logins))
    await node.store.query(`CREATE ROLE ${login} LOGIN PASSWORD 'p' IN ROLE pgtimewarp_writer`);
  frozen = await connect(as(logins.first), { side: 'store', node: node.node, isWatched: false });
  await claimNode(frozen, node.node, 1);
});

afterEach(async () => {
  await frozen?.end().catch(() => {});
  for (const login of Object.values(logins ?? {})) await node.store.query(`DROP ROLE IF EXISTS ${login}`);
  await node?.[Symbol.asyncDispose]();
});

function as(login: string): string {
  const url = new URL(node.storeUrl);
  [url.username, url.password] = [login, 'p'];
  return url.href;
}

const run = () => poll({ sourceUrl: node.sourceUrl, storeUrl: as(logins.second), node: node.node });

/** The lease ended so long ago; the holder is frozen in the middle of its transaction. */
async function leaseIsPast(interval: string): Promise<void> {
  await node.store.query(`UPDATE pgtimewarp.wal_checkpoints SET lease_until = now() - $1::interval`, [
    interval,
  ]);
  await frozen.query('BEGIN; SELECT FROM pgtimewarp.wal_checkpoints FOR UPDATE');
}

test('a frozen run that can be seen is ended at once', async () => {
  await node.store.query(`GRANT pg_read_all_stats, pg_signal_backend TO ${logins.second}`);
  await leaseIsPast('1 second');
  await node.source.query('INSERT INTO t VALUES (1)');
  expect(await run()).toMatchObject({ outcome: 'done', changes: 1 });
  await expect(frozen.query('SELECT 1')).rejects.toThrow();
});

test('a frozen run that cannot be seen is ended after some time', async () => {
  await node.store.query(`GRANT pg_signal_backend TO ${logins.second}`);
  await leaseIsPast('10 minutes');
  expect(await run()).toMatchObject({ outcome: 'busy' });
  await frozen.query('ROLLBACK');
  await leaseIsPast('16 minutes');
  expect(await run()).toMatchObject({ outcome: 'done' });
});

test('if the login may not end it, the run fails with the SQL to run; doctor warns before', async () => {
  const said = await troubles({ ...node, storeUrl: as(logins.second) });
  const check = said.find(({ code }) => code === 'store_other_login');
  expect(check).toMatchObject({ status: 'warn', message: expect.stringContaining(logins.first) });
  await leaseIsPast('16 minutes');
  await expect(run()).rejects.toMatchObject({
    code: 'PERMISSION_DENIED',
    message: expect.stringContaining(`role ${logins.first}`),
    remedy: expect.stringMatching(
      /SELECT pg_terminate_backend\(\d+\); GRANT pg_read_all_stats, pg_signal_backend/,
    ),
  });
});

test('history that a hidden reader may need is not dropped', async () => {
  const { rows: owners } = await node.store.query<{ owner: string }>('SELECT current_user AS owner');
  const seen = async (): Promise<boolean> => {
    const { rows } = await node.store.query<{ seen: boolean }>(
      'SELECT pgtimewarp.retention_seen_by_all(pg_snapshot_xmax(pg_current_snapshot())) AS seen',
    );
    return rows[0]!.seen;
  };
  const function_ = 'FUNCTION pgtimewarp.retention_seen_by_all(xid8)';
  await node.store.query(`ALTER ${function_} OWNER TO ${logins.second}`);
  try {
    await frozen.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
    expect(await seen()).toBe(false);
    await frozen.query('ROLLBACK');
    await expect.poll(seen).toBe(true);
  } finally {
    await node.store.query(`ALTER ${function_} OWNER TO ${owners[0]!.owner}`);
  }
});
