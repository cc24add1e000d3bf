/**
 * Many nodes, each a small database of one of a few servers, against one store. Environments of the poller (processes) serve a part
 * of the nodes each, some at a time, every minute, as a deployment with `functions.parts` does. A part of the databases changes in every
 * minute. Sessions are counted on the servers while this goes on.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { connect } from '../core/pg/connection.ts';
import { init } from '../core/setup/init.ts';
import { migrate } from '../core/store/schema/migrate.ts';
import { track } from '../core/track.ts';
import { someAtATime } from '../lambda/shared/served-nodes.ts';
import {
  type Benchmark,
  type BenchServer,
  benchServer,
  type Figure,
  figure,
  percentile,
  type Size,
} from './harness.ts';
import type { Turn } from './nodes-child.ts';
import { processorMs } from './support/processor-time.ts';

interface Load {
  readonly nodes: number;
  readonly servers: number;
  /** Environments, and how many nodes each serves at a time. */
  readonly parts: number;
  readonly atOnce: number;
  readonly minutes: number;
  readonly minuteMs: number;
}

const SIZE: Readonly<Record<Size, Load>> = {
  quick: { nodes: 12, servers: 2, parts: 2, atOnce: 2, minutes: 2, minuteMs: 3_000 },
  usual: { nodes: 60, servers: 2, parts: 3, atOnce: 2, minutes: 3, minuteMs: 20_000 },
  full: { nodes: 1_000, servers: 4, parts: 10, atOnce: 4, minutes: 4, minuteMs: 60_000 },
};
const CHANGED_SHARE = 0.2;
const SAMPLE_MS = 100;
const SET_UP_AT_ONCE = 4;

export const nodes: Benchmark = {
  name: 'nodes',
  title: 'Many nodes against one store, each with a run in every minute',
  run: async (size, log) => {
    const load = SIZE[size];
    await using world = await World.make(load, log);
    return await world.measure(log);
  },
};

class World implements AsyncDisposable {
  readonly #load: Load;
  readonly #store: BenchServer;
  readonly #sources: BenchServer[];
  readonly #children: { readonly process: ChildProcess; readonly lines: Interface }[] = [];

  private constructor(load: Load, store: BenchServer, sources: BenchServer[]) {
    this.#load = load;
    this.#store = store;
    this.#sources = sources;
  }

  static async make(load: Load, log: (line: string) => void): Promise<World> {
    const perServer = Math.ceil(load.nodes / load.servers);
    const store = await benchServer({ shared_buffers: '256MB' });
    const sources: BenchServer[] = [];
    for (let index = 0; index < load.servers; index++)
      sources.push(
        await benchServer({ shared_buffers: '128MB', max_replication_slots: String(perServer + 5) }),
      );
    const world = new World(load, store, sources);
    try {
      await world.#setUp(log);
      return world;
    } catch (error) {
      await world[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #setUp(log: (line: string) => void): Promise<void> {
    const owner = await connect(this.#store.storeUrl, { side: 'store', node: 'bench' });
    await migrate(owner);
    await owner.end();
    for (const source of this.#sources)
      await source.psql(
        source.sourceUrl,
        'CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i FROM generate_series(1, 100) i',
      );
    log('databases');
    let made = 0;
    const numbers = Array.from({ length: this.#load.nodes }, (_, index) => index);
    for (const number of numbers)
      await this.#sourceOf(number).server.createDatabase(`n${number}`, 'bench_source');
    log('nodes');
    await someAtATime(numbers, { atOnce: SET_UP_AT_ONCE, mayBegin: () => true }, async (number) => {
      const node = `n${number}`;
      const urls = {
        sourceUrl: this.#sourceOf(number).server.url(node),
        storeUrl: this.#store.storeUrl,
        node,
      };
      await init({ ...urls, plugin: 'pgoutput', slotName: null, version: 'bench' });
      // asked for only: the first runs begin it
      await track({
        ...urls,
        ...{ table: { schema: 'public', name: 't' }, baseline: false, retention: null },
        signal: AbortSignal.abort(),
      }).catch((error: { code?: string }) => {
        if (error.code !== 'INTERRUPTED') throw error;
      });
      if (++made % 50 === 0) log(`${made} nodes are set up`);
    });
    const { parts, atOnce } = this.#load;
    const sourceUrls = JSON.stringify(this.#sources.map(({ sourceUrl }) => sourceUrl));
    for (let part = 0; part < parts; part++) {
      const child = new URL('./nodes-child.ts', import.meta.url).pathname;
      const args = [child, this.#store.storeUrl, sourceUrls, String(part), String(parts), String(atOnce)];
      const process_ = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
      this.#children.push({ process: process_, lines: createInterface({ input: process_.stdout! }) });
    }
    log(`first runs of ${this.#load.nodes} nodes`);
    await this.#turns();
    await this.#turns(); // tables start with the second run at the latest
  }

  #sourceOf(number: number): BenchServer {
    return this.#sources[number % this.#sources.length]!;
  }

  /** One run of each node. */
  #turns(): Promise<Turn[]> {
    return Promise.all(
      this.#children.map(async ({ process: child, lines }) => {
        const answer = new Promise<string>((resolve, reject) => {
          lines.once('line', resolve);
          child.once('exit', () => reject(new Error('a poller has ended')));
        });
        child.stdin!.write('run\n');
        return JSON.parse(await answer) as Turn;
      }),
    );
  }

  async measure(log: (line: string) => void): Promise<Figure[]> {
    const { minutes, minuteMs } = this.#load;
    const sampler = await Sampler.start(this.#store, this.#sources);
    const before = await this.#processorMs();
    const [turns, lasted, ages]: [Turn[], number[], number[]] = [[], [], []];
    for (let minute = 0; minute < minutes; minute++) {
      const start = performance.now();
      const changing = this.#change();
      turns.push(...(await this.#turns()));
      lasted.push((performance.now() - start) / 1000);
      await changing;
      ages.push(await sampler.worstAge());
      log(`minute ${minute + 1} of ${minutes}: all nodes served after ${lasted.at(-1)!.toFixed(1)} s`);
      if (minute < minutes - 1) await sleep(Math.max(0, minuteMs - (performance.now() - start)));
    }
    const after = await this.#processorMs();
    await sampler.stop();
    const failed = turns.flatMap((turn) => turn.failed);
    for (const each of failed.slice(0, 5)) log(`failed: ${each}`);
    const runs = turns.flatMap((turn) => turn.runs);
    const cpu = (ms: number): number => ms / runs.length;
    const { nodes: count, servers, parts, atOnce } = this.#load;
    return [
      figure('nodes', [count], '', { digits: 0 }),
      figure('source servers', [servers], '', { digits: 0 }),
      figure('nodes served at a time', [parts * atOnce], '', { digits: 0 }),
      figure('sessions of the store, at most', [sampler.store], '', { target: '≤ 60', digits: 0 }),
      figure('sessions of the sources ÷ running nodes, at most', [sampler.perNode], '', { target: '≤ 1' }),
      figure('runs that failed', [failed.length], '', { target: '≤ 0', digits: 0 }),
      figure('all nodes served after', [Math.max(...lasted)], 's', {
        target: `≤ ${minuteMs / 1000}`,
        digits: 1,
      }),
      figure('oldest horizon after that', [Math.max(...ages)], 's', { digits: 1 }),
      figure('a run, median', [percentile(runs, 0.5)], 'ms', { digits: 0 }),
      figure('a run, p99', [percentile(runs, 0.99)], 'ms', { digits: 0 }),
      figure(
        'processor time of a run: poller',
        [cpu(turns.reduce((sum, turn) => sum + turn.cpuMs, 0))],
        'ms',
        {
          digits: 1,
        },
      ),
      figure('processor time of a run: store', [cpu(after.store - before.store)], 'ms', { digits: 1 }),
      figure('processor time of a run: sources', [cpu(after.sources - before.sources)], 'ms', { digits: 1 }),
    ];
  }

  /** In a part of the databases, one transaction each. */
  async #change(): Promise<void> {
    for (let number = 0; number < this.#load.nodes; number++) {
      if (Math.random() >= CHANGED_SHARE) continue;
      const url = this.#sourceOf(number).server.url(`n${number}`);
      await this.#store.psql(url, 'UPDATE t SET v = now()::text WHERE id <= 10');
    }
  }

  async #processorMs(): Promise<{ store: number; sources: number }> {
    let sources = 0;
    for (const each of this.#sources) sources += await processorMs(each);
    return { store: await processorMs(this.#store), sources };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { process: child } of this.#children) child.kill();
    for (const server of [...this.#sources, this.#store]) await server[Symbol.asyncDispose]();
  }
}

const COUNT_SQL = `SELECT application_name AS name, count(*)::int AS n FROM pg_stat_activity
                    WHERE application_name LIKE 'pgtimewarp/n%' OR application_name = 'pgtimewarp/all' GROUP BY 1`;

/** Counts our sessions until it is stopped. */
class Sampler {
  store = 0;
  /** The most sessions that one node had on its source. */
  perNode = 0;
  readonly #sessions: readonly pg.Client[];
  #isOver = false;
  #loop: Promise<void> = Promise.resolve();

  private constructor(sessions: readonly pg.Client[]) {
    this.#sessions = sessions;
  }

  static async start(store: BenchServer, sources: readonly BenchServer[]): Promise<Sampler> {
    const urls = [store.storeUrl, ...sources.map(({ sourceUrl }) => sourceUrl)];
    const sampler = new Sampler(
      await Promise.all(urls.map((url) => connect(url, { side: 'store', node: 'sampler' }))),
    );
    sampler.#loop = sampler.#sample();
    return sampler;
  }

  async #sample(): Promise<void> {
    while (!this.#isOver) {
      const [store, ...sources] = await Promise.all(
        this.#sessions.map(async (session) => (await session.query<{ n: number }>(COUNT_SQL)).rows),
      );
      this.store = Math.max(
        this.store,
        (store ?? []).reduce((sum, { n }) => sum + n, 0),
      );
      this.perNode = Math.max(this.perNode, ...sources.flat().map(({ n }) => n));
      await sleep(SAMPLE_MS);
    }
  }

  async worstAge(): Promise<number> {
    const { rows } = await this.#sessions[0]!.query<{ age: string }>(
      'SELECT extract(epoch FROM clock_timestamp() - min(applied_ts)) AS age FROM pgtimewarp.wal_checkpoints',
    );
    return Number.parseFloat(rows[0]!.age);
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#loop;
    for (const session of this.#sessions) await session.end();
  }
}
