/**
 * The cost of history on the source: TPC-B throughput with nothing, with a slot that is read once a second, with a versioning
 * trigger and with a JSON audit trigger, in turns. The source's server is pinned to one core and everything else to another, so
 * that the server's own work is measured.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { poll } from '../core/poll.ts';
import { type Benchmark, type BenchServer, benchServer, type Figure, figure, type Size } from './harness.ts';
import { AUDIT_TRIGGERS, TPCB_TABLES, VERSIONING_TRIGGERS } from './support/history-triggers.ts';
import { observe } from './support/observe.ts';
import { OTHER_CORE, pin, pinnedPgbench, pinServer, SOURCE_CORE } from './support/pinned.ts';

interface Variant {
  readonly name: string;
  readonly target?: string;
  prepare(server: BenchServer, store: BenchServer): Promise<unknown>;
  /** Runs beside the load until it is stopped. */
  beside?(server: BenchServer, store: BenchServer, stop: AbortSignal): Promise<void>;
}

const VARIANTS: readonly Variant[] = [
  { name: 'nothing', prepare: async () => {} },
  tracked('wal2json', 1),
  tracked('pgoutput', 1),
  tracked('pgoutput', 10),
  {
    name: 'versioning trigger',
    prepare: (server) => server.psql(server.sourceUrl, VERSIONING_TRIGGERS),
  },
  {
    name: 'JSON audit trigger',
    prepare: (server) => server.psql(server.sourceUrl, AUDIT_TRIGGERS),
  },
];

export const sourceCost: Benchmark = {
  name: 'source-cost',
  title: 'TPC-B throughput of the source, its server on one core, everything else on the other',
  run: async (size, log) => {
    const rounds = size === 'quick' ? 1 : size === 'usual' ? 2 : 6;
    const tps = new Map<string, number[]>(VARIANTS.map((variant) => [variant.name, []]));
    for (let round = 0; round < rounds; round++) {
      for (const variant of VARIANTS) {
        log(`round ${round + 1} of ${rounds}: ${variant.name}`);
        tps.get(variant.name)!.push(await measure(variant, size));
      }
    }
    const nothing = tps.get('nothing')!;
    return VARIANTS.flatMap((variant): Figure[] => {
      const values = tps.get(variant.name)!;
      const shares = values.map((value, index) => value / nothing[index]!);
      const target = variant.target === undefined ? {} : { target: variant.target };
      return [
        figure(`${variant.name}: transactions per second`, values, '1/s', { digits: 0 }),
        ...(variant.name === 'nothing' ? [] : [figure(`${variant.name} ÷ nothing`, shares, '×', target)]),
      ];
    });
  },
};

function tracked(plugin: 'wal2json' | 'pgoutput', everySeconds: 1 | 10): Variant {
  const urls = (server: BenchServer, store: BenchServer) => ({
    sourceUrl: server.sourceUrl,
    storeUrl: store.storeUrl,
    node: 'bench',
  });
  return {
    name: `tracked through ${plugin}, a run ${everySeconds === 1 ? 'a second' : 'every 10 s'}`,
    target: everySeconds === 1 ? '≥ 0.93' : '≥ 0.96',
    prepare: (server, store) => observe(urls(server, store), plugin, TPCB_TABLES),
    beside: async (server, store, stop) => {
      while (!stop.aborted) {
        await poll(urls(server, store));
        await sleep(everySeconds * 1_000, undefined, { signal: stop }).catch(() => {});
      }
    },
  };
}

async function measure(variant: Variant, size: Size): Promise<number> {
  const servers = await Promise.all([benchServer(), benchServer()]);
  await using source = servers[0];
  await using store = servers[1];
  await source.pgbench('-i', '-q', '-s', size === 'quick' ? '1' : '10');
  await variant.prepare(source, store);
  await source.psql(source.sourceUrl, 'CHECKPOINT');
  await pinServer(source, SOURCE_CORE);
  await pinServer(store, OTHER_CORE);
  await pin(String(process.pid), OTHER_CORE);
  const stop = new AbortController();
  const beside = variant.beside?.(source, store, stop.signal);
  const seconds = size === 'quick' ? 1 : size === 'usual' ? 12 : 25;
  const output = await pinnedPgbench(source, ['-n', '-c', '4', '-T', String(seconds)]);
  stop.abort();
  await beside;
  return Number(/tps = ([\d.]+)/.exec(output)?.[1]);
}
