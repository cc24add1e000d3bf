/** Programs that listen, for benchmarks of HTTP: `serve` beside a node that it polls, and its rivals. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { BenchServer } from '../harness.ts';
import { TPCB_TABLES } from './history-triggers.ts';
import { observe } from './observe.ts';

const POLLED_NODE = 'polled';

/** A separate node in the same store, with TPC-B tables, for `serve` to poll. */
export async function polledSource(server: BenchServer): Promise<void> {
  const urls = { sourceUrl: server.sourceUrl, storeUrl: server.storeUrl, node: POLLED_NODE };
  await server.pgbench('-i', '-q', '-s', '1');
  await observe(urls, 'pgoutput', TPCB_TABLES);
}

/** So that `serve` polls that node. */
export function serveFlags({ sourceUrl, storeUrl }: BenchServer): string[] {
  return ['--source', sourceUrl, '--store', storeUrl, '--node', POLLED_NODE];
}

export interface Listening extends AsyncDisposable {
  readonly url: string;
}

/** A program that prints the address on which it listens; ended with SIGINT, as by Ctrl-C. */
export async function listening(...command: readonly string[]): Promise<Listening> {
  const child = spawn(process.execPath, ['--max-semi-space-size=4', ...command], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  let said = '';
  const url = await new Promise<string>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        said = (said + text).slice(-10_000);
        const found = /listening on (http:\S+)/.exec(said)?.[1];
        if (found !== undefined) resolve(found);
      });
    }
    child.once('exit', (code) => reject(new Error(`${command[0]} ended (${code}): ${said}`)));
  });
  return {
    url,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGINT');
      await ended;
    },
  };
}
