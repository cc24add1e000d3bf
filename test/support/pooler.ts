/** PgBouncer in front of the databases of a test, in the given mode. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { freePort } from '../../cli/servers/free-port.ts';
import { findUnprivilegedUser } from '../../cli/servers/unprivileged-user.ts';

export const PGBOUNCER = '/usr/sbin/pgbouncer';

export interface Pooler extends AsyncDisposable {
  /** The same database through the pooler. */
  through(url: string): string;
  /** Runs a command on its console. */
  console(command: string): Promise<void>;
}

export interface PoolerOptions {
  readonly mode: 'session' | 'transaction' | 'statement';
  /** The processes of the server are used in turn, not the latest first. */
  readonly inTurn?: boolean;
  readonly size?: number;
}

/** @param urls of the databases, all on one server, with user and password */
export async function startPooler(urls: readonly string[], options: PoolerOptions): Promise<Pooler> {
  const user = await findUnprivilegedUser();
  const folder = await mkdtemp(join(tmpdir(), 'pgtimewarp-pooler-'));
  await chmod(folder, 0o755);
  const port = await freePort();
  const databases = urls.map((url) => {
    const { hostname, port: serverPort, username, password, pathname } = new URL(url);
    return `${pathname.slice(1)} = host=${hostname} port=${serverPort} user=${username} password=${password}`;
  });
  const file = join(folder, 'pgbouncer.ini');
  await writeFile(
    file,
    `[databases]
${databases.join('\n')}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
admin_users = console
pool_mode = ${options.mode}
server_round_robin = ${options.inTurn === true ? 1 : 0}
default_pool_size = ${options.size ?? 5}
ignore_startup_parameters = extra_float_digits, options
`,
    { mode: 0o644 },
  );
  const child = spawn(PGBOUNCER, ['-q', file], {
    stdio: 'ignore',
    ...(user === null ? {} : { uid: user.uid, gid: user.gid }),
  });
  const onConsole = async (command: string): Promise<void> => {
    const session = new pg.Client({ host: '127.0.0.1', port, user: 'console', database: 'pgbouncer' });
    await session.connect();
    try {
      await session.query(command);
    } finally {
      await session.end();
    }
  };
  const dispose = async (): Promise<void> => {
    if (child.exitCode === null && child.kill()) await once(child, 'exit');
    await rm(folder, { recursive: true });
  };
  for (let attempt = 0; ; attempt++) {
    try {
      await onConsole('SHOW VERSION');
      break;
    } catch (error) {
      if (attempt === 50) {
        await dispose();
        throw error;
      }
      await sleep(100);
    }
  }
  return {
    through: (url) => {
      const pooled = new URL(url);
      pooled.port = String(port);
      return pooled.href;
    },
    console: onConsole,
    [Symbol.asyncDispose]: dispose,
  };
}
