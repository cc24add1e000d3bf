/**
 * TPC-B as real input: after any number of concurrent transactions, balances agree as of every commit of the map, the history
 * as of now equals the live tables in every column, and as of an instant between it equals what a session saw then.
 */
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { asOf } from '../../../core/query/as-of.ts';
import { parseInstant } from '../../../core/query/instant.ts';
import { keyFromText } from '../../../core/query/key-input.ts';
import { allOf, clientProgram, describeNeeding } from '../../support/needs.ts';
import { needOf, PLUGINS } from '../../support/plugins.ts';
import { serverInfo } from '../../support/server-info.ts';
import { differingTables, TPCB_TABLES, tpcbSums } from '../../support/tpcb.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';

const SCALE = process.env.PGBENCH_SCALE ?? '10';
const SECONDS = process.env.PGBENCH_SECONDS ?? '10';
const run = promisify(execFile);

for (const plugin of PLUGINS) {
  describeNeeding(allOf(needOf(plugin), clientProgram('pgbench')), `pgbench through ${plugin}`, () => {
    let node: TrackedNode;
    const middle: { at: string; rows: Map<string, string> } = { at: '', rows: new Map() };

    beforeAll(async () => {
      node = await trackedNode({ plugin });
      await pgbench(node, '-i', '-s', SCALE, '-q');
      for (const table of TPCB_TABLES) await node.track(table);
      const load = pgbench(node, '-c', '4', '-j', '2', '-T', SECONDS, '-n');
      await sleep(Number(SECONDS) * 500);
      await readTenAccounts(node, middle);
      await load;
      await node.catchUp();
    }, 240_000);

    afterAll(async () => {
      await node?.[Symbol.asyncDispose]();
    });

    test('the balances agree as of every commit of the map', async () => {
      const { commits, wrong, mapped } = await tpcbSums(node.store);
      expect(Number(commits)).toBeGreaterThan(100);
      expect(commits).toBe(mapped);
      const { rows } = await node.source.query<{ commits: string }>(
        'SELECT count(*) + 1 AS commits FROM pgbench_history', // one row each, and the update afterwards
      );
      expect(mapped, 'every transaction is one').toBe(rows[0]!.commits);
      expect(wrong).toBe('0');
    });

    test('times increase with positions, whatever timestamps the commits of the clients have', async () => {
      const { rows } = await node.store.query<{ wrong: string; inverted: string }>(
        `SELECT count(*) FILTER (WHERE ts <= ts_before) AS wrong, count(*) FILTER (WHERE commit_ts <= commit_before) AS inverted
           FROM (SELECT ts, commit_ts, lag(ts) OVER w AS ts_before, lag(commit_ts) OVER w AS commit_before
                   FROM pgtimewarp.lsn_time_map WINDOW w AS (ORDER BY lsn)) AS m`,
      );
      expect(rows[0]!.wrong, `${rows[0]!.inverted} commits were stamped out of order`).toBe('0');
    });

    test('as of now equals the live tables, every row and column', async () => {
      expect(await differingTables(node.source, node.store)).toEqual([]);
    });

    test('as of an instant between equals what a session saw then', async () => {
      expect(middle.rows.size).toBe(10);
      let changedSince = 0;
      for (const [aid, row] of middle.rows) {
        const answer = await asOf(node.store, {
          node: node.node,
          table: { schema: 'public', name: 'pgbench_accounts' },
          pk: keyFromText(aid),
          at: parseInstant(middle.at),
        });
        expect(answer).toMatchObject({ status: 'found', final: true });
        expect(answer.answerText).toContain(row);
        const now = await node.source.query<{ row: string }>(
          'SELECT to_json(a)::text AS row FROM pgbench_accounts a WHERE aid = $1',
          [aid],
        );
        if (now.rows[0]!.row !== row) changedSince++;
      }
      expect(changedSince, 'the ten accounts were chosen among busy ones').toBeGreaterThan(0);
    });
  });
}

async function pgbench(node: TrackedNode, ...options: string[]): Promise<void> {
  await run(`${serverInfo().binDir}/pgbench`, [...options, node.sourceUrl]);
}

/**
 * Ten accounts, locked while the instant is recorded: no other session can change them at the same moment, so the session sees
 * exactly what was committed by then. They are changed once more afterwards.
 */
async function readTenAccounts(
  node: TrackedNode,
  noted: { at: string; rows: Map<string, string> },
): Promise<void> {
  const session = await node.connect('source');
  await session.query('BEGIN');
  const { rows } = await session.query<{ aid: string; row: string }>(
    `SELECT aid::text AS aid, to_json(a)::text AS row FROM pgbench_accounts AS a
      WHERE abalance <> 0 ORDER BY aid LIMIT 10 FOR UPDATE`,
  );
  await sleep(20);
  const clock = await session.query<{ at: string }>(
    `SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at`,
  );
  await sleep(20);
  await session.query('COMMIT');
  await session.query("UPDATE pgbench_accounts SET filler = 'changed later' WHERE aid = ANY ($1::int[])", [
    rows.slice(0, 5).map((row) => row.aid),
  ]);
  noted.at = clock.rows[0]!.at;
  for (const row of rows) noted.rows.set(row.aid, row.row);
}
