/** Whether runs keep up with a source at full speed: how old the horizon gets, and how much faster catching up is. */
import { setTimeout as sleep } from 'node:timers/promises';
import { poll } from '../core/poll.ts';
import {
  type Benchmark,
  type BenchServer,
  benchServer,
  type Figure,
  figure,
  percentile,
  type Size,
} from './harness.ts';
import { TPCB_TABLES } from './support/history-triggers.ts';
import { observe } from './support/observe.ts';

/** Of the load, for a run every second and every minute. */
const SECONDS: Readonly<Record<Size, readonly [number, number]>> = {
  quick: [2, 2],
  usual: [15, 65],
  full: [120, 180],
};

export const keepingUp: Benchmark = {
  name: 'keeping-up',
  title: 'pgbench at full speed on 4 clients while the poller runs',
  run: async (size, log) => {
    const figures: Figure[] = [];
    for (const [index, everyMs] of [1_000, 60_000].entries()) {
      log(`a run every ${everyMs / 1000} s`);
      figures.push(...(await measure(size, everyMs, SECONDS[size][index]!)));
    }
    return figures;
  },
};

async function measure(size: Size, everyMs: number, seconds: number): Promise<Figure[]> {
  await using server = await benchServer();
  const urls = { sourceUrl: server.sourceUrl, storeUrl: server.storeUrl, node: 'bench' };
  await server.pgbench('-i', '-q', '-s', size === 'quick' ? '1' : '10');
  await observe(urls, 'pgoutput', TPCB_TABLES);
  const ages: number[] = [];
  const run = { changes: 0, ms: 0, active: true };
  const start = performance.now();
  const load = server.pgbench('-n', '-c', '4', '-j', '2', '-T', String(seconds)).finally(() => {
    run.active = false;
  });
  let horizonAt = performance.now();
  let lag = 0n;
  const sampler = setInterval(() => ages.push(performance.now() - horizonAt), 50);
  while (run.active) {
    const began = performance.now();
    const result = await poll(urls);
    run.ms += performance.now() - began;
    run.changes += result.changes;
    horizonAt = began;
    lag = result.lagBytes;
    const rest = Math.min(
      everyMs - (performance.now() - began),
      seconds * 1000 - (performance.now() - start),
    );
    if (rest > 0) await sleep(rest);
  }
  clearInterval(sampler);
  await load;
  const changeRate = (await changesMade(server.psql, server.sourceUrl)) / seconds;
  const backlog = await alone(server, urls, seconds);
  const label = `every ${everyMs / 1000} s`;
  return [
    figure(`${label}: changes per second on the source`, [changeRate], '1/s', { digits: 0 }),
    figure(`${label}: horizon age p50`, [percentile(ages, 0.5) / 1000], 's'),
    figure(`${label}: horizon age p99`, [percentile(ages, 0.99) / 1000], 's'),
    figure(`${label}: WAL behind after the last run under load`, [Number(lag) / 1024 / 1024], 'MB'),
    figure(
      `${label}: applied while running ÷ made, beside the load`,
      [run.changes / (run.ms / 1000) / changeRate],
      '×',
    ),
    figure(`${label}: catch-up factor, after the load`, [backlog / changeRate], '×', { target: '≥ 5' }),
  ];
}

/** Changes per second that one run applies from a backlog of the same load, with the machine to itself. */
async function alone(
  server: BenchServer,
  urls: { sourceUrl: string; storeUrl: string; node: string },
  seconds: number,
): Promise<number> {
  await poll(urls);
  await server.pgbench('-n', '-c', '4', '-j', '2', '-T', String(Math.min(seconds, 10)));
  const began = performance.now();
  const { changes } = await poll(urls);
  return changes / ((performance.now() - began) / 1000);
}

async function changesMade(
  psql: (url: string, sql: string) => Promise<string>,
  url: string,
): Promise<number> {
  return 3 * Number(await psql(url, 'SELECT count(*) FROM pgbench_history'));
}
