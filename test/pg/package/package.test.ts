/**
 * The package as users get it: packed, installed into an empty folder without our development dependencies, and run by plain
 * Node. This tests the built JavaScript, the list of files, and the declared dependencies.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { freePort } from '../../../cli/servers/free-port.ts';
import { BUSYBOX, busybox, describeNeeding } from '../../support/needs.ts';
import { oldestNode } from '../../support/oldest-node.ts';
import { type ProgramResult, runTool } from '../../support/run-tool.ts';
import { builtFunctions } from '../../support/synthesize.ts';
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

const debianNode = '/usr/bin/node';
const tooOld =
  existsSync(debianNode) &&
  /^v(1\d|2[01])\./.test(execFileSync(debianNode, ['--version'], { encoding: 'utf8' }));
const OLD_NODE = {
  what: 'a Node before 22',
  met: tooOld,
  remedy: 'apt-get install nodejs',
  isForeign: true,
} as const;

describeNeeding(OLD_NODE, 'with a Node that is too old', () => {
  test('the command says so', async () => {
    const { code, stdout, stderr } = await pgtimewarp(debianNode, ['status'], {});
    const { engines } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {
      engines: { node: string };
    };
    const wanted = engines.node.replace('>=', '');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(
      new RegExp(
        `^error: pgtimewarp needs Node ${wanted} or later; /usr/bin/node is \\d+\\.\\d+\\.\\d+\\.\n$`,
      ),
    );
  });
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

test.each(['api', 'archiver', 'doctor', 'maintenance', 'migrate', 'poller'])(
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

test('its Lambda functions are those that the other tests run', async () => {
  const [packed, tested] = [join(folder, 'node_modules/pgtimewarp/dist/lambda'), await builtFunctions()];
  const files = async (root: string) =>
    (await readdir(root, { recursive: true }))
      .filter((path) => /\.(mjs|sql|html|js|css|svg)$/.test(path))
      .toSorted();
  expect(await files(packed)).toEqual(await files(tested));
  expect(await files(packed)).toEqual(expect.arrayContaining(['api/index.mjs', 'api/page/index.html']));
  for (const path of await files(tested)) {
    const [one, other] = [await readFile(join(packed, path)), await readFile(join(tested, path))];
    expect(one.equals(other), path).toBe(true);
  }
});

describe('an app of the CDK that knows only the package', () => {
  /** The example of docs/cdk.md. */
  let app: string;

  beforeAll(async () => {
    const page = await readFile(join(ROOT, 'docs/cdk.md'), 'utf8');
    app = /^```ts\n([\s\S]*?)^```$/m.exec(page)![1]!;
    for (const name of ['aws-cdk-lib', 'cdk-nag', 'constructs'])
      await symlink(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name));
  });

  async function synthesized(source: string, outdir: string): Promise<ProgramResult> {
    await writeFile(join(folder, `${outdir}.ts`), source);
    const env = {
      PATH: '/nowhere', // neither esbuild nor Docker
      CDK_OUTDIR: outdir,
      CDK_CONTEXT_JSON: JSON.stringify({ '@aws-cdk/core:validateAgainstDefaultRules': true }),
    };
    return runTool(process.execPath, [`${outdir}.ts`], { cwd: folder, env, timeoutMs: 170_000 });
  }

  test('synthesises source, store, API, archive and functions in 15 lines', async () => {
    expect(app.split('\n').filter((line) => line.trim() !== '').length).toBeLessThanOrEqual(15);
    const { code, stdout, stderr } = await synthesized(app, 'app');
    expect(code, stdout + stderr).toBe(0);
    const text = await readFile(join(folder, 'app/Shop.template.json'), 'utf8');
    const { Resources } = JSON.parse(text) as { Resources: Record<string, { Type: string }> };
    const count = (type: string) => Object.values(Resources).filter(({ Type }) => Type === type).length;
    expect(
      ['RDS::DBCluster', 'Lambda::Function', 'ApiGatewayV2::Api', 'Scheduler::Schedule', 'S3::Bucket'].map(
        (type) => count(`AWS::${type}`),
      ),
    ).toEqual([2, 6, 1, 3, 1]);
    const assets = await readdir(join(folder, 'app'), { recursive: true });
    expect(assets.filter((path) => path.endsWith('index.mjs'))).toHaveLength(6);
  }, 180_000);

  test('compiles against the types of the package', async () => {
    await writeFile(join(folder, 'typed.ts'), `${app}\n// @ts-expect-error\nhistory.observe(1);\n`);
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    const flags = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023', '--types', 'node'];
    await succeed(process.execPath, [tsc, ...flags, 'typed.ts']);
  }, 120_000);

  test('cdk-nag has findings in the source of the example only, and none in the construct', async () => {
    const checked = app.replace(
      'const app = new App();',
      `import { Validations } from 'aws-cdk-lib';
       import { AwsSolutionsChecks, ServerlessChecks } from 'cdk-nag';
       const app = new App();
       Validations.of(app).addPlugins(new AwsSolutionsChecks(app), new ServerlessChecks(app));`,
    );
    await synthesized(checked, 'checked');
    const { pluginReports } = JSON.parse(
      await readFile(join(folder, 'checked/validation-report.json'), 'utf8'),
    ) as { pluginReports: { violations: { ruleName: string; violatingConstructs: unknown }[] }[] };
    const found = pluginReports.flatMap(({ violations }) => violations);
    expect(JSON.stringify(found.map(({ violatingConstructs }) => violatingConstructs))).not.toContain(
      'Shop/History',
    );
    // flow logs of its network; logs of its bucket; rotation, logins by IAM and protection of its database
    expect(found.map(({ ruleName }) => ruleName.replace(/^.*::/, '')).toSorted()).toEqual([
      'AwsSolutions-RDS10',
      'AwsSolutions-RDS6',
      'AwsSolutions-S1',
      'AwsSolutions-SMG4',
      'AwsSolutions-VPC7',
    ]);
  }, 180_000);
});

test('it contains no tests and runs no install script', async () => {
  const listed = await succeed('npm', ['pack', '--dry-run', '--ignore-scripts', '--json'], ROOT);
  const [{ files }] = JSON.parse(listed.stdout) as [{ files: { path: string }[] }];
  const outside = files
    .map((file) => file.path)
    .filter(
      (path) =>
        !/^(dist\/(core|cli|chunks|infra|lambda|web)\/|migrations\/(\d|functions\/)|extension\/|[A-Z-]+(\.md)?$|package\.json$)/.test(
          path,
        ),
    );
  expect(outside).toEqual([]);
  const scripts = await succeed('npm', ['pkg', 'get', 'scripts', '--json'], ROOT);
  expect(Object.keys(JSON.parse(scripts.stdout) as object)).not.toEqual(
    expect.arrayContaining([expect.stringMatching(/^(pre|post)?install$|^prepare$/)]),
  );
});
