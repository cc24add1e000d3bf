/** The server of a test run, of any kind. */
import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type LocalServer, startServer } from '../../cli/servers/start-server.ts';
import type { ServerChoice } from './choose-server.ts';
import { startDockerServer } from './docker-server.ts';

/** The last segment of 16 MB before 10/0. As text, later LSNs sort before earlier ones. */
const FIRST_SEGMENT = '000000010000000F000000FF';

export interface TestServer extends AsyncDisposable {
  readonly kind: 'local' | 'embedded' | 'docker';
  readonly version: string;
  readonly hasWal2json: boolean;
  /** As superuser. */
  url(database?: string): string;
  /** Lets the server run after this process; @returns the command that ends and removes it. */
  keep(): Promise<string>;
}

export async function startTestServer({ kind, binaries }: ServerChoice): Promise<TestServer> {
  if (kind === 'docker') return await startDockerServer();
  const server = await startServer({ binaries });
  // npm's PostgreSQL comes without pg_resetwal
  if (kind === 'local') await moveLsnAhead(server);
  return server;
}

/** The server's LSNs continue at F/FF000000, so a test that expects LSNs of 0/…, or the order of their texts, fails. */
async function moveLsnAhead(server: LocalServer): Promise<void> {
  await server.stop();
  const { uid, gid } = await stat(server.dataDir);
  const args = ['-l', FIRST_SEGMENT, server.dataDir];
  await promisify(execFile)(join(server.binDir, 'pg_resetwal'), args, { uid, gid, cwd: server.folder });
  await server.start();
}
