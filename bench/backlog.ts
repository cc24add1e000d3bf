/**
 * Bounded runs catch up with a backlog of any size, also while an open transaction pins the position at which every peek
 * begins. Each run makes progress and ends before its deadline.
 */
import pg from 'pg';
import type { Plugin } from '../core/types/plugin.ts';
import { type Benchmark, type Figure, figure, type Size } from './harness.ts';
import { type BenchNode, benchNode, watchedPoll } from './support/bench-node.ts';

const MIB = 1024 * 1024;
/** Runs are short if the backlog is small, so that it always takes several. */
const SIZES: Readonly<Record<Size, Backlog>> = {
  quick: { walMib: 8, pinnedMib: 8, runSeconds: 10 },
  usual: { walMib: 192, pinnedMib: 128, runSeconds: 5 },
  full: { walMib: 5 * 1024, pinnedMib: 1024, runSeconds: 60 },
};
const WAYS: readonly { readonly plugin: Plugin; readonly pinned: boolean }[] = [
  { plugin: 'wal2json', pinned: false },
  { plugin: 'pgoutput', pinned: true },
];

interface Backlog {
  readonly walMib: number;
  /** With a transaction open, each run decodes from its position, so a run must be long enough for all of it. */
  readonly pinnedMib: number;
  readonly runSeconds: number;
}

export const backlog: Benchmark = {
  name: 'backlog',
  title: 'WAL that waits, caught up by bounded runs',
  run: async (size, log) => {
    const figures: Figure[] = [];
    for (const { plugin, pinned } of WAYS) {
      const { runSeconds, ...mib } = SIZES[size];
      const walMib = pinned ? mib.pinnedMib : mib.walMib;
      const label = `${plugin}, ${walMib} MiB${pinned ? ', with a transaction open' : ''}`;
      await using node = await benchNode({
        plugin,
        tables: `CREATE TABLE items (id int PRIMARY KEY, n int NOT NULL, body text NOT NULL);
                 INSERT INTO items SELECT i, 0, md5(i::text) FROM generate_series(1, 100000) AS i;
                 CREATE TABLE elsewhere (id int)`,
        track: ['items'],
        settings: { max_wal_size: '1GB' },
      });
      const open = new pg.Client({ connectionString: node.sourceUrl });
      await open.connect();
      try {
        if (pinned) await open.query('BEGIN; INSERT INTO elsewhere VALUES (1)');
        log(`${label}: writing`);
        await write(node, walMib);
        const runs = await catchUp(node, runSeconds, (line) => log(`${label}: ${line}`));
        figures.push(
          figure(`${label}: runs of at most ${runSeconds} s`, [runs.length], '', { digits: 0 }),
          figure(`${label}: runs without progress`, [runs.filter((run) => !run.gotOn).length], '', {
            target: '≤ 0',
            digits: 0,
          }),
          figure(
            `${label}: a run`,
            runs.map((run) => run.seconds),
            's',
            { digits: 1 },
          ),
          figure(
            `${label}: longest run, including its start`,
            [Math.max(...runs.map((run) => run.seconds))],
            's',
            {
              target: `≤ ${runSeconds + 5}`,
              digits: 1,
            },
          ),
          figure(`${label}: changes per second`, [rate(runs)], '1/s', { digits: 0 }),
          figure(
            `${label}: peak memory of the poller`,
            [Math.max(...runs.map((run) => run.peakMib))],
            'MiB',
            {
              target: '≤ 160',
              digits: 0,
            },
          ),
        );
      } finally {
        await open.end();
      }
    }
    return figures;
  },
};

interface OneRun {
  readonly seconds: number;
  readonly peakMib: number;
  readonly changes: number;
  readonly gotOn: boolean;
}

async function write(node: BenchNode, walMib: number): Promise<void> {
  const writer = new pg.Client({ connectionString: node.sourceUrl });
  await writer.connect();
  try {
    const { rows } = await writer.query<{ lsn: string }>('SELECT pg_current_wal_insert_lsn() AS lsn');
    for (let full = false; !full; ) {
      await writer.query(`DO $$ BEGIN FOR i IN 1..100 LOOP
        UPDATE items SET n = n + 1, body = md5(random()::text) WHERE id % 100 = i - 1; COMMIT; END LOOP; END $$`);
      const { rows: written } = await writer.query<{ full: boolean }>(
        'SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), $1::pg_lsn) >= $2::numeric AS full',
        [rows[0]!.lsn, walMib * MIB],
      );
      full = written[0]!.full;
    }
  } finally {
    await writer.end();
  }
}

/** Runs until nothing is left to read. Throws if a run fails, or if runs make no progress. */
async function catchUp(node: BenchNode, runSeconds: number, log: (line: string) => void): Promise<OneRun[]> {
  const runs: OneRun[] = [];
  for (let before = ''; ; ) {
    const { code, seconds, peakMib, result } = await watchedPoll(node, '--max-seconds', String(runSeconds));
    log(
      `run ${runs.length + 1}: ${result.outcome}, ${seconds.toFixed(1)} s, ${result.changes} changes, ` +
        `${(result.lag_bytes / MIB).toFixed(0)} MiB to go`,
    );
    if (code !== 0) throw new Error(`a run ended with ${code}`);
    runs.push({ seconds, peakMib, changes: result.changes, gotOn: result.applied_lsn !== before });
    if (result.outcome === 'done') return runs;
    if (runs.slice(-3).every((run) => !run.gotOn)) throw new Error(`three runs did not get beyond ${before}`);
    before = result.applied_lsn;
  }
}

function rate(runs: readonly OneRun[]): number {
  const sum = (of: (run: OneRun) => number): number => runs.reduce((total, run) => total + of(run), 0);
  return sum((run) => run.changes) / sum((run) => run.seconds);
}
