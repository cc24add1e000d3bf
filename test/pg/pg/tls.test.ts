/**
 * Encrypted sessions with a real server and a test authority: a server that cannot prove to be the named host is refused.
 * Nothing is sent unencrypted to a remote host unless the URL asks for it.
 */
import { X509Certificate } from 'node:crypto';
import dns from 'node:dns';
import { chmod, chown, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { runProgram } from '../../../cli/servers/run-program.ts';
import { type LocalServer, startServer } from '../../../cli/servers/start-server.ts';
import { connect, connectBeside } from '../../../core/pg/connection.ts';
import { tlsFor } from '../../../core/pg/tls.ts';
import { chooseServer } from '../../support/choose-server.ts';
import { describeNeeding } from '../../support/needs.ts';
import { connectForTest } from '../../support/test-client.ts';

type Parameters = Readonly<Record<string, string | undefined>>;

const { code: OPENSSL } = await runProgram('openssl', ['version']).catch(() => ({ code: 1 }));

describeNeeding({ what: 'openssl', met: OPENSSL === 0, remedy: 'apt-get install openssl' }, 'TLS', () => {
  let server: LocalServer;
  let authority: string;

  beforeAll(async () => {
    const { binaries } = await chooseServer();
    server = await startServer({ binaries });
    authority = join(server.folder, 'authority.crt');
    await certify(server, authority);
    await reload(server, 'ALTER SYSTEM SET ssl = on');
    // every name of the test's domain resolves to this server
    const lookup = dns.lookup as (...args: unknown[]) => void;
    vi.spyOn(dns, 'lookup').mockImplementation(((name: string, ...rest: unknown[]) =>
      lookup(name.endsWith('.example.test') ? '127.0.0.1' : name, ...rest)) as typeof dns.lookup);
  });

  afterAll(async () => {
    vi.restoreAllMocks();
    await server?.[Symbol.asyncDispose]();
  });

  /** Whether the session is encrypted; throws what `connect` throws. */
  const encrypted = async (host: string, parameters: Parameters = {}): Promise<boolean> => {
    const url = new URL(server.url());
    url.hostname = host;
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value ?? '');
    const session = await connect(url.href, { side: 'store', node: 'tls' });
    try {
      const { rows } = await session.query<{ ssl: boolean }>(
        'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()',
      );
      return rows[0]!.ssl;
    } finally {
      await session.end();
    }
  };
  const refusal = (text: string, remedy = ''): object =>
    expect.objectContaining({
      code: 'STORE_UNREACHABLE',
      message: expect.stringContaining(text),
      remedy: expect.stringContaining(remedy),
    });

  test('the certificate of a remote host must come from a known authority', async () => {
    for (const parameters of [
      {},
      { sslmode: 'require' },
      { sslmode: 'verify-ca' },
      { sslmode: 'verify-full' },
    ])
      await expect(encrypted('db.example.test', parameters)).rejects.toEqual(
        refusal('certificate', 'sslrootcert=FILE'),
      );
    expect(await encrypted('db.example.test', { sslrootcert: authority })).toBe(true);
    expect(await encrypted('db.example.test', { sslmode: 'require', sslrootcert: authority })).toBe(true);
  });

  test('the certificate must name the host', async () => {
    for (const parameters of [{}, { sslmode: 'require' }, { sslmode: 'verify-ca' }])
      await expect(
        encrypted('other.example.test', { ...parameters, sslrootcert: authority }),
      ).rejects.toEqual(refusal('altnames', 'Name the host in --store as its certificate does.'));
  });

  test('an address is verified as that address', async () => {
    expect(await encrypted('127.0.0.1', { sslmode: 'verify-full', sslrootcert: authority })).toBe(true);
    await certify(server, authority, 'DNS:localhost');
    await reload(server);
    try {
      await expect(
        encrypted('127.0.0.1', { sslmode: 'verify-full', sslrootcert: authority }),
      ).rejects.toEqual(refusal('cert'));
    } finally {
      await certify(server, authority);
      await reload(server);
    }
  });

  test('an additional session is verified in the same way', async () => {
    const url = new URL(server.url());
    url.hostname = 'db.example.test';
    url.searchParams.set('sslrootcert', authority);
    const first = await connect(url.href, { side: 'store', node: 'tls' });
    const second = await connectBeside(first, { side: 'store', node: 'tls' });
    const { rows } = await second.query('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()');
    expect(rows).toEqual([{ ssl: true }]);
    await second.end();
    await certify(server, authority, 'DNS:other.example.test');
    await reload(server);
    await expect(connectBeside(first, { side: 'store', node: 'tls' })).rejects.toEqual(refusal('altnames'));
    await first.end();
    await certify(server, authority);
    await reload(server);
  });

  test('connections without encryption or verification need an explicit sslmode', async () => {
    expect(await encrypted('db.example.test', { sslmode: 'disable' })).toBe(false);
    expect(await encrypted('db.example.test', { sslmode: 'no-verify' })).toBe(true);
    for (const sslmode of ['prefer', 'allow', 'off', 'DISABLE', ''])
      await expect(encrypted('db.example.test', { sslmode })).rejects.toMatchObject({ code: 'BAD_FLAGS' });
    vi.stubEnv('PGSSLMODE', 'disable');
    await expect(encrypted('db.example.test')).rejects.toEqual(refusal('certificate'));
    vi.unstubAllEnvs();
  });

  test('this machine is reached without encryption, unless the URL asks for it', async () => {
    expect(await encrypted('127.0.0.1')).toBe(false);
    expect(await encrypted('localhost')).toBe(false);
    await expect(encrypted('127.0.0.1', { sslmode: 'require' })).rejects.toEqual(refusal('certificate'));
  });

  test('a host without encryption is refused', async () => {
    await reload(server, 'ALTER SYSTEM SET ssl = off');
    try {
      await expect(encrypted('db.example.test', { sslrootcert: authority })).rejects.toEqual(
        refusal('SSL', 'end the URL of --store with ?sslmode=disable'),
      );
    } finally {
      await reload(server, 'ALTER SYSTEM SET ssl = on');
    }
  });

  test('an unreadable file of authorities is an error of the URL', async () => {
    await expect(encrypted('db.example.test', { sslrootcert: '/nowhere.crt' })).rejects.toMatchObject({
      code: 'BAD_FLAGS',
      message: 'sslrootcert=/nowhere.crt in --store cannot be read (ENOENT).',
    });
  });

  test('the authorities of the system and of RDS are trusted', () => {
    const options = tlsFor('db.eu-central-1.rds.amazonaws.com', new URLSearchParams(), 'store');
    if (options === false) throw new Error('not encrypted');
    const known = options.ca as string[];
    expect(known).toEqual(expect.arrayContaining([...rootCertificates]));
    const names = known.map((text) => new X509Certificate(text).subject);
    expect(names.filter((name) => name.includes('Amazon RDS eu-central-1 Root CA'))).not.toEqual([]);
  });
});

/** Gives the server a certificate of the authority; makes the authority first. */
async function certify(
  server: LocalServer,
  authority: string,
  names = 'DNS:db.example.test,IP:127.0.0.1',
): Promise<void> {
  const file = (name: string): string => join(server.folder, name);
  const openssl = async (...args: string[]): Promise<void> => {
    const { code, output } = await runProgram('openssl', args);
    if (code !== 0) throw new Error(output);
  };
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const exists = await stat(authority).then(
    () => true,
    () => false,
  );
  if (!exists) {
    const subject = ['-subj', '/CN=authority of a test'];
    await openssl(
      'req',
      '-x509',
      ...key,
      '-keyout',
      file('authority.key'),
      '-out',
      authority,
      '-days',
      '2',
      ...subject,
    );
  }
  await openssl(
    'req',
    ...key,
    '-keyout',
    file('server.key'),
    '-out',
    file('server.csr'),
    '-subj',
    '/CN=server',
  );
  await writeFile(file('names'), `subjectAltName=${names}\n`);
  const signing = ['-CA', authority, '-CAkey', file('authority.key'), '-CAcreateserial', '-days', '2'];
  const crt = join(server.dataDir, 'server.crt');
  await openssl(
    'x509',
    '-req',
    '-in',
    file('server.csr'),
    ...signing,
    '-extfile',
    file('names'),
    '-out',
    crt,
  );
  const target = join(server.dataDir, 'server.key');
  await openssl('ec', '-in', file('server.key'), '-out', target);
  const { uid, gid } = await stat(server.dataDir);
  for (const each of [crt, target]) {
    await chown(each, uid, gid);
    await chmod(each, 0o600);
  }
}

/** Changes settings and returns when new sessions have them. */
async function reload(server: LocalServer, ...statements: string[]): Promise<void> {
  const ask = async (...all: string[]): Promise<string> => {
    const session = await connectForTest(server.url());
    try {
      for (const statement of all) await session.query(statement);
      const { rows } = await session.query<{ at: string }>('SELECT pg_conf_load_time() AS at');
      return rows[0]!.at;
    } finally {
      await session.end();
    }
  };
  const before = await ask();
  await ask(...statements, 'SELECT pg_reload_conf()');
  const patience = performance.now() + 10_000;
  while ((await ask()) === before) {
    if (performance.now() > patience) throw new Error('the server did not read its configuration');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
