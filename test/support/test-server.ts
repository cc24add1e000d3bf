/** The one server of a test run, wherever it runs. */
import { startServer } from '../../cli/servers/start-server.ts';
import type { ServerChoice } from './choose-server.ts';
import { startDockerServer } from './docker-server.ts';

export interface TestServer extends AsyncDisposable {
  readonly kind: 'local' | 'embedded' | 'docker';
  readonly version: string;
  readonly hasWal2json: boolean;
  /** As superuser. */
  url(database?: string): string;
  /** Lets the server outlive this process; answers with the command that ends and removes it. */
  keep(): Promise<string>;
}

export async function startTestServer({ kind, binaries }: ServerChoice): Promise<TestServer> {
  return kind === 'docker' ? await startDockerServer() : await startServer({ binaries });
}
