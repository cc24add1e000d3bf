/** The source's server on one core and everything else on the other, so that the server's own work is measured. */
import { execFile, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { BenchServer } from '../harness.ts';

export const SOURCE_CORE = '0';
export const OTHER_CORE = '1';

const run = promisify(execFile);

/** Children inherit the core: sessions of a server are children of the postmaster. */
export async function pin(pid: string, core: string): Promise<void> {
  await run('taskset', ['-a', '-p', '-c', core, pid]);
}

/** Lets this process, and what it starts from now on, use all cores again. */
export async function unpin(): Promise<void> {
  await pin(String(process.pid), `${SOURCE_CORE},${OTHER_CORE}`);
}

export async function pinServer(server: BenchServer, core: string): Promise<void> {
  const file = await readFile(join(server.server.dataDir, 'postmaster.pid'), 'utf8');
  await pin(file.split('\n')[0]!, core);
}

/** Runs pgbench on a core other than the source's. @returns its output */
export function pinnedPgbench(
  server: BenchServer,
  options: readonly string[],
  signal?: AbortSignal,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const program = [`${server.server.binDir}/pgbench`, ...options, server.sourceUrl];
    const child = spawn('taskset', ['-c', OTHER_CORE, ...program], signal === undefined ? {} : { signal });
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += String(chunk);
    });
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0 ? resolve(output) : reject(new Error(`pgbench ended with ${code}`)),
    );
  });
}
