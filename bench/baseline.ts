/**
 * The cost of `track` while it reads the existing rows of a table: TPC-B throughput of the source without it, and while the
 * baseline of a wide table is read, in turns. The source's server has one core, everything else the other. And for a table of
 * ten million rows: the time, the memory, and how long the runs that read it delay the horizon.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { init } from '../core/setup/init.ts';
import { track } from '../core/track.ts';
import { type Benchmark, type BenchServer, benchServer, type Figure, figure, type Size } from './harness.ts';
import { OTHER_CORE, pin, pinnedPgbench, pinServer, SOURCE_CORE } from './support/pinned.ts';

const NODE = 'bench';
const LARGE_ROWS = 10_000_000;
const SAMPLE_MS = 50;

export const baseline: Benchmark = {
  name: 'baseline',
  title: 'The source while track records a table, its server on one core, everything else on the other',
  run: async (size, log) => {
    const pairs = size === 'quick' ? 1 : size === 'usual' ? 2 : 10;
    const rows = size === 'quick' ? 50_000 : 1_000_000;
    const [nothing, tracking, seconds]: [number[], number[], number[]] = [[], [], []];
    for (let pair = 0; pair < pairs; pair++) {
      log(`pair ${pair + 1} of ${pairs}`);
      const measured = await measurePair(size, rows);
      nothing.push(measured.nothing);
      tracking.push(measured.tracking);
      seconds.push(measured.seconds);
    }
    const shares = tracking.map((value, index) => value / nothing[index]!);
    const figures = [
      figure('with nothing: transactions per second', nothing, '1/s', { digits: 0 }),
      figure('with a baseline being read: transactions per second', tracking, '1/s', { digits: 0 }),
      figure('with a baseline being read ÷ nothing', shares, '×'),
      figure(`baseline of ${rows.toLocaleString('en')} rows under load`, seconds, 's', { digits: 1 }),
    ];
    return size === 'full' ? [...figures, ...(await large(log))] : figures;
  },
};

/** The same source, first with its load only, then with `track`, for as long as that takes. */
async function measurePair(
  size: Size,
  rows: number,
): Promise<{ nothing: number; tracking: number; seconds: number }> {
  await using source = await benchServer();
  await using store = await benchServer();
  await source.pgbench('-i', '-q', '-s', size === 'quick' ? '1' : '10');
  await makeTable(source, rows);
  await init({ ...urls(source, store), plugin: 'pgoutput', slotName: null, version: 'bench' });
  await pinServer(source, SOURCE_CORE);
  await pinServer(store, OTHER_CORE);
  await pin(String(process.pid), OTHER_CORE);
  const time = size === 'quick' ? 1 : 10;
  await pinnedPgbench(source, ['-n', '-c', '4', '-T', '2']); // warm
  const nothing = tps(await pinnedPgbench(source, ['-n', '-c', '4', '-T', String(time)]));
  // the load lasts as long as the reading: the server counts the transactions of exactly that time
  const load = new AbortController();
  const writing = pinnedPgbench(source, ['-n', '-c', '4', '-T', '3600'], load.signal).catch(() => '');
  await sleep(500);
  const before = await commits(source);
  const start = performance.now();
  await track({
    ...urls(source, store),
    table: { schema: 'public', name: 'recorded' },
    baseline: true,
    exclude: [],
    retention: null,
  });
  const seconds = (performance.now() - start) / 1000;
  const tracking = ((await commits(source)) - before) / seconds;
  load.abort();
  await writing;
  return { nothing, tracking, seconds };
}

/** A table so large that one run cannot read it: what is delayed, and how long. */
async function large(log: (line: string) => void): Promise<Figure[]> {
  await using source = await benchServer();
  await using store = await benchServer();
  log(`a table of ${LARGE_ROWS} rows`);
  await makeTable(source, LARGE_ROWS);
  await init({ ...urls(source, store), plugin: 'pgoutput', slotName: null, version: 'bench' });
  let reading = true;
  let [last, longestMs, peakBytes] = [performance.now(), 0, 0];
  let horizon = '';
  const watching = (async () => {
    while (reading) {
      await source.psql(source.sourceUrl, 'SELECT pg_switch_wal()').catch(() => {}); // so that there is WAL to read
      const now = await store.psql(store.storeUrl, `SELECT applied_lsn FROM pgtimewarp.wal_checkpoints`);
      if (now !== horizon) {
        longestMs = Math.max(longestMs, horizon === '' ? 0 : performance.now() - last);
        [horizon, last] = [now, performance.now()];
      }
      peakBytes = Math.max(peakBytes, process.memoryUsage.rss());
      await sleep(SAMPLE_MS);
    }
  })();
  const start = performance.now();
  await track({
    ...urls(source, store),
    table: { schema: 'public', name: 'recorded' },
    baseline: true,
    exclude: [],
    retention: null,
  });
  const seconds = (performance.now() - start) / 1000;
  reading = false;
  await watching;
  return [
    figure(`baseline of ${LARGE_ROWS.toLocaleString('en')} rows`, [seconds], 's', { digits: 0 }),
    figure('peak resident memory meanwhile, benchmark and all', [peakBytes / 2 ** 20], 'MiB', {
      digits: 0,
      target: '≤ 200',
    }),
    figure('longest time that the horizon stood still', [longestMs / 1000], 's', {
      digits: 1,
      target: '≤ 15',
    }),
  ];
}

async function makeTable(source: BenchServer, rows: number): Promise<void> {
  const sql = [
    'CREATE TABLE recorded (id int PRIMARY KEY, name text, price numeric, made timestamptz)',
    `INSERT INTO recorded SELECT i, 'item ' || i, i * 1.01, now() FROM generate_series(1, ${rows}) AS i`,
    'VACUUM ANALYZE recorded', // not in one string, which would be one transaction
  ];
  for (const statement of sql) await source.psql(source.sourceUrl, statement);
}

function urls(
  source: BenchServer,
  store: BenchServer,
): { sourceUrl: string; storeUrl: string; node: string } {
  return { sourceUrl: source.sourceUrl, storeUrl: store.storeUrl, node: NODE };
}

function tps(output: string): number {
  return Number(/tps = ([\d.]+)/.exec(output)?.[1]);
}

/** Commits of pgbench: each writes one row of history. */
async function commits(source: BenchServer): Promise<number> {
  return Number(await source.psql(source.sourceUrl, 'SELECT count(*) FROM pgbench_history'));
}
