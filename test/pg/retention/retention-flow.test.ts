/** Retention in use: by runs on a real source, by the command line, and on tables that had no retention before. */
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { poll } from '../../../core/poll.ts';
import { runRetention, setRetention } from '../../../core/retention/change-retention.ts';
import { init } from '../../../core/setup/init.ts';
import { firstForkedCommit } from '../../../core/store/history/time-map.ts';
import { track } from '../../../core/track.ts';
import { parseCommitTime } from '../../../core/types/commit-time.ts';
import { parseLsn } from '../../../core/types/lsn.ts';
import { describeNeeding } from '../../support/needs.ts';
import { urls } from '../../support/node-questions.ts';
import { needOf, PLUGINS } from '../../support/plugins.ts';
import { gist, RetentionTwins, random } from '../../support/retention-twins.ts';
import { runCli } from '../../support/run-cli.ts';
import { type TestDatabases, testDatabases } from '../../support/test-databases.ts';
import { trackedNode } from '../../support/tracked-node.ts';
import { type Answer, lsnOf, StoreHistory, timeOf } from '../query/query-history.ts';

/** When tracking began. */
const AN_HOUR_AGO = `UPDATE pgtimewarp.tracked_relations SET tracked_from_ts = tracked_from_ts - interval '1 hour'`;
const TABLES = 'CREATE TABLE t (id int PRIMARY KEY, n int, big text)';
const PUBLIC_T = { schema: 'public', name: 't' };

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `retention through ${plugin}`, () => {
    test('a node that deletes history with every poll answers like one that keeps everything, or `expired`', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES });
      const all = { sourceUrl: node.sourceUrl, storeUrl: node.storeUrl, node: `${node.node}_all` };
      await node.source.query(`INSERT INTO t SELECT i, 0, 'x' FROM generate_series(1, 8) i`);
      await init({ ...all, plugin, slotName: null, version: 'test' });
      await track({ ...all, table: PUBLIC_T, baseline: true, exclude: [], retention: null });
      await node.track('t', { retention: '2s', shared: true });
      const pick = random(3);
      for (let round = 0; round < 30; round++) {
        for (let i = 0; i < 6; i++) {
          const id = 1 + pick(8);
          const what = pick(14);
          if (what === 0) await node.source.query('TRUNCATE t');
          else if (what < 4) await node.source.query('DELETE FROM t WHERE id = $1', [id]);
          else if (what < 6) await node.source.query('UPDATE t SET id = id + 100 WHERE id = $1', [id]);
          else if (what < 8) await node.source.query('UPDATE t SET n = n + 1 WHERE id = $1', [id]);
          else {
            await node.source.query(
              `INSERT INTO t SELECT $1, $2, string_agg(md5(i::text), '') FROM generate_series(1, 100) i
               ON CONFLICT (id) DO UPDATE SET n = excluded.n`,
              [id, round],
            );
          }
        }
        await node.poll();
        await poll(all);
      }
      const { asked, expired, wrong } = await compareNodes(node.store, node.node, all.node);
      expect(wrong).toEqual([]);
      expect(asked).toBeGreaterThan(500);
      expect(expired).toBeGreaterThan(100);
      const ranges = await node.store.query('SELECT FROM pgtimewarp.relation_ranges WHERE is_base');
      expect(ranges.rowCount).toBe(1);
    }, 120_000);

    test('a new table has no ranges, and gets them soon', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES });
      await node.track('t', { retention: '8h' });
      await node.poll();
      const count = async (): Promise<number> =>
        (await node.store.query('SELECT FROM pgtimewarp.relation_ranges')).rowCount!;
      expect(await count()).toBe(0);
      await node.store.query(AN_HOUR_AGO); // an eighth
      await node.poll();
      expect(await count()).toBeGreaterThan(2);
    });

    test('a large table gets ranges at once, while a scan of it is short', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES });
      await node.track('t', { retention: '8h' });
      await node.store.query(
        `INSERT INTO pgtimewarp.row_changes (relation_id, pk, valid_from_lsn, seq, valid_from_ts, op, row_data)
         SELECT r.relation_id, '["' || i || '"]', r.tracked_from_lsn, 0, r.tracked_from_ts, 'S', to_json(repeat('x', 1900))
           FROM pgtimewarp.tracked_relations AS r, generate_series(1, 35000) AS i`,
      );
      await node.poll();
      const { rowCount } = await node.store.query('SELECT FROM pgtimewarp.relation_ranges');
      expect(rowCount).toBeGreaterThan(2);
    });

    test('a constraint that a dead run left is removed before the next run writes', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES });
      await node.track('t', { retention: '8h' });
      await node.store.query(AN_HOUR_AGO); // ranges are made after an eighth of the window
      await node.source.query(`INSERT INTO t VALUES (1, 1, '')`);
      await node.poll();
      await node.store.query(
        `SELECT pgtimewarp.retention_check(g.relation_id, g.table_name, c.applied_lsn + 1)
           FROM pgtimewarp.relation_ranges g, pgtimewarp.wal_checkpoints c`,
      );
      await node.source.query(`INSERT INTO t VALUES (2, 2, '')`);
      await node.poll();
      const { rowCount } = await node.store.query('SELECT FROM pgtimewarp.row_changes');
      expect(rowCount).toBe(2);
    });

    test('if a reader prevents the removal of a constraint, the run stops, and no transaction counts as failed', async () => {
      await using node = await trackedNode({ plugin, tables: TABLES });
      await node.track('t', { retention: '8h' });
      await node.store.query(AN_HOUR_AGO);
      await node.poll();
      await node.store.query(
        `SELECT pgtimewarp.retention_check(g.relation_id, g.table_name, c.applied_lsn + 1)
           FROM pgtimewarp.relation_ranges g, pgtimewarp.wal_checkpoints c`,
      );
      await node.source.query(`INSERT INTO t VALUES (1, 1, '')`);
      await node.store.query('BEGIN; SELECT FROM pgtimewarp.row_changes');
      await expect(node.poll()).rejects.toMatchObject({ code: 'TRANSACTION_CONFLICT' });
      const { rows } = await node.store.query('SELECT failures FROM pgtimewarp.wal_checkpoints');
      expect(rows).toEqual([{ failures: 0 }]);
      await node.store.query('COMMIT');
      await node.poll();
      const { rowCount } = await node.store.query('SELECT FROM pgtimewarp.row_changes');
      expect(rowCount).toBe(1);
    });
  });
}

test('a constraint that a run had no time to look for stops it, and is no failure of a transaction', async () => {
  await using node = await trackedNode({ plugin: 'pgoutput', tables: TABLES });
  await node.track('t', { retention: '8h' });
  await node.store.query(AN_HOUR_AGO);
  await node.poll();
  await node.store.query(
    `SELECT pgtimewarp.retention_check(g.relation_id, g.table_name, c.applied_lsn + 1)
       FROM pgtimewarp.relation_ranges g, pgtimewarp.wal_checkpoints c`,
  );
  await node.source.query(`INSERT INTO t VALUES (1, 1, '')`);
  await node.store.query('BEGIN; LOCK TABLE pgtimewarp.relation_ranges'); // the store does not answer in time
  const limited = poll({ ...urls(node), maxSeconds: 12 });
  await expect(limited).rejects.toMatchObject({ code: 'TRANSACTION_CONFLICT' });
  await node.store.query('COMMIT');
  const { rows } = await node.store.query('SELECT failures FROM pgtimewarp.wal_checkpoints');
  expect(rows).toEqual([{ failures: 0 }]);
  await node.poll();
  const { rowCount } = await node.store.query('SELECT FROM pgtimewarp.row_changes');
  expect(rowCount).toBe(1);
});

/** Every key at every commit of the node that keeps everything. */
async function compareNodes(
  store: pg.Client,
  forgetting: string,
  keeping: string,
): Promise<{ asked: number; expired: number; wrong: string[] }> {
  const { rows } = await store.query<{
    pk: string;
    lsn: string;
    forgot: string;
    kept: string;
    cutoff: string;
  }>(
    `SELECT k.pk, m.lsn, f.answer::text AS forgot, a.answer::text AS kept, x.expired_before_lsn AS cutoff
       FROM pgtimewarp.tracked_relations r
       JOIN pgtimewarp.relation_retention x ON x.relation_id = r.relation_id
      CROSS JOIN (SELECT DISTINCT c.pk::jsonb ->> 0 AS pk FROM pgtimewarp.row_changes c) k
       JOIN pgtimewarp.lsn_time_map m ON m.node_id = $2 AND m.lsn >= r.tracked_from_lsn
      CROSS JOIN LATERAL pgtimewarp.asof_answer($1, 'public', 't', to_jsonb(k.pk), NULL, m.lsn, NULL) f
      CROSS JOIN LATERAL pgtimewarp.asof_answer($2, 'public', 't', to_jsonb(k.pk), NULL, m.lsn, NULL) a
      WHERE r.node_id = $1`,
    [forgetting, keeping],
  );
  const wrong: string[] = [];
  let expired = 0;
  const plain = (answer: Answer): string => {
    // the two nodes began at different positions, so their baseline rows differ in position
    const baseline = answer.op === 'S' ? { valid_from: null } : {};
    const absent = answer.status === 'absent' ? { reason: null, op: null, valid_from: null } : {};
    return gist({ ...answer, ...baseline, ...absent });
  };
  for (const { pk, lsn, forgot, kept, cutoff } of rows) {
    const answer = JSON.parse(forgot) as Answer;
    const isOut = parseLsn(lsn) < parseLsn(cutoff);
    if (isOut) expired++;
    const right = isOut ? answer.reason === 'expired' : plain(answer) === plain(JSON.parse(kept) as Answer);
    if (!right) wrong.push(`${pk} at ${lsn}, cutoff ${cutoff}: ${forgot} not ${kept}`);
  }
  return { asked: rows.length, expired, wrong };
}

describe('the command line', () => {
  test('set, show, run; the default is used for tables that are tracked later', async () => {
    await using node = await trackedNode({
      plugin: 'pgoutput',
      tables: `${TABLES}; CREATE TABLE later (id int PRIMARY KEY)`,
    });
    await node.track('t');
    await node.source.query(`INSERT INTO t VALUES (1, 1, '')`);
    await node.poll();
    const cli = (...args: string[]) => runCli(['retention', ...args, '--json'], { env: node.env });
    expect((await cli('set', '1s', 't')).json()).toEqual({ node: node.node, retention: '1s', tables: ['t'] });
    expect((await cli('set', '12h')).code).toBe(0);
    await node.track('later');
    expect((await cli('set', '1 day', 't')).code).toBe(2);
    expect((await cli('set', '1d', 'nowhere')).code).toBe(2);
    expect((await cli('run')).json()).toMatchObject({ outcome: 'done' });
    await sleep(1_200);
    await node.poll(); // the horizon moves
    expect((await cli('run')).json()).toMatchObject({ outcome: 'done' });
    expect((await cli('show')).json()).toMatchObject({
      default: '12h',
      tables: [
        { table: 'public.later', retention: '12:00:00', oldest: null },
        {
          table: 'public.t',
          retention: '00:00:01',
          oldest: { ts: expect.any(String) },
          ranges: expect.any(Number),
        },
      ],
    });
    const asof = await runCli(['asof', 't', '--pk', '1', '--at', await trackedFrom(node.store), '--json'], {
      env: node.env,
    });
    expect(asof.code).toBe(4);
    expect(asof.json()).toMatchObject({
      reason: 'expired',
      oldest: { lsn: expect.any(String), ts: expect.any(String) },
    });
    const status = await runCli(['status', '--json'], { env: node.env });
    expect(status.json()).toMatchObject({
      nodes: [{ tables: [{ size_bytes: expect.any(Number) }, { ranges: expect.any(Number) }] }],
    });
    expect((await runCli(['status'], { env: node.env })).stdout).toMatch(/answers from .*size/);
  }, 60_000);
});

async function trackedFrom(store: pg.Client): Promise<string> {
  const { rows } = await store.query<{ ts: string }>(
    `SELECT to_char(tracked_from_ts + interval '1 microsecond', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS ts
       FROM pgtimewarp.tracked_relations WHERE table_name = 't'`,
  );
  return rows[0]!.ts;
}

describe('tables with history', () => {
  let databases: TestDatabases;
  beforeAll(async () => {
    databases = await testDatabases();
  });
  afterAll(async () => {
    await databases?.[Symbol.asyncDispose]();
  });

  test('an existing partition of the store becomes the first range, also if it is too large for a scan under a lock', async () => {
    const session = await databases.connect('store');
    const twins = await RetentionTwins.create(session, {
      baseline: 'done',
      baselineRead: 14,
      window: 100,
      seed: 2,
    });
    await twins.happen(20);
    const file = async (name: string): Promise<string> =>
      (
        await session.query<{ file: string }>('SELECT pg_relation_filenode($1::regclass)::text AS file', [
          `pgtimewarp.${name}`,
        ])
      ).rows[0]!.file;
    const before = await file(`row_changes_r${twins.relation}`);
    const client = await databases.connect('store');
    const query = client.query.bind(client) as (...args: unknown[]) => Promise<unknown>;
    let [slow, validated] = [1, 0];
    client.query = (async (...args: unknown[]) => {
      const text = String(args[0]);
      if (text.includes('retention_validate')) validated++;
      if (text.includes('retention_split') && slow-- > 0) {
        return query('SET LOCAL statement_timeout = 1; SELECT pg_sleep(1)');
      }
      return query(...args);
    }) as unknown as pg.Client['query'];
    expect((await twins.forget(client)).unfinished).toEqual([]);
    expect(validated).toBe(1);
    const { rows } = await session.query<{ table_name: string }>(
      'SELECT table_name FROM pgtimewarp.relation_ranges WHERE relation_id = $1 AND from_lsn IS NULL',
      [twins.relation],
    );
    expect(await file(rows[0]!.table_name)).toBe(before);
    const checks = await session.query(`SELECT FROM pg_constraint WHERE conname = 'pgtimewarp_closing'`);
    expect(checks.rowCount).toBe(0);
  });

  test('an earlier period is deleted as a whole when all of it is before the window', async () => {
    const history = await StoreHistory.create(databases.store, 30);
    const past = await history.track({ from: 10, to: 20 }, true);
    await history.change(past, 12, 'I');
    const now = await history.track({ from: 25, baseline: 'done' });
    await history.change(now, 27, 'I');
    const target = { storeUrl: databases.storeUrl, node: history.node };
    await setRetention(target, [PUBLIC_T], '15s');
    await runRetention(target);
    expect(await history.verdict(16)).toBe('found 12');
    expect(await history.line(timeOf(13))).toBe('unknown/expired');
    await history.moveHorizon(60);
    await runRetention(target);
    expect(await history.verdict(16)).toBe('unknown/expired');
    expect(await history.verdict(28)).toBe('unknown/expired');
    expect(await history.verdict(50)).toBe('found 27');
    const { rows } = await databases.store.query<{ gone: boolean }>(
      'SELECT to_regclass($1) IS NULL AS gone',
      [`pgtimewarp.row_changes_r${past}`],
    );
    expect(rows[0]!.gone).toBe(true);
    const page = await history.diff({ fromAt: timeOf(11) });
    expect(page.changes).toEqual([]);
    expect(page.unknownText).toContain('expired');
  });

  test('replayed commits whose history was deleted are no fork; one that was never stored is', async () => {
    const history = await StoreHistory.create(databases.store, 60);
    const relation = await history.track({ from: 10 });
    for (let n = 11; n < 60; n++) await history.change(relation, n, n === 11 ? 'I' : 'U');
    await setRetention({ storeUrl: databases.storeUrl, node: history.node }, [PUBLIC_T], '10s');
    const result = await runRetention({ storeUrl: databases.storeUrl, node: history.node });
    expect(result!.mapEntriesForgotten).toBeGreaterThan(30);
    const claim = { nodeId: history.node, lsnSpace: 1 } as Parameters<typeof firstForkedCommit>[1];
    const commit = (n: number) => ({
      lsn: parseLsn(lsnOf(n)),
      xid: '700',
      timestamp: parseCommitTime('2026-01-01 00:00:00+00'),
    });
    expect(await firstForkedCommit(databases.store, claim, [commit(20)])).toBeNull();
    expect(await firstForkedCommit(databases.store, claim, [commit(20), commit(55)])).toBe(
      parseLsn(lsnOf(55)),
    );
  });

  test('the map is kept as long as any table needs it', async () => {
    const history = await StoreHistory.create(databases.store, 60);
    const relation = await history.track({ from: 10 });
    for (let n = 11; n < 60; n++) await history.commit(n, 700 + n);
    await history.change(relation, 40, 'I');
    await databases.store.query(
      `INSERT INTO pgtimewarp.tracked_relations (node_id, schema_name, table_name, pk_columns, pk_kinds, tracked_from_lsn, tracked_from_ts)
       VALUES ($1, 'public', 'other', '{id}', '{int4}', $2, $3)`,
      [history.node, lsnOf(10), timeOf(10)],
    );
    await setRetention({ storeUrl: databases.storeUrl, node: history.node }, [PUBLIC_T], '10s');
    const result = await runRetention({ storeUrl: databases.storeUrl, node: history.node });
    expect(result!.mapEntriesForgotten).toBe(0);
  });
});

test("a window longer than PostgreSQL's range of times is refused; a stored one stops no run", async () => {
  await using node = await trackedNode({ plugin: 'pgoutput', tables: 'CREATE TABLE t (id int PRIMARY KEY)' });
  for (const retention of ['99999999d', '0s', 'soon'])
    await expect(node.track('t', { retention })).rejects.toMatchObject({ code: 'BAD_FLAGS' });
  const target = { storeUrl: node.storeUrl, node: node.node };
  await expect(setRetention(target, [], '400000d')).rejects.toMatchObject({ code: 'BAD_FLAGS' });
  await node.track('t', { retention: '30d' });
  await node.store.query(`UPDATE pgtimewarp.tracked_relations SET retention = '99999999 days'`);
  await node.source.query('INSERT INTO t VALUES (1)');
  for (let runs = 0; runs < 2; runs++)
    expect(await node.poll()).toMatchObject({ outcome: 'done', caughtUp: true });
  await node.store.query('UPDATE pgtimewarp.tracked_relations SET retention = NULL');
  await node.poll();
  const kept = await node.store.query('SELECT count(retention)::int AS n FROM pgtimewarp.relation_retention');
  expect(kept.rows, 'no window at all').toEqual([{ n: 0 }]);
});

test('contexts, and rows of a commit that could not be applied, are deleted with the history', async () => {
  await using node = await trackedNode({ plugin: 'pgoutput', tables: 'CREATE TABLE t (id int PRIMARY KEY)' });
  await node.track('t', { retention: '1s' });
  await node.source.query(
    `BEGIN; SELECT pg_logical_emit_message(true, 'pgtimewarp', '{"user": "ann"}'); INSERT INTO t VALUES (1); COMMIT`,
  );
  await node.poll();
  await node.store.query(
    `INSERT INTO pgtimewarp.blocked_changes (node_id, lsn_space, lsn, position, xid, data)
     SELECT node_id, lsn_space, applied_lsn, 1, 1, 'a row' FROM pgtimewarp.wal_checkpoints`,
  );
  const left = async (): Promise<unknown> =>
    (
      await node.store.query(
        `SELECT (SELECT count(*)::int FROM pgtimewarp.transaction_contexts) AS contexts,
                (SELECT count(*)::int FROM pgtimewarp.blocked_changes) AS blocked`,
      )
    ).rows[0];
  expect(await left()).toEqual({ contexts: 1, blocked: 1 });
  for (let runs = 0; runs < 4; runs++) {
    await sleep(700);
    await node.source.query('INSERT INTO t VALUES ($1)', [10 + runs]);
    await node.poll();
  }
  await sleep(1_200);
  await node.poll();
  await node.poll();
  expect(await left()).toEqual({ contexts: 0, blocked: 0 });
});
