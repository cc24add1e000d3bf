/**
 * What all benchmarks share: a result that can be printed and stored, medians of repeated measurements, separate servers.
 * Absolute figures mean little on shared machines; figures to compare are measured in turns in the same run.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type LocalServer, startServer } from '../cli/servers/start-server.ts';

/** The size of a benchmark: enough to check that it runs, the usual size, or everything. */
export const SIZES = ['quick', 'usual', 'full'] as const;
export type Size = (typeof SIZES)[number];

export interface Figure {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** Lowest and highest of the repetitions. */
  readonly spread?: readonly [number, number];
  /** `≤ 1` or `≥ 0.93`: the target of the project. */
  readonly target?: string;
}

export interface Benchmark {
  readonly name: string;
  readonly title: string;
  run(size: Size, log: (line: string) => void): Promise<Figure[]>;
}

const run = promisify(execFile);

/** Runs the work. @returns the time that it took */
export async function timeMs(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** The middle of the values (the mean of the two in the middle). */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The value below which a share of the values lies. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
}

/** A figure from repetitions, rounded. One with a target is rounded to the worse side, so that rounding never meets a target. */
export function figure(
  what: string,
  values: readonly number[],
  unit: string,
  options: { readonly target?: string; readonly digits?: number } = {},
): Figure {
  const round = (value: number): number => Number(value.toFixed(options.digits ?? 2));
  const step = 10 ** -(options.digits ?? 2);
  const middle = median(values);
  const worse = { '≥': -1, '≤': 1 }[options.target?.[0] ?? ''] ?? 0;
  const isBetter = (round(middle) - middle) * worse < 0;
  return {
    what,
    value: round(isBetter ? round(middle) + worse * step : middle),
    unit,
    ...(values.length > 1
      ? { spread: [round(Math.min(...values)), round(Math.max(...values))] as const }
      : {}),
    ...(options.target === undefined ? {} : { target: options.target }),
  };
}

/** Whether a figure meets its target; null without one. */
export function isMet(entry: Figure): boolean | null {
  const match = /^([≤≥]) ([\d.]+)/.exec(entry.target ?? '');
  if (match === null) return null;
  return match[1] === '≤' ? entry.value <= Number(match[2]) : entry.value >= Number(match[2]);
}

/** A server with two databases, removed when the benchmark ends. */
export interface BenchServer extends AsyncDisposable {
  readonly server: LocalServer;
  readonly sourceUrl: string;
  readonly storeUrl: string;
  psql(url: string, sql: string): Promise<string>;
  pgbench(...options: string[]): Promise<string>;
}

export async function benchServer(settings: Readonly<Record<string, string>> = {}): Promise<BenchServer> {
  const server = await startServer({
    settings: { shared_buffers: '1GB', max_wal_size: '16GB', checkpoint_timeout: '30min', ...settings },
  });
  await server.createDatabase('bench_source');
  await server.createDatabase('bench_store');
  const sourceUrl = server.url('bench_source');
  return {
    server,
    sourceUrl,
    storeUrl: server.url('bench_store'),
    psql: async (url, sql) =>
      (
        await run(`${server.binDir}/psql`, ['-XAtq', '-v', 'ON_ERROR_STOP=1', url, '-c', sql], BUFFER)
      ).stdout.trim(),
    pgbench: async (...options) =>
      (await run(`${server.binDir}/pgbench`, [...options, sourceUrl], BUFFER)).stdout,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

const BUFFER = { maxBuffer: 64 * 1024 * 1024 };

/** The time of one `poll` in its own process, without its start, and its peak resident memory. */
export interface PollRun {
  readonly ms: number;
  /** Of the process; also without its start. */
  readonly processorMs: number;
  readonly changes: number;
  readonly peakBytes: number;
}

/** Runs bench/poll-child.ts. */
export async function pollInChild(urls: {
  sourceUrl: string;
  storeUrl: string;
  node: string;
}): Promise<PollRun> {
  const child = new URL('./poll-child.ts', import.meta.url).pathname;
  const { stdout } = await run(process.execPath, [child, urls.sourceUrl, urls.storeUrl, urls.node]);
  return JSON.parse(stdout) as PollRun;
}
