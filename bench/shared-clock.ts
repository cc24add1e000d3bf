/**
 * What it costs that nodes of one source share a clock in a store: several nodes observe the same tables, and one after the other reads
 * the same commits. The first finds no times of others. Every later one compares each commit with what all earlier ones have stored.
 */
import { type Benchmark, benchServer, type Figure, figure, pollInChild, type Size } from './harness.ts';
import { observe } from './support/observe.ts';
import { processorMs } from './support/processor-time.ts';

const SIZE: Readonly<Record<Size, { nodes: number; scale: number; transactions: number }>> = {
  quick: { nodes: 3, scale: 1, transactions: 500 },
  usual: { nodes: 7, scale: 5, transactions: 10_000 },
  full: { nodes: 10, scale: 10, transactions: 25_000 },
};
const CLIENTS = 4;
const TABLES = ['pgbench_accounts', 'pgbench_tellers', 'pgbench_branches'];

export const sharedClock: Benchmark = {
  name: 'shared-clock',
  title: 'Nodes of one source that read the same commits into one store, one after the other',
  run: async (size, log) => {
    const { nodes, scale, transactions } = SIZE[size];
    await using source = await benchServer();
    await using store = await benchServer({ autovacuum: 'off' }); // its time would count as that of a run
    await source.pgbench('-i', '-q', '-s', String(scale));
    const names = Array.from({ length: nodes }, (_, index) => `n${index}`);
    const urls = { sourceUrl: source.sourceUrl, storeUrl: store.storeUrl };
    for (const node of names) await observe({ ...urls, node }, 'pgoutput', TABLES);
    await source.pgbench('-n', '-c', String(CLIENTS), '-t', String(transactions));
    await source.psql(source.sourceUrl, 'CHECKPOINT');
    await observe({ ...urls, node: 'warm' }, 'pgoutput', TABLES.slice(2)); // warms caches; it begins after the commits
    const cpu: { poller: number; store: number }[] = [];
    for (const node of names) {
      const before = await processorMs(store);
      const run = await pollInChild({ ...urls, node });
      const inStore = (await processorMs(store)) - before;
      log(`${node}: ${Math.round(run.processorMs)} ms in the poller, ${inStore} ms in the store`);
      cpu.push({ poller: run.processorMs, store: inStore });
    }
    const commits = CLIENTS * transactions;
    const sum = ({ poller, store: inStore }: (typeof cpu)[number]): number => poller + inStore;
    const [first, last] = [cpu[0]!, cpu.at(-1)!];
    const figures: Figure[] = cpu.map(({ poller, store: inStore }, others) =>
      figure(`${others} other nodes: processor time`, [poller + inStore], 'ms', { digits: 0 }),
    );
    const each = ((sum(last) - sum(first)) * 1000) / commits / (nodes - 1);
    return [
      ...figures,
      figure(`with ${nodes - 1} others ÷ alone`, [sum(last) / sum(first)], '×', { target: '≤ 1.5' }),
      figure('a commit, for each other node that has stored it', [each], 'µs'),
    ];
  },
};
