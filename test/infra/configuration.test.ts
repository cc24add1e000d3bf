/** A wrong configuration is refused with a sentence that names the field. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { connectionsOfStore } from '../../infra/config/connections.ts';
import example from '../../infra/config/example.ts';
import { parseConfiguration } from '../../infra/config/schema.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const node = example.nodes[0]!;
const JWT = { kind: 'jwt', issuer: 'https://issuer.example', audience: ['a'] };

describe('a wrong configuration', () => {
  const CASES: readonly (readonly [name: string, configuration: unknown, says: RegExp])[] = [
    ['nothing', null, /\(all of it\): /],
    ['no node', { ...example, nodes: [] }, /^nodes: must have at least one node\.$/m],
    [
      'bad node name',
      { ...example, nodes: [{ ...node, node: 'Shop' }] },
      /^nodes\[0\]\.node: must be 1 to 40/m,
    ],
    ['name twice', { ...example, nodes: [node, node] }, /^nodes\[1\]\.node: "shop" is the name of another/m],
    [
      'too many nodes',
      { ...example, nodes: Array.from({ length: 60 }, (_, index) => ({ ...node, node: `node_${index}` })) },
      /^nodes: are too many for one deployment \(60\)/m,
    ],
    [
      'partial ARN',
      {
        ...example,
        nodes: [{ ...node, sourceSecretArn: 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:x' }],
      },
      /^nodes\[0\]\.sourceSecretArn: must be the complete ARN/m,
    ],
    [
      'rate of zero',
      { ...example, nodes: [{ ...node, everyMinutes: 0 }] },
      /^nodes\[0\]\.everyMinutes: must be at least 1/m,
    ],
    ['unknown field', { ...example, nodes: [{ ...node, evry: 1 }] }, /^nodes\[0\]: .*evry/m],
    [
      'one subnet',
      { ...example, vpc: { ...example.vpc, privateSubnetIds: ['subnet-1'] } },
      /^vpc\.privateSubnetIds: must name one subnet/m,
    ],
    ['unknown store', { ...example, store: { kind: 'other' } }, /^store\.kind: /m],
    [
      'a name that is no table name',
      { ...example, nodes: [{ ...node, tables: [{ name: 'a b' }] }] },
      /^nodes\[0\]\.tables\[0\]\.name: is no table/m,
    ],
    [
      'a table name with three parts',
      { ...example, nodes: [{ ...node, tables: [{ name: 'public.orders.x' }] }] },
      /^nodes\[0\]\.tables\[0\]\.name: is no table/m,
    ],
    [
      'a table listed twice, in two spellings',
      { ...example, nodes: [{ ...node, tables: [{ name: 'orders' }, { name: 'PUBLIC.Orders' }] }] },
      /^nodes\[0\]\.tables\[1\]\.name: public\.orders is in the list already/m,
    ],
    [
      'a version that Aurora does not have',
      { ...example, store: { ...example.store, engineVersion: '17' } },
      /^store\.engineVersion: must be a version of Aurora PostgreSQL/m,
    ],
    [
      'a number of log days that CloudWatch lacks',
      { ...example, functions: { logDays: { poller: 2 } } },
      /^functions\.logDays/m,
    ],
    [
      'more questions at a time than the store has connections',
      { ...example, api: { concurrency: 390 } },
      /^api\.concurrency: may open too many connections: 390 of the API and 14 .* the store takes 400 /m,
    ],
    [
      'more nodes than the store has connections for',
      {
        ...example,
        nodes: Array.from({ length: 20 }, (_, index) => ({ ...node, node: `n${index}` })),
        store: { kind: 'new', maxConnections: 80 },
      },
      /^nodes: may open too many connections: 1 of the API and 90 /m,
    ],
    [
      'a claim without a name',
      {
        ...example,
        api: {
          authorization: { kind: 'jwt', issuer: 'https://issuer.example', audience: ['a'], tablesClaim: '' },
        },
      },
      /^api\.authorization\.tablesClaim: must be the name of a claim/m,
    ],
    [
      'a page with IAM',
      { ...example, api: { page: { clientId: 'page' } } },
      /^api\.page: is not possible: with IAM authorization requests are signed with AWS credentials/m,
    ],
    [
      'a page that asks for no identity',
      { ...example, api: { authorization: JWT, page: { clientId: 'page', scopes: ['email'] } } },
      /^api\.page\.scopes: must contain openid/m,
    ],
    [
      'an address of tokens in place of their origin',
      { ...example, api: { authorization: JWT, page: { clientId: 'page', tokenOrigin: 'https://a.b/c' } } },
      /^api\.page\.tokenOrigin: must be an origin/m,
    ],
    [
      'retention',
      { ...example, nodes: [{ ...node, tables: [{ name: 'a', retention: '3 days' }] }] },
      /^nodes\[0\]\.tables\[0\]\.retention: must be a duration/m,
    ],
  ];
  test.each(CASES)('%s', (_, configuration, says) => {
    expect(() => parseConfiguration(configuration, 'mine.json')).toThrow(says);
    expect(() => parseConfiguration(configuration, 'mine.json')).toThrow(
      /^The configuration mine\.json cannot be used\./,
    );
  });
});

test('the number of connections of a store follows its capacity, or is the configured one', () => {
  const of = (store: object): number | null =>
    connectionsOfStore({ kind: 'new', maxConnections: null, ...store });
  const table = [1, 2, 4, 8, 16, 64].map((maxCapacity) => of({ minCapacity: 1, maxCapacity }));
  expect(table).toEqual([189, 400, 823, 1669, 3360, 5000]);
  expect(of({ minCapacity: 0.5, maxCapacity: 64 })).toBe(2000);
  expect(of({ maxCapacity: 1, maxConnections: 500 })).toBe(500);
  expect(of({ kind: 'existing' })).toBeNull();
  expect(() => parseConfiguration({ ...example, api: { concurrency: 386 } }, 'mine.json')).not.toThrow();
});

async function appSays(context: object): Promise<{ code: number; stderr: string }> {
  const env = { ...process.env, CDK_CONTEXT_JSON: JSON.stringify(context) };
  return await promisify(execFile)(process.execPath, ['infra/app.ts'], { cwd: ROOT, env }).then(
    ({ stderr }) => ({ code: 0, stderr }),
    (error: { code: number; stderr: string }) => error,
  );
}

test('without a configuration the app neither creates nor destroys anything', async () => {
  expect(await appSays({})).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^The configuration is missing\..* -c config=/),
  });
});

test('a file that is not JSON is named, with the position of the error', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'pgtimewarp-config-')), 'mine.json');
  writeFileSync(file, '{\n  "name": "shop"\n  "vpc": {}\n}');
  const says = await appSays({ config: file });
  expect(says.stderr).toContain(`The configuration ${file} cannot be read: `);
  expect(says.stderr).toMatch(/line 3 column 3/);
  expect((await appSays({ config: `${file}x.ts` })).stderr).toContain(
    `The configuration ${file}x.ts cannot be read`,
  );
});

describe('the cdk commands in the documents', () => {
  const lines = ['README.md', 'docs/aws.md'].flatMap((path) =>
    [...readFileSync(join(ROOT, path), 'utf8').matchAll(/npx cdk [^`\n]+/g)].map(([line]) => line.trim()),
  );
  const about = lines.filter((line) => !line.startsWith('npx cdk bootstrap'));

  test('exist', () => {
    expect(about.length).toBeGreaterThan(4);
  });

  /** The arguments that a line passes to the app, and the stacks that it names. */
  const own = (line: string): string[] =>
    line
      .split(/\s+/)
      .slice(3)
      .map((arg) => arg.replace(/^config=.*/, 'config=infra/config/example.ts'));
  const isStack = (arg: string): boolean => arg.startsWith('pgtimewarp-');

  test.each(about)('%s names stacks if there are several', (line) => {
    const args = own(line);
    expect(args).toContain('config=infra/config/example.ts');
    if (!line.startsWith('npx cdk synth'))
      expect(args.some((arg) => isStack(arg) || arg === '--all')).toBe(true);
  });

  const asked = about.map((line) =>
    own(line).filter((arg) => !['--all', '--quiet', '--exclusively'].includes(arg)),
  );
  test.each([...new Set(asked.map((args) => args.join(' ')))])('cdk list %s', async (text) => {
    const args = text.split(' ');
    const { stdout } = await promisify(execFile)('node_modules/.bin/cdk', ['list', ...args], { cwd: ROOT });
    const named = args.filter(isStack);
    // and the stacks that they depend on
    expect(stdout.trim().split('\n')).toEqual(
      expect.arrayContaining(named.length > 0 ? named : ['pgtimewarp-store', 'pgtimewarp-app']),
    );
  });
});

test('the app prints the sentence and ends with a failure', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'pgtimewarp-config-')), 'mine.json');
  writeFileSync(file, JSON.stringify({ ...example, name: 'Not This' }));
  const env = { ...process.env, CDK_CONTEXT_JSON: JSON.stringify({ config: file }) };
  const run = promisify(execFile)(process.execPath, ['infra/app.ts'], { cwd: ROOT, env });
  await expect(run).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining('name: must be lower-case letters'),
  });
});
