/**
 * Claim: forgetting the oldest range takes time in proportion to that range, not to the history, and nobody waits for a
 * lock for a second. 10 ranges of 1 M versions (5 M with --full, 0.1 M with --quick) are written straight into a store,
 * and 3 such ranges for another relation; both forget their oldest ranges while as-of questions are asked.
 */
import type pg from 'pg';
import { startServer } from '../cli/servers/start-server.ts';
import { connect } from '../core/pg/connection.ts';
import { keepRetention } from '../core/run/keep-retention.ts';
import { claimNode, releaseClaim } from '../core/store/claim.ts';
import { migrate } from '../core/store/migrate.ts';
import { syncRetention } from '../core/store/retention.ts';
import { formatLsn, type Lsn } from '../core/types/lsn.ts';

const RANGE_BYTES = 1_000_000_000n;
const DAYS_PER_RANGE = 3;
const PER_RANGE = process.argv.includes('--full')
  ? 5_000_000
  : process.argv.includes('--quick')
    ? 100_000
    : 1_000_000;
/** Every key has two versions in every range. */
const KEYS = PER_RANGE / 2;
const log = (line: string): void => void process.stderr.write(`${line}\n`);

const lsnOfRange = (index: number): string => formatLsn((BigInt(index + 1) * RANGE_BYTES) as Lsn);
const dayOf = (days: number): string => `timestamptz '2026-01-01T00:00:00Z' + interval '${days * 24} hours'`;

await using server = await startServer({
  settings: {
    shared_buffers: '512MB',
    max_wal_size: '4GB',
    maintenance_work_mem: '256MB',
    checkpoint_timeout: '30min',
  },
});
await server.createDatabase('store');
const url = server.url('store');
const store = await connect(url, { side: 'store', node: 'bench' });
await migrate(store);

const figures = [await measure('three', 3), await measure('ten', 10)];
const [three, ten] = figures as [Measured, Measured];
console.log(
  JSON.stringify(
    {
      versions_per_range: PER_RANGE,
      keys: KEYS,
      histories: figures,
      ten_to_three: {
        first: Number((ten.expiries[0]!.seconds / three.expiries[0]!.seconds).toFixed(2)),
        second: Number((ten.expiries[1]!.seconds / three.expiries[1]!.seconds).toFixed(2)),
      },
    },
    null,
    2,
  ),
);
await store.end();

interface Latency {
  readonly asked: number;
  readonly median_ms: number;
  readonly p99_ms: number;
  readonly max_ms: number;
}

interface Measured {
  readonly ranges: number;
  readonly versions: number;
  readonly expiries: readonly {
    readonly seconds: number;
    readonly longest_lock_ms: number;
    readonly asof: Latency;
  }[];
  readonly asof_before: Latency;
  readonly asof_after: Latency;
}

async function measure(node: string, ranges: number): Promise<Measured> {
  const relation = await generate(node, ranges);
  const reader = await connect(url, { side: 'store', node });
  const asof_before = await sample(reader, node, ranges, untilMs(3_000));
  const expiries: Measured['expiries'][number][] = [];
  for (const expired of [1, 2]) {
    await store.query(
      `UPDATE pgtimewarp.wal_checkpoints
          SET applied_ts = ${dayOf(ranges * DAYS_PER_RANGE + expired * DAYS_PER_RANGE)} + interval '1 minute'
        WHERE node_id = $1`,
      [node],
    );
    let done = false;
    const latency = sample(reader, node, ranges, () => done);
    const forgotten = await forget(node);
    done = true;
    expiries.push({ ...forgotten, asof: await latency });
    log(
      `${node}: expiry ${expired} took ${forgotten.seconds} s, longest lock ${forgotten.longest_lock_ms} ms`,
    );
  }
  const asof_after = await sample(reader, node, ranges, untilMs(3_000));
  await reader.end();
  await store.query('SELECT pgtimewarp.drop_relation_partition($1)', [relation]);
  return { ranges, versions: ranges * PER_RANGE, expiries, asof_before, asof_after };
}

async function generate(node: string, ranges: number): Promise<number> {
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
            tracked_from_lsn, tracked_from_ts, retention)
     VALUES ($1, 'public', 't', '{id}', '{int8}', 'done', 'active', '0/1', ${dayOf(0)}, $2::interval)
     RETURNING relation_id AS id`,
    [node, `${ranges * DAYS_PER_RANGE * 24}h`],
  );
  const id = rows[0]!.id;
  await store.query('SELECT pgtimewarp.create_relation_partition($1)', [id]);
  await syncRetention(store, node);
  await store.query('SELECT pgtimewarp.retention_convert($1)', [id]);
  const bounds = Array.from({ length: ranges }, (_, index) => lsnOfRange(index + 1));
  await store.query(
    `SELECT pgtimewarp.retention_split($1, g.table_name, $2::pg_lsn[], NULL)
       FROM pgtimewarp.relation_ranges g WHERE g.relation_id = $1`,
    [id, bounds],
  );
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
      [id, lsnOfRange(range), KEYS],
    );
    log(`${node}: range ${range + 1} of ${ranges}`);
  }
  await store.query('ANALYZE pgtimewarp.row_changes');
  return id;
}

/** One pass of forgetting, and how long a transaction that may hold strong locks lasted at most. */
async function forget(node: string): Promise<{ seconds: number; longest_lock_ms: number }> {
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
  return { seconds: Number(seconds.toFixed(2)), longest_lock_ms: Number(longest.toFixed(1)) };
}

/** Asks for random keys at instants inside the window until told to stop. */
async function sample(
  reader: pg.Client,
  node: string,
  ranges: number,
  stop: () => boolean,
): Promise<Latency> {
  const took: number[] = [];
  while (!stop()) {
    const key = 1 + Math.floor(Math.random() * KEYS);
    const day = DAYS_PER_RANGE * (2.5 + Math.random() * (ranges - 2.5));
    const started = performance.now();
    const { rows } = await reader.query<{ status: string }>(
      `SELECT a.status FROM pgtimewarp.asof_answer($1, 'public', 't', to_jsonb($2::text), ${dayOf(day)}, NULL, NULL) a`,
      [node, key],
    );
    took.push(performance.now() - started);
    if (rows[0]!.status !== 'found') throw new Error(`key ${key} at day ${day}: ${rows[0]!.status}`);
  }
  took.sort((a, b) => a - b);
  const at = (share: number): number =>
    Number((took[Math.min(took.length - 1, Math.floor(took.length * share))] ?? 0).toFixed(2));
  return { asked: took.length, median_ms: at(0.5), p99_ms: at(0.99), max_ms: at(1) };
}

function untilMs(ms: number): () => boolean {
  const end = performance.now() + ms;
  return () => performance.now() > end;
}
