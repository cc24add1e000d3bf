/**
 * Two servers, so that source and store can crash separately. The store's server is on its own small disk if this machine
 * allows the mount, so that the disk can be full.
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
  /** null if this machine does not allow the mount. */
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
  if (mounted) process.env.TMPDIR = folder; // the folder of test servers
  try {
    // small segments: the disk becomes full while rows are written, not only when the next 16 MB are needed
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
