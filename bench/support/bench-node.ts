/** A source and a store for one measurement, each on a temporary server, and runs of the command line whose memory is measured. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { type LocalServer, startServer } from '../../cli/servers/start-server.ts';
import { parseTableName } from '../../core/pg/identifiers.ts';
import { init } from '../../core/setup/init.ts';
import { track } from '../../core/track.ts';
import type { Plugin } from '../../core/types/plugin.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const NODE = 'bench';
const SAMPLE_MS = 100;

export interface BenchNode extends AsyncDisposable {
  readonly sourceUrl: string;
  readonly storeUrl: string;
  readonly node: string;
  /** Runs SQL in its own session. @returns the rows as text */
  source(sql: string): Promise<Record<string, string>[]>;
  store(sql: string): Promise<Record<string, string>[]>;
}

export async function benchNode(options: {
  readonly plugin: Plugin;
  readonly tables: string;
  readonly track: readonly string[];
  readonly settings?: Readonly<Record<string, string>>;
}): Promise<BenchNode> {
  const servers: LocalServer[] = [];
  const stop = async (): Promise<void> => {
    for (const server of servers) await server[Symbol.asyncDispose]();
  };
  const serve = async (database: string, settings = {}): Promise<string> => {
    const server = await startServer({ durable: true, settings: { shared_buffers: '512MB', ...settings } });
    servers.push(server);
    await server.createDatabase(database);
    return server.url(database);
  };
  try {
    const urls = {
      sourceUrl: await serve('source', options.settings),
      storeUrl: await serve('store', { max_wal_size: '4GB' }),
      node: NODE,
    };
    if (options.tables !== '') await query(urls.sourceUrl, options.tables);
    await init({ ...urls, plugin: options.plugin, slotName: null, version: 'bench' });
    for (const table of options.track) {
      await track({ ...urls, table: parseTableName(table), baseline: true, exclude: [], retention: null });
    }
    return {
      ...urls,
      source: (sql) => query(urls.sourceUrl, sql),
      store: (sql) => query(urls.storeUrl, sql),
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

export interface WatchedRun {
  readonly code: number | null;
  readonly seconds: number;
  /** Peak resident memory of the process. */
  readonly peakMib: number;
  readonly result: {
    outcome: string;
    changes: number;
    transactions: number;
    applied_lsn: string;
    lag_bytes: number;
  };
  readonly stderr: string;
}

/** `pgtimewarp poll` in its own process; its memory is measured while it runs. */
export async function watchedPoll(
  { sourceUrl, storeUrl, node }: Pick<BenchNode, 'sourceUrl' | 'storeUrl' | 'node'>,
  ...flags: string[]
): Promise<WatchedRun> {
  const started = performance.now();
  const child = spawn(process.execPath, ['cli/main.ts', 'poll', '--json', ...flags], {
    cwd: ROOT,
    env: {
      ...process.env,
      PGTIMEWARP_SOURCE_URL: sourceUrl,
      PGTIMEWARP_STORE_URL: storeUrl,
      PGTIMEWARP_NODE: node,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<number | null>((resolve) => {
    child.on('close', resolve);
  });
  const peak = await peakKib(child);
  const seconds = (performance.now() - started) / 1000;
  return {
    code: await ended,
    seconds,
    peakMib: Math.round(peak / 1024),
    result: JSON.parse(stdout || '{}') as WatchedRun['result'],
    stderr,
  };
}

/** The peak resident memory of a process; resolves when it has ended. */
export async function peakKib(child: ChildProcess): Promise<number> {
  let over = false;
  child.on('close', () => {
    over = true;
  });
  let peak = 0;
  while (!over) {
    peak = Math.max(peak, await highWaterMarkKib(child.pid!));
    await sleep(SAMPLE_MS);
  }
  return peak;
}

/** VmHWM of the process (proc(5)): its peak so far. */
async function highWaterMarkKib(pid: number): Promise<number> {
  try {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    return Number.parseInt(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? '0', 10);
  } catch {
    return 0; // it has ended
  }
}

async function query(url: string, sql: string): Promise<Record<string, string>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const result = await client.query<Record<string, string>>(sql);
    return result.rows;
  } finally {
    await client.end();
  }
}
