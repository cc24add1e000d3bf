/**
 * A temporary PostgreSQL server in its own folder. Server and folder are removed when it is disposed of or when this process
 * ends. It is for `demo`, tests and benchmarks, never for data that must be kept.
 */
import { randomBytes } from 'node:crypto';
import { appendFile, chmod, chown, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { createDatabase, databaseUrl, dropDatabase } from './databases.ts';
import { usableBinDir } from './embedded-copy.ts';
import { chooseBinaries, type PostgresBinaries } from './find-binaries.ts';
import { freePort } from './free-port.ts';
import { type Guardian, guard } from './guardian.ts';
import { runProgram } from './run-program.ts';
import { serverSettings } from './server-settings.ts';
import { findUnprivilegedUser, type UnprivilegedUser } from './unprivileged-user.ts';

type StopMode = 'fast' | 'immediate';

export interface StartServerOptions {
  /** Which PostgreSQL to run; by default the best one found (see {@link chooseBinaries}). */
  readonly binaries?: PostgresBinaries;
  /** Every commit waits for the disk. By default commits do not, and survive only a crash of the server alone. */
  readonly durable?: boolean;
  /** Further settings by name; they override the usual ones. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface LocalServer extends AsyncDisposable {
  readonly kind: PostgresBinaries['kind'];
  readonly version: string;
  readonly binDir: string;
  /** The folder with all files of this server and no others. */
  readonly folder: string;
  readonly dataDir: string;
  readonly port: number;
  readonly hasWal2json: boolean;
  /** A connection string, by default for the superuser `postgres`. */
  url(database?: string, user?: string, password?: string): string;
  /** `immediate` is a crash: no checkpoint, recovery at the next start. No data are removed. */
  stop(mode?: StopMode): Promise<void>;
  start(): Promise<void>;
  restart(mode?: StopMode): Promise<void>;
  createDatabase(name: string, template?: string): Promise<void>;
  dropDatabase(name: string): Promise<void>;
  /** Returns the last lines of the server's log. */
  logTail(lines?: number): Promise<string>;
  /** Keeps the server running after this process; returns the shell command that ends and removes it. */
  keep(): Promise<string>;
}

const SUPERUSER = 'postgres';
const ATTEMPTS = 5;
const SETTINGS_FILE = 'throw-away.conf';

export async function startServer(options: StartServerOptions = {}): Promise<LocalServer> {
  const binaries = options.binaries ?? (await chooseBinaries());
  const user = await findUnprivilegedUser();
  const folder = await mkdtemp(join(await realpath(tmpdir()), 'pgtimewarp-server-'));
  const dataDir = join(folder, 'data');
  const guardian = guard(folder, dataDir);
  try {
    if (user !== null) await chown(folder, user.uid, user.gid);
    await chmod(folder, 0o755);
    const binDir = await usableBinDir(binaries, folder, user);
    const place: Place = {
      binaries,
      binDir,
      folder,
      dataDir,
      user,
      guardian,
      password: randomBytes(18).toString('base64url'),
    };
    await initialise(place);
    return localServer(place, await startOnFreePort(place, options));
  } catch (error) {
    await guardian.clean();
    throw error;
  }
}

interface Place {
  readonly binaries: PostgresBinaries;
  readonly binDir: string;
  readonly folder: string;
  readonly dataDir: string;
  readonly user: UnprivilegedUser | null;
  readonly guardian: Guardian;
  readonly password: string;
}

async function initialise(place: Place): Promise<void> {
  const passwordFile = join(place.folder, 'password');
  await writeFile(passwordFile, `${place.password}\n`, { mode: 0o600 });
  if (place.user !== null) await chown(passwordFile, place.user.uid, place.user.gid);
  const how = [
    '--auth=scram-sha-256',
    `--pwfile=${passwordFile}`,
    '--encoding=UTF8',
    '--locale=C',
    '--no-sync',
  ];
  await run(place, 'initdb', ['-D', place.dataDir, '-U', SUPERUSER, ...how]);
  await rm(passwordFile);
  // The settings are in an included file, not in postgresql.auto.conf, so that ALTER SYSTEM and RESET work as on any server.
  await appendFile(join(place.dataDir, 'postgresql.conf'), `include '${SETTINGS_FILE}'\n`);
}

/** Tries another port if some process takes the port before the server does. */
async function startOnFreePort(place: Place, options: StartServerOptions): Promise<number> {
  const known = await run(place, 'postgres', ['--describe-config']);
  const restrictsPlugins = /^output_plugin_libraries\t/m.test(known);
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    const where = { port, socketDir: place.folder, restrictsPlugins, durable: options.durable ?? false };
    await writeFile(join(place.dataDir, SETTINGS_FILE), serverSettings(where, options.settings), {
      mode: 0o644,
    });
    try {
      await startPostmaster(place);
      return port;
    } catch (error) {
      if (attempt === ATTEMPTS || !/could not bind|Address already in use/.test(String(error))) throw error;
    }
  }
}

function localServer(place: Place, port: number): LocalServer {
  const { guardian, dataDir, folder, binDir, password } = place;
  const adminUrl = `postgresql://${SUPERUSER}:${password}@127.0.0.1:${port}/postgres`;
  const stop = async (mode: StopMode = 'fast'): Promise<void> => {
    await run(place, 'pg_ctl', ['stop', '-D', dataDir, '-m', mode, '-w', '-t', '60']);
  };
  const start = (): Promise<void> => startPostmaster(place);
  return {
    kind: place.binaries.kind,
    version: place.binaries.version,
    hasWal2json: place.binaries.hasWal2json,
    binDir,
    folder,
    dataDir,
    port,
    url: (database = 'postgres', user, userPassword) =>
      databaseUrl(
        adminUrl,
        database,
        user === undefined ? undefined : { user, password: userPassword ?? '' },
      ),
    stop,
    start,
    restart: async (mode) => {
      await stop(mode);
      await start();
    },
    createDatabase: (name, template) => createDatabase(adminUrl, name, template),
    dropDatabase: (name) => dropDatabase(adminUrl, name),
    logTail: (lines) => logTail(folder, lines),
    keep: async () => {
      await guardian.release();
      return `kill -QUIT $(head -n 1 ${dataDir}/postmaster.pid); sleep 1; rm -rf ${folder}`;
    },
    [Symbol.asyncDispose]: () => guardian.clean(),
  };
}

async function startPostmaster(place: Place): Promise<void> {
  const log = join(place.folder, 'log');
  await run(place, 'pg_ctl', ['start', '-D', place.dataDir, '-l', log, '-w', '-t', '60', '-s']);
}

/** The output of the program. If it fails, throws an error with the end of the server's log. */
async function run(place: Place, program: string, args: readonly string[]): Promise<string> {
  const { code, output } = await runProgram(join(place.binDir, program), args, {
    cwd: place.folder,
    user: place.user,
  });
  if (code === 0) return output;
  const said = [output.trim(), await logTail(place.folder)].filter((text) => text !== '').join('\n');
  throw new TimewarpError(
    'SERVER_FAILED',
    `${program} of PostgreSQL ${place.binaries.version} failed: ${said}`,
    {
      facts: { program, exitCode: code, binDir: place.binDir },
    },
  );
}

async function logTail(folder: string, lines = 20): Promise<string> {
  try {
    return (await readFile(join(folder, 'log'), 'utf8')).trimEnd().split('\n').slice(-lines).join('\n');
  } catch {
    return ''; // the server has not been started yet
  }
}
