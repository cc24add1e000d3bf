/**
 * From the slot into the store, beside the least that such a thing can cost: draining the slot to nowhere, and copying
 * the rows that result into an empty table like `row_changes`. The floor is the faster drain, COPY's binary format; the text
 * is shown beside it. Each repetition has a slot of its own behind the same changes, and takes all of them in turn.
 */
import { type Plugin, pluginOptions } from '../core/types/plugin.ts';
import {
  type Benchmark,
  type BenchServer,
  benchServer,
  type Figure,
  figure,
  pollInChild,
  type Size,
  timeMs,
} from './harness.ts';
import { observe } from './support/observe.ts';

interface Load {
  readonly name: string;
  readonly tables: readonly string[];
  prepare(server: BenchServer, size: Size): Promise<unknown>;
  change(server: BenchServer, size: Size): Promise<unknown>;
  /** For poll ÷ (drain + copy). */
  readonly targets: Readonly<Record<Plugin, string>>;
}

const OF_LARGE_TRANSACTIONS = { pgoutput: '≤ 1.35', wal2json: '≤ 1.35' };

const PGBENCH_TABLES = ['pgbench_accounts', 'pgbench_tellers', 'pgbench_branches'];

const LOADS: readonly Load[] = [
  {
    name: 'TPC-B',
    tables: PGBENCH_TABLES,
    prepare: (server, size) => server.pgbench('-i', '-q', '-s', size === 'quick' ? '1' : '10'),
    change: (server, size) =>
      server.pgbench('-n', '-c', '4', '-j', '2', '-t', size === 'quick' ? '500' : '25000'),
    targets: { pgoutput: '≤ 1.2', wal2json: '≤ 1.3' },
  },
  {
    name: 'one transaction',
    tables: ['one'],
    prepare: (server) => server.psql(server.sourceUrl, 'CREATE TABLE one (id bigint PRIMARY KEY, v text)'),
    change: (server, size) =>
      server.psql(
        server.sourceUrl,
        `INSERT INTO one SELECT i, 'value ' || i FROM generate_series(1, ${many(size)}) i`,
      ),
    targets: OF_LARGE_TRANSACTIONS,
  },
  {
    name: '50 columns',
    tables: ['wide'],
    prepare: (server) =>
      server.psql(
        server.sourceUrl,
        `CREATE TABLE wide (id int PRIMARY KEY, ${columns(50, (i) => `c${i} int`)})`,
      ),
    change: (server, size) =>
      server.psql(
        server.sourceUrl,
        `INSERT INTO wide SELECT i, ${columns(50, (i) => `i * ${i}`)} FROM generate_series(1, ${many(size) / 20}) i`,
      ),
    targets: OF_LARGE_TRANSACTIONS,
  },
  {
    name: '10 kB rows',
    tables: ['fat'],
    prepare: (server) => server.psql(server.sourceUrl, 'CREATE TABLE fat (id int PRIMARY KEY, v text)'),
    change: (server, size) =>
      server.psql(
        server.sourceUrl,
        `INSERT INTO fat SELECT i, repeat(md5(i::text), 320) FROM generate_series(1, ${many(size) / 100}) i`,
      ),
    targets: OF_LARGE_TRANSACTIONS,
  },
  {
    name: '1 % tracked',
    tables: ['pgbench_branches'],
    prepare: (server, size) => server.pgbench('-i', '-q', '-s', size === 'quick' ? '1' : '10'),
    change: async (server, size) => {
      const transactions = size === 'quick' ? 500 : 25_000;
      await server.pgbench('-n', '-c', '4', '-j', '2', '-N', '-t', String(transactions));
      await server.pgbench('-n', '-c', '4', '-j', '2', '-t', String(transactions / 100));
    },
    targets: { pgoutput: '≤ 1.25', wal2json: '≤ 1.25' },
  },
];

export const ingest: Benchmark = {
  name: 'ingest',
  title: 'From the slot into the store, against drain + COPY',
  run: async (size, log) => {
    const figures: Figure[] = [];
    for (const load of LOADS) {
      log(load.name);
      const measured = await measure(load, size, (line) => log(`${load.name}: ${line}`));
      for (const plugin of PLUGINS) figures.push(...figuresOf(load, plugin, measured[plugin]));
      const ratios = measured.pgoutput.polls.map((ms, index) => ms / measured.wal2json.polls[index]!);
      const compared = load === LOADS[0] ? { target: '≤ 1' } : {}; // only TPC-B has a target here
      figures.push(figure(`${load.name}: pgoutput ÷ wal2json`, ratios, '×', compared));
    }
    return figures;
  },
};

const PLUGINS = ['wal2json', 'pgoutput'] as const;
const REPETITIONS: Readonly<Record<Size, number>> = { quick: 1, usual: 5, full: 5 };

/** Milliseconds, changes per second and MiB of each repetition. */
interface Measured {
  readonly drains: number[];
  readonly textDrains: number[];
  readonly polls: number[];
  readonly copies: number[];
  readonly rates: number[];
  readonly peaks: number[];
}

async function measure(
  load: Load,
  size: Size,
  log: (line: string) => void,
): Promise<Readonly<Record<Plugin, Measured>>> {
  await using server = await benchServer();
  const repetitions = REPETITIONS[size];
  await load.prepare(server, size);
  const rounds = Array.from({ length: repetitions }, (_, index) => index);
  const node = (plugin: Plugin, round: number): string => `${plugin}_${round}`;
  // each in a store of its own: nodes of one source share a clock in a store, and compare their commits with each other's
  const storeUrls = new Map<string, string>();
  for (const plugin of PLUGINS) {
    for (const round of rounds) {
      const name = node(plugin, round);
      await server.server.createDatabase(`store_${name}`);
      const storeUrl = server.server.url(`store_${name}`);
      storeUrls.set(name, storeUrl);
      await observe({ sourceUrl: server.sourceUrl, storeUrl, node: name }, plugin, load.tables);
    }
  }
  await load.change(server, size);
  await server.psql(server.sourceUrl, 'CHECKPOINT');
  const nothing = (): Measured => ({
    ...{ drains: [], textDrains: [], polls: [], copies: [], rates: [], peaks: [] },
  });
  const measured = { wal2json: nothing(), pgoutput: nothing() };
  for (const plugin of PLUGINS)
    await drain(server, { node: node(plugin, 0), plugin, tables: load.tables, format: 'binary' }); // warm
  for (const round of rounds) {
    for (const plugin of PLUGINS) {
      log(`${plugin}, ${round + 1} of ${repetitions}`);
      const { drains, textDrains, polls, copies, rates, peaks } = measured[plugin];
      const name = node(plugin, round);
      const drained = { node: name, plugin, tables: load.tables };
      drains.push(await drain(server, { ...drained, format: 'binary' }));
      textDrains.push(await drain(server, { ...drained, format: 'text' }));
      const storeUrl = storeUrls.get(name)!;
      const run = await pollInChild({ sourceUrl: server.sourceUrl, storeUrl, node: name });
      polls.push(run.ms);
      rates.push(run.changes / (run.ms / 1000));
      peaks.push(run.peakBytes / 1024 / 1024);
      copies.push(await copyBack(server, storeUrl));
    }
  }
  return measured;
}

function figuresOf({ name, targets }: Load, plugin: Plugin, measured: Measured): Figure[] {
  const { drains, textDrains, polls, copies, rates, peaks } = measured;
  const ratios = (floor: readonly number[]): number[] =>
    polls.map((ms, index) => ms / (floor[index]! + copies[index]!));
  const title = `${name}, ${plugin}`;
  return [
    figure(`${title}: poll ÷ (drain + copy)`, ratios(drains), '×', { target: targets[plugin] }),
    figure(`${title}: poll ÷ (drain as text + copy)`, ratios(textDrains), '×'),
    figure(`${title}: poll`, polls, 'ms', { digits: 0 }),
    figure(`${title}: drain`, drains, 'ms', { digits: 0 }),
    figure(`${title}: drain as text`, textDrains, 'ms', { digits: 0 }),
    figure(`${title}: copy`, copies, 'ms', { digits: 0 }),
    figure(`${title}: changes per second`, rates, '1/s', { digits: 0 }),
    figure(`${title}: peak memory of the poller`, peaks, 'MiB', { target: '≤ 160', digits: 0 }),
  ];
}

interface Drain {
  readonly node: string;
  readonly plugin: Plugin;
  readonly tables: readonly string[];
  readonly format: 'binary' | 'text';
}

/** Reads everything that the slot holds, as a run has to: position, transaction and the plugin's output. */
async function drain(server: BenchServer, { node, plugin, tables, format }: Drain): Promise<number> {
  const names =
    plugin === 'wal2json'
      ? ['add-tables', tables.map((table) => `public.${table}`).join(',')]
      : ['publication_names', `pgtimewarp_${node}`];
  const options = [...pluginOptions(plugin), ...names].map((word) => `'${word}'`).join(', ');
  const name = plugin === 'wal2json' ? 'pg_logical_slot_peek_changes' : 'pg_logical_slot_peek_binary_changes';
  return timeMs(() =>
    server.psql(
      server.sourceUrl,
      `\\copy (SELECT lsn, xid, data FROM ${name}('pgtimewarp_${node}', NULL, NULL, ${options})) TO '/dev/null' (FORMAT ${format})`,
    ),
  );
}

/** The rows of the store go to a file in the order in which they are stored, and from there into an empty table. */
async function copyBack(server: BenchServer, storeUrl: string): Promise<number> {
  const file = `${server.server.folder}/rows.copy`;
  await server.psql(storeUrl, `\\copy (SELECT * FROM pgtimewarp.row_changes) TO '${file}'`);
  await server.psql(storeUrl, 'CREATE TABLE floor (LIKE pgtimewarp.row_changes INCLUDING ALL)');
  const ms = await timeMs(() => server.psql(storeUrl, `\\copy floor FROM '${file}'`));
  await server.psql(storeUrl, 'DROP TABLE floor');
  return ms;
}

function many(size: Size): number {
  return size === 'quick' ? 10_000 : 1_000_000;
}

function columns(count: number, of: (index: number) => string): string {
  return Array.from({ length: count }, (_, index) => of(index + 1)).join(', ');
}
