/**
 * pgbench writes at full speed while `track` reads a table that pgbench writes to, and runs poll. The second form adds
 * savepoints, two-phase and asynchronous commits, keys that move, and another table that is truncated. Snapshots of the table
 * at the start, at instants in between and at the end are kept as witnesses. History must agree with them for every row.
 * BASELINE_SCALE sets the size (1: 100,000 rows), BASELINE_SECONDS the time of the load (4), BASELINE_RUNS the number of
 * repetitions (1).
 */
import { execFile } from 'node:child_process';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type pg from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import { expect, test } from 'vitest';
import { parseTableName } from '../../core/pg/identifiers.ts';
import { track } from '../../core/track.ts';
import { allOf, clientProgram, describeNeeding } from '../support/needs.ts';
import { urls } from '../support/node-questions.ts';
import { needOf, PLUGINS } from '../support/plugins.ts';
import { serverInfo } from '../support/server-info.ts';
import { differingTables } from '../support/tpcb.ts';
import { type TrackedNode, trackedNode } from '../support/tracked-node.ts';

const RUNS = Number(process.env.BASELINE_RUNS ?? '1');
const SCALE = Number(process.env.BASELINE_SCALE ?? '1');
const SECONDS = Number(process.env.BASELINE_SECONDS ?? '4');
/** Witnesses between start and end; the short form of CI has fewer. */
const INSTANTS = RUNS > 1 || SCALE > 1 ? 10 : 3;
const MIXERS = 2;
/** The distance by which keys move. */
const MOVED = 100_000_000;
/** How many keys the read path is asked for at each witness: of the keys that changed while rows were read, and of others. */
const ASKED = 2_000;
const TIMEOUT_MS = 300_000 + SCALE * 120_000;
const execute = promisify(execFile);

for (const plugin of PLUGINS) {
  const need = allOf(needOf(plugin), clientProgram('pgbench'));
  describeNeeding(need, `baseline of ${SCALE} × 100,000 rows under pgbench (${plugin})`, () => {
    for (let run = 1; run <= RUNS; run++) {
      // in the short form each plugin tests one of the two
      const forms = RUNS > 1 ? [false, true] : [plugin === 'pgoutput'];
      test.each(forms)(
        `run ${run}, with everything at once: %s`,
        (mixed) => oneRun(plugin, run, mixed),
        TIMEOUT_MS,
      );
    }
  });
}

async function oneRun(plugin: 'wal2json' | 'pgoutput', run: number, mixed: boolean): Promise<void> {
  await using node = await trackedNode({ plugin });
  await pgbench(node, '-i', '-s', String(SCALE), '-q');
  await node.source.query('CREATE TABLE cleared (id int PRIMARY KEY, n int)');
  for (const table of ['pgbench_tellers', 'pgbench_branches', 'cleared']) await node.track(table);
  const witnesses = new Witnesses(node);
  let writing = true;
  const load = [
    pgbench(node, '-c', '3', '-T', '100000', '-n').catch(() => {}), // the test has ended pgbench
    ...(mixed ? Array.from({ length: MIXERS }, (_, index) => mixer(node, index, () => writing)) : []),
  ];
  const polls = (async () => {
    while (writing) await node.poll().catch(() => sleep(20)); // one of the two runs is busy
  })();
  await sleep(500);
  const started = performance.now();
  const first = hasStarted(node).then(() => witnesses.take());
  const tracked = await track({
    ...{
      ...urls(node),
      table: parseTableName('pgbench_accounts'),
      baseline: true,
      exclude: [],
      retention: null,
    },
  });
  const tookMs = performance.now() - started;
  await first;
  for (let i = 0; i < INSTANTS; i++) {
    await sleep((SECONDS * 1000) / INSTANTS);
    await witnesses.take();
  }
  writing = false;
  await node.source.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'pgbench'`,
  );
  await Promise.all([...load, polls]);
  await node.catchUp();
  await witnesses.take();
  await node.catchUp();
  expect(tracked.baseline).toBe('done');
  expect(witnesses.instants).toHaveLength(INSTANTS + 2);
  if (!mixed) expect(await differingTables(node.source, node.store)).toEqual([]);
  const lines: string[] = [];
  for (const [index, at] of witnesses.instants.entries()) {
    const { wrong, unknown, unexplained, rows } = await compare(node, index, at);
    expect.soft({ index, wrong, unexplained }).toEqual({ index, wrong: '0', unexplained: '0' });
    // every witness except the first was taken after all rows had been read
    if (index > 0) expect.soft({ index, unknown }).toEqual({ index, unknown: '0' });
    lines.push(`${rows}/${unknown}`);
  }
  const { rows } = await node.store.query<{ commits: string }>(
    'SELECT count(*) AS commits FROM pgtimewarp.lsn_time_map WHERE xid IS NOT NULL',
  );
  expect(Number(rows[0]!.commits)).toBeGreaterThan(100);
  console.log(
    `${plugin} run ${run}${mixed ? ', mixed' : ''}: baseline in ${(tookMs / 1000).toFixed(1)} s, ${rows[0]!.commits} commits, ` +
      `${witnesses.instants.length} instants (rows/unknown): ${lines.join(' ')}`,
  );
}

/** Resolves when the start of the tracking is fixed, before any row is read. */
async function hasStarted(node: TrackedNode): Promise<void> {
  const store = await node.connect('store');
  for (;;) {
    const { rows } = await store.query<{ started: boolean }>(
      `SELECT tracked_from_lsn IS NOT NULL AS started FROM pgtimewarp.tracked_relations WHERE table_name = 'pgbench_accounts'`,
    );
    if (rows[0]?.started) return;
    await sleep(5);
  }
}

/** Snapshots of the table at instants without writers, kept beside the history. */
class Witnesses {
  readonly instants: string[] = [];
  readonly #node: TrackedNode;

  constructor(node: TrackedNode) {
    this.#node = node;
  }

  /** Stops writers only until the snapshot is taken: the lock waits for running writers, and new writers wait for it. */
  async take(): Promise<void> {
    const [gate, reader, store] = await Promise.all(
      (['source', 'source', 'store'] as const).map((side) => this.#node.connect(side)),
    );
    await gate!.query('BEGIN; LOCK TABLE pgbench_accounts IN EXCLUSIVE MODE');
    await reader!.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM pgbench_accounts LIMIT 1');
    const { rows } = await gate!.query<{ at: string }>('SELECT clock_timestamp() AS at');
    await sleep(3);
    await gate!.query('COMMIT');
    const table = `witness_${this.instants.length}`;
    this.instants.push(rows[0]!.at);
    await store!.query(`CREATE UNLOGGED TABLE ${table} (pk text COLLATE "C", abalance int)`);
    await pipeline(
      reader!.query(
        copyTo('COPY (SELECT json_build_array(aid::text), abalance FROM pgbench_accounts) TO STDOUT'),
      ),
      store!.query(copyFrom(`COPY ${table} FROM STDIN`)),
    );
    await reader!.query('COMMIT');
    await store!.query(`ANALYZE ${table}`);
  }
}

/**
 * Compares every row of the history with the witness, as of its instant. Keys that changed while rows were read may be unknown
 * before that. A part of these keys, and of the others, is also asked through the function that answers all questions.
 */
async function compare(
  node: TrackedNode,
  index: number,
  at: string,
): Promise<Record<'rows' | 'wrong' | 'unknown' | 'unexplained', string>> {
  const { rows } = await node.store.query<Record<'rows' | 'wrong' | 'unknown' | 'unexplained', string>>(
    `WITH period AS MATERIALIZED (
            SELECT p, p.relation_id, p.tracked_from_lsn, p.baseline_lsn, c.applied_lsn, m.lsn
              FROM pgtimewarp.relation_periods AS p
              JOIN pgtimewarp.wal_checkpoints AS c ON c.node_id = p.node_id
             CROSS JOIN LATERAL (SELECT m.lsn FROM pgtimewarp.lsn_time_map AS m
                                  WHERE m.ts <= $1::timestamptz ORDER BY m.ts DESC LIMIT 1) AS m
             WHERE p.table_name = 'pgbench_accounts'),
          early AS MATERIALIZED (
            SELECT DISTINCT c.pk FROM period
              JOIN pgtimewarp.row_changes AS c
                ON c.relation_id = period.relation_id AND c.op <> 'S' AND c.valid_from_lsn <= period.baseline_lsn),
          last AS (
            SELECT DISTINCT ON (c.pk) c.pk, c.op, (c.row_data ->> 'abalance')::int AS abalance
              FROM period
              JOIN pgtimewarp.row_changes AS c
                ON c.relation_id = period.relation_id AND c.valid_from_lsn <= greatest(period.lsn, period.tracked_from_lsn)
             ORDER BY c.pk, c.valid_from_lsn DESC, c.seq DESC),
          both_sides AS MATERIALIZED (
            SELECT coalesce(l.pk, w.pk) AS pk, l.op IS NOT NULL AND l.op <> 'D' AS said, l.abalance AS balance_said,
                   w.pk IS NOT NULL AS seen, w.abalance AS balance_seen
              FROM last AS l FULL JOIN witness_${index} AS w ON w.pk = l.pk),
          asked AS (
            (SELECT b.* FROM both_sides AS b JOIN early USING (pk) ORDER BY hashtext(b.pk) LIMIT ${ASKED})
             UNION ALL
            (SELECT b.* FROM both_sides AS b ORDER BY hashtext(b.pk) LIMIT ${ASKED})),
          answered AS MATERIALIZED (
            SELECT a.pk, a.seen, a.balance_seen, v.status, (v.row_data ->> 'abalance')::int AS balance
              FROM asked AS a, period,
                   pgtimewarp.version_at(period.p, a.pk, greatest(period.lsn, period.tracked_from_lsn), 2147483647,
                                         period.applied_lsn, true) AS v)
     SELECT (SELECT count(*) FROM witness_${index}) AS rows,
            (SELECT count(*) FROM both_sides AS b
              WHERE (b.said <> b.seen OR b.seen AND b.balance_said IS DISTINCT FROM b.balance_seen)
                AND NOT EXISTS (SELECT FROM early WHERE early.pk = b.pk AND $2::int = 0))
            + (SELECT count(*) FROM answered AS a
                WHERE a.status <> 'unknown'
                  AND ((a.status = 'found') <> a.seen OR a.seen AND a.balance IS DISTINCT FROM a.balance_seen)) AS wrong,
            (SELECT count(*) FROM answered WHERE status = 'unknown') AS unknown,
            (SELECT count(*) FROM answered AS a
              WHERE a.status = 'unknown' AND NOT EXISTS (SELECT FROM early WHERE early.pk = a.pk)) AS unexplained`,
    [at, index],
  );
  return rows[0]!;
}

/** Adds what pgbench lacks: savepoints, two-phase and asynchronous commits, keys that move, and truncates of another table. */
async function mixer(node: TrackedNode, index: number, writing: () => boolean): Promise<void> {
  const session = await node.connect('source');
  if (index === 0) await session.query('SET synchronous_commit = off');
  for (let i = 0; writing(); i++) {
    await mixedTransaction(session, node.node, `${index}-${i}`, i).catch(() => session.query('ROLLBACK'));
  }
}

async function mixedTransaction(session: pg.Client, name: string, suffix: string, i: number): Promise<void> {
  const aid = 1 + Math.floor(Math.random() * SCALE * 100_000);
  const rewrite = 'UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = $1';
  await session.query('BEGIN');
  await session.query(rewrite, [aid]);
  await session.query('SAVEPOINT s');
  await session.query(rewrite, [aid + 1]);
  await session.query(i % 2 === 0 ? 'ROLLBACK TO s' : 'RELEASE s');
  await session.query(`UPDATE pgbench_accounts SET aid = ${MOVED} - aid WHERE aid IN ($1, ${MOVED} - $1)`, [
    aid,
  ]);
  await session.query(
    'INSERT INTO cleared VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET n = cleared.n + 1',
    [i % 10, i],
  );
  if (i % 50 === 49) await session.query('TRUNCATE cleared');
  if (i % 3 === 0) {
    await session.query(`PREPARE TRANSACTION '${name}-${suffix}'`);
    await session.query(`COMMIT PREPARED '${name}-${suffix}'`);
  } else {
    await session.query('COMMIT');
  }
}

async function pgbench(node: TrackedNode, ...options: string[]): Promise<void> {
  await execute(`${serverInfo().binDir}/pgbench`, [...options, node.sourceUrl]);
}
