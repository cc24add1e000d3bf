/**
 * The package as users get it: packed, installed into an empty folder without our development dependencies, and run by plain
 * Node. This tests the built JavaScript, the list of files, and the declared dependencies.
 */
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { freePort } from '../../../cli/servers/free-port.ts';
import { BUSYBOX, busybox, describeNeeding } from '../../support/needs.ts';
import { oldestNode } from '../../support/oldest-node.ts';
import { type ProgramResult, runTool } from '../../support/run-tool.ts';
import { testDatabases } from '../../support/test-databases.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** What a deployment gives every function. */
const LAMBDA_ENVIRONMENT = {
  PGTIMEWARP_STORE_SECRET_ARN: 'arn:of:store',
  PGTIMEWARP_SOURCE_SECRET_ARNS: '{}',
  PGTIMEWARP_WRITER_SECRET_ARN: 'arn:of:writer',
  PGTIMEWARP_READER_SECRET_ARN: 'arn:of:reader',
  PGTIMEWARP_OWNER_SECRET_ARN: 'arn:of:owner',
  PGTIMEWARP_TOPIC_ARN: 'arn:of:topic',
  PGTIMEWARP_VERSION: 'test',
  AWS_REGION: 'eu-central-1',
};

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pgtimewarp-package-'));
  const packed = await succeed('npm', ['pack', '--json', '--pack-destination', folder], ROOT);
  const [{ filename }] = JSON.parse(packed.stdout) as [{ filename: string }];
  await writeFile(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
  await succeed('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', join(folder, filename)]);
}, 180_000);

afterAll(async () => {
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
});

async function succeed(program: string, args: readonly string[], cwd = folder): Promise<ProgramResult> {
  const result = await runTool(program, args, { cwd, timeoutMs: 170_000 });
  expect(result.code, `${program} ${args.join(' ')}\n${result.stdout}${result.stderr}`).toBe(0);
  return result;
}

/** The installed command, found and started as a shell does: by its shebang, with `node` first on the PATH. */
function pgtimewarp(
  node: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  timeoutMs = 60_000,
) {
  const path = [dirname(node), process.env.PATH].join(delimiter);
  const command = join(folder, 'node_modules/.bin/pgtimewarp');
  return runTool(command, args, { cwd: folder, env: { ...env, PATH: path }, timeoutMs });
}

function worksWith(node: string): void {
  test('init, track, poll, asof, diff, status, doctor, deinit', async () => {
    await using databases = await testDatabases({
      tables: `CREATE TABLE orders (id int PRIMARY KEY, total numeric); INSERT INTO orders VALUES (1, 9.90)`,
      store: 'empty',
    });
    const run = (...args: string[]) => pgtimewarp(node, [...args, '--json'], databases.env);
    const steps: [command: string[], expected: object][] = [
      [['init', '--plugin', 'pgoutput'], { created: true }],
      [['track', 'orders'], { tables: [{ table: 'public.orders', baseline_rows: 1 }] }],
      [['poll'], { outcome: 'done', changes: 1 }],
      [['asof', 'orders', '--pk', '1'], { status: 'found', row: { total: 12.5 } }],
      [['diff', 'orders', '--pk', 'id=1'], { changes: [{ op: 'S' }, { op: 'U' }] }],
      [['status'], { nodes: [{ node: databases.node, tables: [{ table: 'public.orders' }] }] }],
      [['doctor'], { status: 'ok' }],
      [['deinit', '--purge', '--yes'], { removed: true, slot_dropped: true, purged: true }],
    ];
    for (const [command, expected] of steps) {
      if (command[0] === 'poll') await databases.source.query('UPDATE orders SET total = 12.5');
      const result = await run(...command);
      expect(result.code, `${command.join(' ')}: ${result.stderr}`).toBe(0);
      expect(JSON.parse(result.stdout), command.join(' ')).toMatchObject(expected);
    }
  });

  test('serve answers over HTTP', async () => {
    await using databases = await testDatabases();
    expect((await pgtimewarp(node, ['init', '--plugin', 'pgoutput'], databases.env)).code).toBe(0);
    const port = await freePort();
    const running = pgtimewarp(node, ['serve', '--port', String(port)], databases.env, 20_000);
    const health = await vi.waitUntil(
      () => fetch(`http://127.0.0.1:${port}/openapi.json`).catch(() => null), // until it listens
      { timeout: 15_000, interval: 200 },
    );
    expect(await health.json()).toMatchObject({ openapi: expect.stringMatching(/^3/) });
    const page = await fetch(`http://127.0.0.1:${port}/`, { headers: { accept: 'text/html' } });
    expect(await page.text()).toMatch(/src="\/assets\/main-\w+\.js"/);
    await running; // ended by its time-out: other tests check what serve does at a signal
  });

  test('demo, on the server that the package finds', async () => {
    const result = await pgtimewarp(node, ['demo', '--json'], {});
    expect(result.code, result.stderr).toBe(0);
    expect(JSON.parse(result.stdout)).toMatchObject({ changes: 9, kept: null });
    expect(result.stderr).toContain('1249.00 → 0.00');
  });
}

describe('with the Node of this run', () => worksWith(process.execPath));

describeNeeding(oldestNode(), 'with the oldest Node that is supported', () => {
  test('it is the expected version', async () => {
    const { engines } = JSON.parse((await succeed('npm', ['pkg', 'get', '--json'], ROOT)).stdout) as {
      engines: { node: string };
    };
    const { stdout } = await succeed(oldestNode().path, ['--version']);
    expect(`>=${stdout.trim().slice(1)}`).toBe(`${engines.node}.0`);
  });
  worksWith(oldestNode().path);
});

describeNeeding(busybox(), 'where env is that of BusyBox', () => {
  test('the command starts', async () => {
    const command = join(folder, 'node_modules/.bin/pgtimewarp');
    const [first = ''] = (await readFile(command, 'utf8')).split('\n', 1);
    // the kernel passes the rest of the line as one argument (execve(2))
    const [, argument] = /^#!\/usr\/bin\/env (.*)$/.exec(first) ?? [];
    const env = { PATH: [dirname(process.execPath), process.env.PATH].join(delimiter) };
    const options = { cwd: folder, env, timeoutMs: 60_000 };
    const { code, stdout, stderr } = await runTool(
      BUSYBOX,
      ['env', argument!, command, '--version'],
      options,
    );
    expect([code, stdout], stderr).toEqual([0, expect.stringMatching(/^\d+\.\d+\.\d+\n$/)]);
  });
});

test('types: a program that uses the library compiles against the package', async () => {
  await writeFile(
    join(folder, 'program.ts'),
    `import { asOf } from 'pgtimewarp/as-of';
     import { connect } from 'pgtimewarp/connect';
     import { deinit } from 'pgtimewarp/deinit';
     import { diff } from 'pgtimewarp/diff';
     import { TimewarpError } from 'pgtimewarp/errors';
     import { init } from 'pgtimewarp/init';
     import { parseInstant } from 'pgtimewarp/instant';
     import { keyFromText } from 'pgtimewarp/key';
     import { type PollResult, poll } from 'pgtimewarp/poll';
     import { parseTableName } from 'pgtimewarp/table-name';
     import { track, untrack } from 'pgtimewarp/track';
     const urls = { sourceUrl: 'postgres://a', storeUrl: 'postgres://b', node: 'n' };
     export const result: PollResult = await poll(urls);
     const store = await connect(urls.storeUrl, { side: 'store', node: 'n' });
     const row = { node: 'n', table: parseTableName('orders'), pk: keyFromText('1') };
     export const status: 'found' | 'absent' | 'unknown' = (await asOf(store, { ...row, at: parseInstant(null) })).status;
     export const used = [init, deinit, track, untrack, diff, TimewarpError];
     // @ts-expect-error a number is not an outcome: what is imported has types
     result.outcome = 1;
    `,
  );
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  const flags = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023', '--types', 'node'];
  await succeed(process.execPath, [tsc, ...flags, 'program.ts']);
});

test('it is small: at most 30 MB with all that npm installs beside it', async () => {
  const entries = await readdir(join(folder, 'node_modules'), { recursive: true, withFileTypes: true });
  const sizes = await Promise.all(
    entries
      .filter((entry) => entry.isFile())
      .map(async (entry) => (await stat(join(entry.parentPath, entry.name))).size),
  );
  const megabytes = sizes.reduce((sum, size) => sum + size, 0) / 1e6;
  expect(megabytes).toBeLessThan(30);
  expect(megabytes).toBeGreaterThan(1); // it has been counted
});

test('it has the licence of every package whose code is bundled', async () => {
  const installed = join(folder, 'node_modules/pgtimewarp');
  const licences = await readFile(join(installed, 'THIRD-PARTY-LICENSES'), 'utf8');
  const named = new Set([...licences.matchAll(/^-{80}\n(\S+) \S+ \(/gm)].map(([, name]) => name));
  const scripts = (await readdir(join(installed, 'dist'), { recursive: true })).filter((path) =>
    /\.m?js$/.test(path),
  );
  const bundled = new Set<string>();
  for (const script of scripts) {
    const text = await readFile(join(installed, 'dist', script), 'utf8');
    // esbuild writes the path of each source before its code
    for (const [, name] of text.matchAll(/^\/\/ (?:\S+\/)?node_modules\/((?:@[^/\n]+\/)?[^/\n]+)\//gm))
      bundled.add(name!);
  }
  expect(bundled).toContain('pg');
  expect([...bundled].filter((name) => !named.has(name))).toEqual([]);
});

test.each(['api', 'doctor', 'maintenance', 'migrate', 'poller'])(
  'the Lambda function %s is in it, ready to run',
  async (name) => {
    const handler = join(folder, 'node_modules/pgtimewarp/dist/lambda', name, 'index.mjs');
    const program = `const { handler } = await import(${JSON.stringify(handler)}); console.log(typeof handler);`;
    const env = { ...LAMBDA_ENVIRONMENT, PATH: process.env.PATH ?? '' };
    const { stdout, stderr } = await runTool(process.execPath, ['--input-type=module', '-e', program], {
      ...{ cwd: folder, env, timeoutMs: 60_000 },
    });
    expect(stdout, stderr).toBe('function\n');
  },
);

test('it contains no tests and runs no install script', async () => {
  const listed = await succeed('npm', ['pack', '--dry-run', '--ignore-scripts', '--json'], ROOT);
  const [{ files }] = JSON.parse(listed.stdout) as [{ files: { path: string }[] }];
  const outside = files
    .map((file) => file.path)
    .filter(
      (path) =>
        !/^(dist\/(core|cli|chunks|lambda|web)\/|migrations\/(\d|functions\/)|extension\/|[A-Z-]+(\.md)?$|package\.json$)/.test(
          path,
        ),
    );
  expect(outside).toEqual([]);
  const scripts = await succeed('npm', ['pkg', 'get', 'scripts', '--json'], ROOT);
  expect(Object.keys(JSON.parse(scripts.stdout) as object)).not.toEqual(
    expect.arrayContaining([expect.stringMatching(/^(pre|post)?install$|^prepare$/)]),
  );
});
