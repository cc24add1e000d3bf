/**
 * What a run costs that finds next to nothing, with one table tracked and with many: the time it takes, and the processor time
 * of the source, whose catalog every run compares with what it said at the last one.
 */
import { poll } from '../core/poll.ts';
import { init } from '../core/setup/init.ts';
import { track } from '../core/track.ts';
import { type Benchmark, type BenchServer, benchServer, figure, type Size, timeMs } from './harness.ts';
import type { NodeUrls } from './support/observe.ts';
import { processorMs } from './support/processor-time.ts';

const SIZE: Readonly<Record<Size, { tables: number; partitions: number; rounds: number }>> = {
  quick: { tables: 10, partitions: 10, rounds: 1 },
  usual: { tables: 200, partitions: 1_000, rounds: 5 },
  full: { tables: 1_000, partitions: 5_000, rounds: 5 },
};
const RUNS = 10;
const COLUMNS = Array.from({ length: 20 }, (_, index) => `c${index} text`).join(', ');

export const quietRuns: Benchmark = {
  name: 'quiet-runs',
  title: 'A run that finds one change, with one table tracked and with many',
  run: async (size, log) => {
    const { tables, partitions, rounds } = SIZE[size];
    await using source = await benchServer();
    await using store = await benchServer();
    const names = await makeTables(source, tables, partitions);
    const urls = { sourceUrl: source.sourceUrl, storeUrl: store.storeUrl };
    const nodes = [
      { urls: { ...urls, node: 'one' }, ms: [] as number[], cpuMs: [] as number[] },
      { urls: { ...urls, node: 'many' }, ms: [] as number[], cpuMs: [] as number[] },
    ];
    log(`tracking ${names.length} tables`);
    await trackAll(nodes[0]!.urls, names.slice(0, 1));
    await trackAll(nodes[1]!.urls, names);
    await source.psql(source.sourceUrl, 'VACUUM ANALYZE');
    for (let round = 0; round < rounds; round++) {
      log(`round ${round + 1} of ${rounds}`);
      for (const node of nodes) {
        const before = await processorMs(source);
        let ms = 0;
        for (let run = 0; run < RUNS; run++) {
          await source.psql(source.sourceUrl, 'UPDATE t0 SET c0 = now()::text');
          ms += await timeMs(() => poll(node.urls));
        }
        node.ms.push(ms / RUNS);
        node.cpuMs.push(((await processorMs(source)) - before) / RUNS);
      }
    }
    const [one, many] = nodes as [(typeof nodes)[0], (typeof nodes)[0]];
    const label = `${tables} tables and 1 with ${partitions.toLocaleString('en')} partitions`;
    return [
      figure('one table: a run', one.ms, 'ms', { digits: 0 }),
      figure(`${label}: a run`, many.ms, 'ms', { digits: 0 }),
      figure('one table: processor time of the source', one.cpuMs, 'ms', { digits: 0 }),
      figure(`${label}: processor time of the source`, many.cpuMs, 'ms', { digits: 0 }),
    ];
  },
};

async function makeTables(source: BenchServer, tables: number, partitions: number): Promise<string[]> {
  const names = Array.from({ length: tables }, (_, index) => `t${index}`);
  const sql = [
    ...names.map((name) => `CREATE TABLE ${name} (id int PRIMARY KEY, ${COLUMNS});`),
    'INSERT INTO t0 (id) VALUES (1);',
    `CREATE TABLE parted (id int PRIMARY KEY, ${COLUMNS}) PARTITION BY RANGE (id);`,
    ...Array.from(
      { length: partitions },
      (_, index) =>
        `CREATE TABLE parted_${index} PARTITION OF parted FOR VALUES FROM (${index}) TO (${index + 1});`,
    ),
  ];
  for (let at = 0; at < sql.length; at += 500)
    await source.psql(source.sourceUrl, sql.slice(at, at + 500).join('\n'));
  return [...names, 'parted'];
}

/** Asks for all of them first, so that the same runs bring all of them in. */
async function trackAll(urls: NodeUrls, names: readonly string[]): Promise<void> {
  await init({ ...urls, plugin: 'pgoutput', slotName: null, version: 'bench' });
  const options = { exclude: [], baseline: false, retention: null, shared: true };
  const table = (name: string) => ({ schema: 'public', name });
  const signal = AbortSignal.abort();
  for (const name of names.slice(1))
    await track({ ...urls, ...options, table: table(name), signal }).catch((error: { code?: string }) => {
      if (error.code !== 'INTERRUPTED') throw error;
    });
  for (const name of [names[0]!, names.at(-1)!]) await track({ ...urls, ...options, table: table(name) });
}
