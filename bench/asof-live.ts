/**
 * A whole table as of an instant in SQL on the source, against the live table: 1 % of the keys have changed since. An aggregate over
 * all rows, with fetching the changed keys from the store, a row by key beside that fetch, and a copy of all rows; the same
 * questions of two other kinds of history (support/other-histories.ts). In one REPEATABLE READ transaction, so that only the first
 * statement waits for a run. Then the same rows from the store alone.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type pg from 'pg';
import { connectStore } from '../cli/extension/connect-store.ts';
import { install } from '../cli/extension/methods.ts';
import { makeViews } from '../cli/extension/views.ts';
import { connect, parseConnectionUrl } from '../core/pg/connection.ts';
import { inTransaction } from '../core/pg/transaction.ts';
import { poll } from '../core/poll.ts';
import { init } from '../core/setup/init.ts';
import { track } from '../core/track.ts';
import {
  type Benchmark,
  type BenchServer,
  benchServer,
  type Figure,
  figure,
  type Size,
  timeMs,
} from './harness.ts';
import { makeOtherHistories, OTHER_HISTORIES } from './support/other-histories.ts';
import { pidOf, processorOf } from './support/processor-time.ts';

const ROWS: Readonly<Record<Size, number>> = { quick: 50_000, usual: 1_000_000, full: 1_000_000 };
const CHANGED = 0.01;
const ROUNDS = 5;
const READER = 'bench_reader';
const PASSWORD = 'bench';
const NODE = 'live';
const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const TABLE = { schema: 'public', name: 'accounts' };

export const asofLive: Benchmark = {
  name: 'asof-live',
  title: 'A whole table as of an instant in SQL, against the live table',
  run: async (size, log) => {
    await using server = await benchServer();
    const { sourceUrl, storeUrl } = server;
    const node = { sourceUrl, storeUrl, node: NODE };
    const source = await connect(sourceUrl, { side: 'source', node: NODE });
    const store = await connect(storeUrl, { side: 'store', node: NODE });
    try {
      log(`${ROWS[size]} rows`);
      await source.query(
        `CREATE TABLE public.accounts (aid int PRIMARY KEY, bid int, abalance int, filler char(84));
         INSERT INTO public.accounts SELECT g, g % 100, g % 1000, '' FROM generate_series(1, ${ROWS[size]}) AS g;
         ANALYZE public.accounts`,
      );
      await init({ ...node, plugin: 'pgoutput', slotName: null, version: 'bench' });
      await track({ ...node, table: TABLE, baseline: true, exclude: [], retention: null });
      const { rows } = await source.query<{ lsn: string }>('SELECT pg_current_wal_insert_lsn()::text AS lsn');
      await poll(node);
      const every = Math.round(1 / CHANGED);
      const instant = await makeOtherHistories(source, every);
      await source.query(`UPDATE public.accounts SET abalance = abalance + 1 WHERE aid % ${every} = 0`);
      await source.query('VACUUM ANALYZE public.accounts');
      await poll(node);
      await store.query(`CREATE ROLE ${READER} LOGIN PASSWORD '${PASSWORD}' IN ROLE pgtimewarp_reader`);
      await store.query('VACUUM ANALYZE');
      await connectSource(source, storeUrl);
      log('asking');
      const at = rows[0]!.lsn;
      const figures = await ask(source, at, { instant, rows: ROWS[size], run: () => poll(node) });
      log('exporting');
      return [
        ...figures,
        figure(
          'export from the store alone, rows per second ÷ \\copy of the live table',
          [await exportRatio(server, at), await exportRatio(server, at)],
          'times',
          { target: '≥ 0.5' },
        ),
      ];
    } finally {
      await Promise.all([store.end(), source.end()]);
    }
  },
};

async function connectSource(source: pg.Client, storeUrl: string): Promise<void> {
  await install(source, 'plain', 'public');
  const { host, port, database } = parseConnectionUrl(storeUrl, 'store');
  await connectStore(source, 'public', {
    ...{ host, port, database, reader: READER, password: PASSWORD, node: NODE },
    ...{ sslRootCert: null, sslMode: null },
  });
  await inTransaction(source, () => makeViews(source, [{ name: TABLE, excludedColumns: [] }]));
}

interface Asked {
  readonly instant: string;
  readonly rows: number;
  run(): Promise<unknown>;
}

async function ask(source: pg.Client, at: string, asked: Asked): Promise<Figure[]> {
  const fromStore: string[] = [];
  source.on('notice', ({ message }) => fromStore.push(message ?? ''));
  await source.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
  await source.query(`SET LOCAL pgtimewarp.as_of = '${at}'`);
  const first = source.query('SELECT FROM asof.accounts LIMIT 1');
  await asked.run();
  await first;
  const { rows: readers } = await source.query<{ pid: number }>(
    'SELECT a.pid FROM pg_stat_activity AS a WHERE a.usename = $1',
    [READER],
  );
  const pid = await pidOf(source);
  const sessions = { own: processorOf([pid]), all: processorOf([pid, ...readers.map((row) => row.pid)]) };
  await compare(source, asked);
  const measured = new Map<string, number[]>();
  for (let round = -1; round < ROUNDS; round++) {
    const found = {
      ...(await withWorkers(source, asked)),
      ...(await withoutWorkers(source, asked, sessions)),
    };
    if (round < 0) continue;
    for (const [name, value] of Object.entries(found))
      measured.set(name, [...(measured.get(name) ?? []), value]);
  }
  await source.query('COMMIT');
  if (fromStore.length > 0) throw new Error(`not from the live table: ${fromStore[0]}`);
  return figuresOf((name) => measured.get(name)!);
}

/** What is asked about: the view, and the same of other histories. The names begin with these. */
function pasts(instant: string): [name: string, table: string][] {
  const others = OTHER_HISTORIES.map(({ name, rowsAt }): [string, string] => [
    `${name}: `,
    `(${rowsAt(instant)}) AS o`,
  ]);
  return [['', 'asof.accounts'], ...others];
}

/** All histories have the same past, which is not the present. */
async function compare(source: pg.Client, { instant }: Asked): Promise<void> {
  const results: string[] = [];
  for (const table of ['public.accounts', ...pasts(instant).map(([, each]) => each)]) {
    const { rows } = await source.query(aggregate(table));
    results.push(JSON.stringify(rows));
  }
  const [present, ...past] = results;
  if (new Set(past).size > 1 || past[0] === present)
    throw new Error(`the histories differ: ${results.join(', ')}`);
}

/** By the clock, as the planner likes it. */
async function withWorkers(source: pg.Client, { instant }: Asked): Promise<Record<string, number>> {
  const live = await timeMs(() => source.query(aggregate('public.accounts')));
  const found: Record<string, number> = { live, fetched: await timeMs(() => source.query(FETCH)) };
  for (const [name, table] of pasts(instant)) {
    const ms = await timeMs(() => source.query(aggregate(table)));
    found[`${name}past`] = ms;
    found[`${name}ratio`] = ms / live;
  }
  return found;
}

type Processor = ReturnType<typeof processorOf>;

/** Processor time, of the source's session alone or together with that of the store. */
async function withoutWorkers(
  source: pg.Client,
  { instant, rows }: Asked,
  { own, all }: { readonly own: Processor; readonly all: Processor },
): Promise<Record<string, number>> {
  await source.query('SET LOCAL max_parallel_workers_per_gather = 0');
  const aid = 1 + Math.floor(Math.random() * rows);
  const live = await all(() => source.query(aggregate('public.accounts')));
  const found: Record<string, number> = {};
  for (const [name, table] of pasts(instant))
    found[`${name}alone`] = (await all(() => source.query(aggregate(table)))) / live;
  found['fetched alone'] = (await all(() => source.query(FETCH))) / live;
  const fetched = await own(() => source.query(FETCH));
  found.key = (await own(() => source.query(`SELECT * FROM asof.accounts WHERE aid = ${aid}`))) - fetched;
  for (const other of OTHER_HISTORIES)
    found[`${other.name}: key`] = await own(() => source.query(other.rowAt(instant, aid)));
  const copied = await all(() => source.query("COPY public.accounts TO '/dev/null'"));
  found.copied =
    copied / (await all(() => source.query("COPY (SELECT * FROM asof.accounts) TO '/dev/null'")));
  await source.query('SET LOCAL max_parallel_workers_per_gather = 2');
  return found;
}

function figuresOf(of: (name: string) => number[]): Figure[] {
  const others = OTHER_HISTORIES.flatMap(({ name }) => [
    figure(`${name}: as of ÷ live`, of(`${name}: ratio`), 'times'),
    figure(`${name}: as of ÷ live, ${ALONE}`, of(`${name}: alone`), 'times'),
    figure(`${name}: a row by key, processor time`, of(`${name}: key`), 'ms'),
  ]);
  return [
    figure('count and sum of the live table', of('live'), 'ms'),
    figure('count and sum as of an instant', of('past'), 'ms'),
    figure('of that, fetching what has changed', of('fetched'), 'ms'),
    figure('as of ÷ live', of('ratio'), 'times', { target: '≤ 3' }),
    figure(`as of ÷ live, ${ALONE}`, of('alone'), 'times'),
    figure(`fetching what has changed ÷ live, ${ALONE}`, of('fetched alone'), 'times'),
    figure('a row by key without the fetch, processor time', of('key'), 'ms', { target: '≤ 5' }),
    figure(
      'COPY of the past against COPY of the live table, speed by processor time',
      of('copied'),
      'times',
      {
        target: '≥ 0.5',
      },
    ),
    ...others,
  ];
}

const ALONE = 'processor time without parallel workers';
const aggregate = (table: string): string => `SELECT count(*), sum(abalance) FROM ${table}`;
const FETCH = `SELECT count(*) FROM pgtimewarp_internal.past('public.accounts', '{aid,bid,abalance,filler}', NULL, NULL)`;

/** The command that writes all tables from the store alone, with the start of its process, against \copy of the live table. */
async function exportRatio(server: BenchServer, at: string): Promise<number> {
  const copied = await timeMs(() =>
    server.psql(
      server.sourceUrl,
      `\\copy public.accounts to '${server.server.folder}/copied.csv' (format csv, header)`,
    ),
  );
  const folder = await mkdtemp(join(tmpdir(), 'pgtimewarp-bench-'));
  try {
    const exported = await timeMs(() =>
      run(process.execPath, ['cli/main.ts', 'export', '--at', at, '--to', join(folder, 'export')], {
        cwd: ROOT,
        env: { ...process.env, PGTIMEWARP_STORE_URL: server.storeUrl, PGTIMEWARP_NODE: NODE },
      }),
    );
    return copied / exported;
  } finally {
    await rm(folder, { recursive: true });
  }
}
