/**
 * The server of a test run in a container, for machines with Docker and without PostgreSQL and wal2json. The image consists of
 * Debian packages. The container is removed on disposal, or by testcontainers' reaper if we are killed.
 */
import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { fileURLToPath } from 'node:url';
import { databaseUrl } from '../../cli/servers/databases.ts';
import { freePort } from '../../cli/servers/free-port.ts';
import { serverSettings } from '../../cli/servers/server-settings.ts';
import { connectForTest } from './test-client.ts';
import type { TestServer } from './test-server.ts';

const CONTEXT = fileURLToPath(new URL('docker', import.meta.url));
const IMAGE = 'pgtimewarp-test-postgres:15';

/** Whether a Docker daemon answers at DOCKER_HOST, or at its usual socket. */
export function dockerAnswers(): Promise<boolean> {
  const { protocol, hostname, port, pathname } = new URL(
    process.env.DOCKER_HOST || 'unix:///var/run/docker.sock',
  );
  const where =
    protocol === 'unix:' ? { socketPath: pathname } : { host: hostname, port: Number.parseInt(port, 10) };
  return new Promise((resolve) => {
    const ping = request({ ...where, path: '/_ping', timeout: 2_000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    ping.on('timeout', () => ping.destroy());
    ping.on('error', () => resolve(false));
    ping.end();
  });
}

/** Builds the image (from Docker's cache after the first time) and starts a server from it. */
export async function startDockerServer(): Promise<TestServer> {
  const { GenericContainer, Wait } = await import('testcontainers');
  const base = process.env.TEST_DOCKER_BASE;
  const builder = GenericContainer.fromDockerfile(CONTEXT).withBuildArgs(base ? { BASE: base } : {});
  const image = await builder.build(IMAGE, { deleteOnExit: false });
  const password = randomBytes(18).toString('base64url');
  const port = await freePort(); // the same address inside: the source connects to the store at the address that we use
  const place = { port, socketDir: '/tmp', restrictsPlugins: false, durable: false };
  const container = await image
    .withEnvironment({
      PASSWORD: password,
      SETTINGS: serverSettings(place, { listen_addresses: '*', shared_buffers: '128MB' }),
    })
    .withExposedPorts({ container: port, host: port })
    .withSharedMemorySize(256 * 1024 * 1024)
    .withAutoCleanup(process.env.TEST_KEEP !== '1')
    .withWaitStrategy(Wait.forLogMessage('database system is ready to accept connections'))
    .start();
  const adminUrl = `postgresql://postgres:${password}@${container.getHost()}:${port}/postgres`;
  return {
    kind: 'docker',
    version: await readVersion(adminUrl),
    hasWal2json: true,
    url: (database = 'postgres') => databaseUrl(adminUrl, database),
    keep: async () => `docker rm -f ${container.getId()}`,
    [Symbol.asyncDispose]: async () => {
      await container.stop();
    },
  };
}

async function readVersion(adminUrl: string): Promise<string> {
  const session = await connectForTest(adminUrl);
  try {
    const { rows } = await session.query<{ version: string }>(
      `SELECT split_part(current_setting('server_version'), ' ', 1) AS version`,
    );
    return rows[0]!.version;
  } finally {
    await session.end();
  }
}
