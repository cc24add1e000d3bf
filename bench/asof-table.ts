/**
 * A whole table as of an instant from the store alone: the command that writes all rows as CSV, in a process of its own, with the start
 * of the process and its peak memory; a history and a tenth of it, to see that time grows with the history and not faster.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import { formatLsn, type Lsn } from '../core/types/lsn.ts';
import { generateHistory, HISTORY_NODE, HISTORY_TABLE } from './generated-history.ts';
import { type Benchmark, benchServer, figure, median, type Size, timeMs } from './harness.ts';
import { peakKib } from './support/bench-node.ts';

const VERSIONS: Readonly<Record<Size, number>> = { quick: 100_000, usual: 1_000_000, full: 10_000_000 };
const VERSIONS_PER_KEY = 10;
const REPEATS = 3;
const ROOT = fileURLToPath(new URL('..', import.meta.url));

export const asofTable: Benchmark = {
  name: 'asof-table',
  title: 'A whole table as of an instant, from the store alone',
  run: async (size, log) => {
    const times: number[][] = [];
    let peakMib = 0;
    let sorted = 0;
    for (const versions of [VERSIONS[size] / 10, VERSIONS[size]]) {
      await using databases = await benchServer();
      log(`${versions} versions of ${versions / VERSIONS_PER_KEY} keys`);
      const store = await generateHistory(databases.storeUrl, {
        versions,
        keys: versions / VERSIONS_PER_KEY,
      });
      try {
        await describeTable(store);
        const at = formatLsn((BigInt(versions) * 99n) as Lsn);
        const seconds: number[] = [];
        for (let round = 0; round < REPEATS; round++) {
          const answer = await csv(databases.storeUrl, at);
          if (answer.lines !== versions / VERSIONS_PER_KEY + 1)
            throw new Error(`${answer.lines} lines came, of ${versions / VERSIONS_PER_KEY} keys`);
          seconds.push(answer.seconds);
          peakMib = Math.max(peakMib, answer.peakMib);
        }
        times.push(seconds);
        sorted = (await timeMs(() => store.query(DISTINCT_ON_SQL, [at]))) / 1000;
      } finally {
        await store.end();
      }
    }
    const [short, long] = times as [number[], number[]];
    return [
      figure('all rows as CSV', long, 's', { target: '≤ 10' }),
      figure('peak memory of the command', [peakMib], 'MiB', { target: '≤ 200' }),
      figure('10 times the history, ratio', [median(long) / median(short)], 'times', { target: '≤ 10' }),
      figure('DISTINCT ON over the history, counted only', [sorted], 's'),
    ];
  },
};

const DISTINCT_ON_SQL = `
  SELECT count(*), sum(length(d.row_data::text)) FROM (
    SELECT DISTINCT ON (c.pk) c.row_data FROM pgtimewarp.row_changes AS c WHERE c.valid_from_lsn <= $1
     ORDER BY c.pk, c.valid_from_lsn DESC, c.seq DESC) AS d`;

/** The generated history has no baseline and no catalog: as if every row had been inserted after tracking began. */
async function describeTable(store: pg.Client): Promise<void> {
  const columns = [
    ['aid', 23, 'integer'],
    ['bid', 23, 'integer'],
    ['abalance', 23, 'integer'],
    ['filler', 1042, 'character(84)'],
  ] as const;
  await store.query(
    `UPDATE pgtimewarp.tracked_relations SET baseline_state = 'done', columns = $1 WHERE node_id = $2`,
    [
      JSON.stringify(
        columns.map(([name, type_oid, type_name], index) => ({
          attnum: index + 1,
          name,
          type_oid,
          type_name,
          since_lsn: '0/0',
        })),
      ),
      HISTORY_NODE,
    ],
  );
}

async function csv(
  storeUrl: string,
  at: string,
): Promise<{ seconds: number; peakMib: number; lines: number }> {
  const started = performance.now();
  const child = spawn(
    process.execPath,
    ['cli/main.ts', 'asof', HISTORY_TABLE.name, '--all', '--at', at, '--format', 'csv'],
    {
      cwd: ROOT,
      env: { ...process.env, PGTIMEWARP_STORE_URL: storeUrl, PGTIMEWARP_NODE: HISTORY_NODE },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const peak = peakKib(child);
  let lines = 0;
  for await (const chunk of child.stdout as AsyncIterable<Buffer>)
    for (let at_ = chunk.indexOf(10); at_ !== -1; at_ = chunk.indexOf(10, at_ + 1)) lines++;
  const peakMib = Math.round((await peak) / 1024);
  return { seconds: (performance.now() - started) / 1000, peakMib, lines };
}
