/**
 * A transaction of any size is streamed: the poller's resident memory stays bounded, readers see nothing of it until all
 * of it is there, and are never kept waiting.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Plugin } from '../core/types/plugin.ts';
import { type Benchmark, type Figure, figure, type Size } from './harness.ts';
import { type BenchNode, benchNode, watchedPoll } from './support/bench-node.ts';

const ROWS: Readonly<Record<Size, number>> = { quick: 20_000, usual: 1_000_000, full: 10_000_000 };
const READ_EVERY_MS = 100;
const SEEN = `SELECT count(*) AS seen FROM pgtimewarp.row_versions
               WHERE node_id = 'bench' AND schema_name = 'public' AND table_name = 'items' AND pk = '["1"]'`;

export const hugeTransaction: Benchmark = {
  name: 'huge-transaction',
  title: 'One transaction, one run, with readers beside it',
  run: async (size, log) => {
    const figures: Figure[] = [];
    for (const plugin of ['wal2json', 'pgoutput'] as const) {
      log(`${plugin}: ${ROWS[size]} rows in one transaction`);
      figures.push(...(await measure(plugin, ROWS[size])));
    }
    return figures;
  },
};

async function measure(plugin: Plugin, rows: number): Promise<Figure[]> {
  await using node = await benchNode({
    plugin,
    tables: `CREATE TABLE items (id int PRIMARY KEY, name text, price numeric, made timestamptz);
             INSERT INTO items VALUES (0, 'before', 1, now())`,
    track: ['items'],
  });
  await node.source(
    `INSERT INTO items SELECT i, 'item ' || i, i * 1.01, now() FROM generate_series(1, ${rows}) AS i`,
  );
  const run = watchedPoll(node);
  let over = false;
  void run.finally(() => {
    over = true;
  });
  const reads: number[] = [];
  while (!over) {
    const started = performance.now();
    const [row] = await node.store(SEEN);
    reads.push(performance.now() - started);
    if (row!.seen !== '0' && (await storedRows(node)) !== rows + 1) throw new Error('a part of it was seen');
    await sleep(READ_EVERY_MS);
  }
  const { code, peakMib, result, seconds } = await run;
  const stored = await storedRows(node);
  if (code !== 0 || stored !== rows + 1)
    throw new Error(`the run ended with ${code}, ${stored} of ${rows + 1} rows are in the store`);
  const label = `${plugin}, ${rows / 1_000_000} M rows`;
  return [
    figure(`${label}: the run, including its start`, [seconds], 's', { digits: 1 }),
    figure(`${label}: changes per second`, [result.changes / seconds], '1/s', { digits: 0 }),
    figure(`${label}: peak memory of the poller`, [peakMib], 'MiB', { target: '≤ 160', digits: 0 }),
    figure(
      `${label}: slowest of ${reads.length} reads during the run, including its connection`,
      [Math.max(...reads)],
      'ms',
      {
        digits: 0,
      },
    ),
  ];
}

async function storedRows(node: BenchNode): Promise<number> {
  const [stored] = await node.store('SELECT count(*) AS rows FROM pgtimewarp.row_changes');
  return Number(stored!.rows);
}
