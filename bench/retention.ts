/**
 * Forgetting the oldest range takes time in proportion to that range, not to the history, and nobody waits for a lock for
 * a second: 10 ranges of 1 M versions (5 M in full) and 3 such ranges, written straight into a store, forget two ranges
 * each while as-of questions are asked.
 */
import type pg from 'pg';
import { connect } from '../core/pg/connection.ts';
import { keepRetention } from '../core/retention/keep-retention.ts';
import { claimNode, releaseClaim } from '../core/store/node/claim.ts';
import { migrate } from '../core/store/schema/migrate.ts';
import { formatLsn, type Lsn } from '../core/types/lsn.ts';
import { splitIntoRanges } from './generated-history.ts';
import {
  type Benchmark,
  benchServer,
  type Figure,
  figure,
  median,
  percentile,
  type Size,
} from './harness.ts';

const RANGE_BYTES = 1_000_000_000n;
const DAYS_PER_RANGE = 3;
const SIZES: Readonly<Record<Size, number>> = { quick: 20_000, usual: 1_000_000, full: 5_000_000 };
const HISTORIES = [
  ['three', 3],
  ['ten', 10],
] as const;

const lsnOfRange = (index: number): string => formatLsn((BigInt(index + 1) * RANGE_BYTES) as Lsn);
const dayOf = (days: number): string => `timestamptz '2026-01-01T00:00:00Z' + interval '${days * 24} hours'`;

export const retention: Benchmark = {
  name: 'retention',
  title: 'Forgetting the oldest of 10 ranges, against the oldest of 3',
  run: async (size, log) => {
    await using databases = await benchServer();
    const url = databases.storeUrl;
    const store = await connect(url, { side: 'store', node: 'bench' });
    try {
      await migrate(store);
      const bench = { store, url, log, perRange: SIZES[size], keys: SIZES[size] / 2 };
      const figures: Figure[] = [];
      const seconds: number[] = [];
      for (const [node, ranges] of HISTORIES) {
        const measured = await measure(bench, node, ranges);
        seconds.push(median(measured.expiries.map((expiry) => expiry.seconds)));
        figures.push(...toFigures(measured));
      }
      figures.push(
        figure('10 ranges against 3, ratio of the time for one range', [seconds[1]! / seconds[0]!], 'times', {
          target: '≤ 1.5',
        }),
      );
      return figures;
    } finally {
      await store.end();
    }
  },
};

interface Bench {
  readonly store: pg.Client;
  readonly url: string;
  readonly log: (line: string) => void;
  readonly perRange: number;
  /** Every key has two versions in every range. */
  readonly keys: number;
}

function toFigures({ ranges, expiries, before, after }: Measured): Figure[] {
  const of = `of ${ranges} ranges`;
  const locks = expiries.map((expiry) => expiry.lockMs);
  const worst = (latencies: readonly Latency[], share: number): number[] =>
    latencies.map((latency) => percentile(latency, share));
  const during = expiries.map((expiry) => expiry.asof);
  return [
    figure(
      `forget the oldest ${of}`,
      expiries.map((expiry) => expiry.seconds),
      's',
    ),
    figure(`longest lock meanwhile, ${of}`, [Math.max(...locks)], 'ms', { target: '≤ 1000' }),
    figure(`as-of before, ${of}, median`, worst([before], 0.5), 'ms'),
    figure(`as-of during, ${of}, median`, worst(during, 0.5), 'ms'),
    figure(`as-of after, ${of}, median`, worst([after], 0.5), 'ms'),
    figure(`as-of before, ${of}, slowest`, worst([before], 1), 'ms'),
    figure(`as-of during, ${of}, slowest`, [Math.max(...worst(during, 1))], 'ms', { target: '≤ 1000' }),
  ];
}

/** Milliseconds of each question. */
type Latency = readonly number[];

interface Measured {
  readonly ranges: number;
  readonly expiries: readonly {
    readonly seconds: number;
    readonly lockMs: number;
    readonly asof: Latency;
  }[];
  readonly before: Latency;
  readonly after: Latency;
}

async function measure(bench: Bench, node: string, ranges: number): Promise<Measured> {
  const { store, log } = bench;
  const relation = await generate(bench, node, ranges);
  const reader = await connect(bench.url, { side: 'store', node });
  const ask = (stop: () => boolean): Promise<Latency> =>
    sample({ reader, node, ranges, keys: bench.keys, stop });
  const before = await ask(untilMs(3_000));
  const expiries: Measured['expiries'][number][] = [];
  for (const expired of [1, 2]) {
    await store.query(
      `UPDATE pgtimewarp.wal_checkpoints
          SET applied_ts = ${dayOf((ranges + expired) * DAYS_PER_RANGE)} + interval '1 minute'
        WHERE node_id = $1`,
      [node],
    );
    let done = false;
    const asof = ask(() => done);
    const forgotten = await forget(bench.url, node);
    done = true;
    expiries.push({ ...forgotten, asof: await asof });
    log(
      `${node}: expiry ${expired}: ${forgotten.seconds.toFixed(1)} s, lock ${forgotten.lockMs.toFixed(0)} ms`,
    );
  }
  const after = await ask(untilMs(3_000));
  await reader.end();
  await store.query('SELECT pgtimewarp.drop_relation_partition($1)', [relation]);
  return { ranges, expiries, before, after };
}

async function generate({ store, keys, log }: Bench, node: string, ranges: number): Promise<number> {
  await store.query(
    `INSERT INTO pgtimewarp.nodes (node_id, system_identifier, timeline, database_name, slot_name, plugin)
     VALUES ($1, '1', 1, 'app', 'slot', 'pgoutput')`,
    [node],
  );
  await store.query(
    `INSERT INTO pgtimewarp.wal_checkpoints (node_id, slot_name, applied_lsn, applied_ts)
     VALUES ($1, 'slot', $2::pg_lsn + 1000, ${dayOf(ranges * DAYS_PER_RANGE)})`,
    [node, lsnOfRange(ranges)],
  );
  const { rows } = await store.query<{ id: number }>(
    `INSERT INTO pgtimewarp.tracked_relations (node_id, schema_name, table_name, pk_columns, pk_kinds, baseline_state, status,
            tracked_from_lsn, tracked_from_ts)
     VALUES ($1, 'public', 't', '{id}', '{int8}', 'done', 'active', '0/1', ${dayOf(0)})
     RETURNING relation_id AS id`,
    [node],
  );
  const id = rows[0]!.id;
  await store.query('SELECT pgtimewarp.create_relation_partition($1)', [id]);
  await splitIntoRanges(store, {
    node,
    relationId: id,
    retention: `${ranges * DAYS_PER_RANGE * 24}h`,
    bounds: Array.from({ length: ranges }, (_, index) => BigInt(index + 2) * RANGE_BYTES),
  });
  await store.query(
    `INSERT INTO pgtimewarp.lsn_time_map (node_id, lsn, ts, commit_ts, xid)
     SELECT $1, $2::pg_lsn + n::numeric * 1000000, ${dayOf(0)} + n * interval '${(DAYS_PER_RANGE * 24 * 3600) / 1000} seconds',
            ${dayOf(0)}, n
       FROM generate_series(0, $3::int * 1000 - 1) n`,
    [node, lsnOfRange(0), ranges],
  );
  for (let range = 0; range < ranges; range++) {
    await store.query(
      `INSERT INTO pgtimewarp.row_changes (valid_from_lsn, valid_from_ts, xid, relation_id, seq, op, pk, row_data)
       SELECT $2::pg_lsn + (n * 500 + k % 499)::numeric * 1000000, ${dayOf(range * DAYS_PER_RANGE)}, 1, $1::int, k, 'U',
              format('["%s"]', k), json_build_object('id', k, 'n', n, 'note', repeat('x', 40))
         FROM generate_series(1, $3::int) k, generate_series(0, 1) n
        ORDER BY format('["%s"]', k) COLLATE "C", n`,
      [id, lsnOfRange(range), keys],
    );
    log(`${node}: range ${range + 1} of ${ranges}`);
  }
  await store.query('ANALYZE pgtimewarp.row_changes');
  return id;
}

/** One pass of forgetting, and how long a transaction that may hold strong locks lasted at most. */
async function forget(url: string, node: string): Promise<{ seconds: number; lockMs: number }> {
  const session = await connect(url, { side: 'store', node });
  let [began, locked, longest] = [0, false, 0];
  const query = session.query.bind(session) as (...args: unknown[]) => Promise<unknown>;
  session.query = (async (...args: unknown[]) => {
    if (String(args[0]).includes('lock_timeout')) [began, locked] = [performance.now(), true];
    const result = await query(...args);
    if (locked && args[0] === 'COMMIT') {
      longest = Math.max(longest, performance.now() - began);
      locked = false;
    }
    return result;
  }) as unknown as pg.Client['query'];
  const claim = (await claimNode(session, node, 3600))!;
  const started = performance.now();
  const result = await keepRetention({ store: session, claim, upto: claim.horizon.lsn, mayGoOn: () => true });
  const seconds = (performance.now() - started) / 1000;
  await releaseClaim(session, claim);
  await session.end();
  if (result.rangesDropped === 0) throw new Error('nothing was due');
  return { seconds, lockMs: longest };
}

interface Sampling {
  readonly reader: pg.Client;
  readonly node: string;
  readonly ranges: number;
  readonly keys: number;
  readonly stop: () => boolean;
}

/** Asks for random keys at instants inside the window until told to stop. */
async function sample({ reader, node, ranges, keys, stop }: Sampling): Promise<Latency> {
  const took: number[] = [];
  while (!stop()) {
    const key = 1 + Math.floor(Math.random() * keys);
    const day = DAYS_PER_RANGE * (2.5 + Math.random() * (ranges - 2.5));
    const started = performance.now();
    const { rows } = await reader.query<{ status: string }>(
      `SELECT a.status FROM pgtimewarp.asof_answer($1, 'public', 't', to_jsonb($2::text), ${dayOf(day)}, NULL, NULL) a`,
      [node, key],
    );
    took.push(performance.now() - started);
    if (rows[0]!.status !== 'found') throw new Error(`key ${key} at day ${day}: ${rows[0]!.status}`);
  }
  return took;
}

function untilMs(ms: number): () => boolean {
  const end = performance.now() + ms;
  return () => performance.now() > end;
}
