/** A standby of a test's own server, made from a copy of its files, as base backups are: without slots. */
import { appendFile, copyFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runProgram } from '../../cli/servers/run-program.ts';
import { startServer } from '../../cli/servers/start-server.ts';
import { chooseServer } from './choose-server.ts';
import type { OwnSource } from './own-source.ts';
import { queryOnce } from './test-client.ts';

export interface Standby extends AsyncDisposable {
  /** The URL of the node's database on the standby. */
  readonly url: string;
  /** Waits until the standby has everything that the primary has written. */
  catchUp(): Promise<void>;
  /** Ends the recovery, as a failover does; returns when the server accepts writes. */
  promote(): Promise<void>;
}

export async function startStandby(node: OwnSource): Promise<Standby> {
  const { binaries } = await chooseServer();
  const server = await startServer({ binaries });
  const primary = new URL(node.urls.sourceUrl);
  const standby = new URL(primary);
  standby.port = String(server.port);
  const settings = join(server.folder, 'settings');
  await server.stop();
  await copyFile(join(server.dataDir, 'throw-away.conf'), settings);
  await node.copy();
  await rm(server.dataDir, { recursive: true });
  await run('mv', join(node.server.folder, 'copy'), server.dataDir);
  for (const leftover of ['postmaster.pid', 'pg_replslot']) {
    await rm(join(server.dataDir, leftover), { recursive: true, force: true });
  }
  await mkdir(join(server.dataDir, 'pg_replslot'));
  await copyFile(settings, join(server.dataDir, 'throw-away.conf'));
  await appendFile(
    join(server.dataDir, 'throw-away.conf'),
    `primary_conninfo = 'host=127.0.0.1 port=${primary.port} user=${primary.username} password=${primary.password}'\n`,
  );
  await writeFile(join(server.dataDir, 'standby.signal'), '');
  await run('chown', '-R', '--reference', node.server.dataDir, server.dataDir);
  await server.start();
  const ask = async (url: string, text: string): Promise<string> =>
    String(Object.values((await queryOnce(url, text)).rows[0]!)[0]);
  return {
    url: standby.href,
    catchUp: async () => {
      const position = await ask(primary.href, 'SELECT pg_current_wal_insert_lsn()');
      const text = `SELECT pg_last_wal_replay_lsn() >= '${position}'`;
      while ((await ask(standby.href, text)) !== 'true')
        await new Promise((resolve) => setTimeout(resolve, 50));
    },
    promote: async () => void (await ask(standby.href, 'SELECT pg_promote(true, 60)')),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

async function run(program: string, ...args: string[]): Promise<void> {
  const { code, output } = await runProgram(program, args);
  if (code !== 0) throw new Error(`${program}: ${output}`);
}
