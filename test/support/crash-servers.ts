/**
 * Two servers, so that source and store can crash apart from each other. The store's lies on a small disk of its own
 * where this machine lets us mount one, so that it can be full.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type LocalServer, startServer } from '../../cli/servers/start-server.ts';
import { chooseServer } from './choose-server.ts';

const run = promisify(execFile);
const DISK_BYTES = 1024 * 1024 * 1024;

export interface CrashServers extends AsyncDisposable {
  readonly source: LocalServer;
  readonly store: LocalServer;
  /** null where nothing can be mounted. */
  readonly disk: SmallDisk | null;
}

export interface SmallDisk {
  fill(): Promise<void>;
  empty(): Promise<void>;
}

export async function startCrashServers(): Promise<CrashServers> {
  const { binaries } = await chooseServer();
  const folder = await mkdtemp(join(tmpdir(), 'pgtimewarp-disk-'));
  const mounted = await mount(folder);
  const source = await startServer({ binaries, durable: true });
  const before = process.env.TMPDIR;
  if (mounted) process.env.TMPDIR = folder; // where servers are put
  try {
    // small segments: a full disk is met while rows are written, not only when the next 16 MB are needed
    const store = await startServer({ binaries, durable: true, settings: { max_wal_size: '64MB' } });
    return {
      source,
      store,
      disk: mounted ? smallDisk(folder) : null,
      [Symbol.asyncDispose]: async () => {
        await source[Symbol.asyncDispose]();
        await store[Symbol.asyncDispose]();
        if (mounted) await run('umount', [folder]);
        await rm(folder, { recursive: true, force: true });
      },
    };
  } finally {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  }
}

async function mount(folder: string): Promise<boolean> {
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES},mode=755`, 'tmpfs', folder]);
    return true;
  } catch {
    return false;
  }
}

function smallDisk(folder: string): SmallDisk {
  const ballast = join(folder, 'ballast');
  return {
    fill: async () => {
      await using file = await open(ballast, 'w');
      const block = Buffer.alloc(1024 * 1024);
      try {
        for (;;) await file.write(block);
      } catch (error) {
        if ((error as { code?: string }).code !== 'ENOSPC') throw error;
      }
    },
    empty: () => rm(ballast, { force: true }),
  };
}
