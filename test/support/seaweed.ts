/** SeaweedFS in one process: an S3 server and an Iceberg REST catalog, with one bucket for tables, `arch`. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../cli/servers/free-port.ts';
import { WEED } from './archive-tools.ts';

export interface Seaweed extends AsyncDisposable {
  readonly s3Url: string;
  readonly catalogUrl: string;
  /** The variables by which AWS's client, the command line and the judges find it. */
  readonly env: Readonly<Record<string, string>>;
}

const KEYS = { AWS_ACCESS_KEY_ID: 'archive', AWS_SECRET_ACCESS_KEY: 'archivesecret' };

export async function startSeaweed(): Promise<Seaweed> {
  const folder = await mkdtemp(join(tmpdir(), 'pgtimewarp-seaweed-'));
  const ports = await distinctPorts(12);
  const named = [
    ...[
      'master.port',
      'master.port.grpc',
      'volume.port',
      'volume.port.grpc',
      'filer.port',
      'filer.port.grpc',
    ],
    ...['s3.port', 's3.port.grpc', 's3.port.iceberg', 'admin.port', 'admin.port.grpc'],
  ];
  const child = spawn(
    WEED,
    [
      ...[
        'mini',
        `-dir=${folder}`,
        '-ip=127.0.0.1',
        '-ip.bind=127.0.0.1',
        '-tableBucket=arch',
        '-webdav=false',
      ],
      ...['-admin.ui=false', '-s3.port.lance=0', '-master.telemetry=false'],
      ...named.map((name, at) => `-${name}=${ports[at]}`),
    ],
    { cwd: folder, env: { ...process.env, ...KEYS }, stdio: 'ignore' },
  );
  const of = (name: string): string => `http://127.0.0.1:${ports[named.indexOf(name)]}`;
  const [s3Url, catalogUrl] = [of('s3.port'), of('s3.port.iceberg')];
  const stop = async (): Promise<void> => {
    await ended(child);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await answers(child, `${catalogUrl}/v1/config?warehouse=s3://arch`);
    await answers(child, s3Url);
  } catch (error) {
    await stop();
    throw error;
  }
  const env = {
    ...KEYS,
    AWS_REGION: 'us-east-1',
    AWS_ENDPOINT_URL_S3: s3Url,
    PGTIMEWARP_ARCHIVE_URL: 's3://arch',
    PGTIMEWARP_CATALOG_URL: catalogUrl,
    PGTIMEWARP_CATALOG_WAREHOUSE: 's3://arch',
    PGTIMEWARP_CATALOG_SIGNING: 's3tables',
  };
  return { s3Url, catalogUrl, env, [Symbol.asyncDispose]: stop };
}

async function distinctPorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await freePort());
  return [...ports];
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL'); // its data is thrown away
  await exit;
}

/** Waits until the server answers with anything but "not ready". */
async function answers(child: ChildProcess, url: string): Promise<void> {
  for (let tries = 0; tries < 150; tries++) {
    if (child.exitCode !== null) break;
    const status = await fetch(url).then(
      (response) => response.status,
      () => 0,
    );
    if (status > 0 && status < 500) return;
    await sleep(200);
  }
  throw new Error(`SeaweedFS does not answer at ${url}`);
}
