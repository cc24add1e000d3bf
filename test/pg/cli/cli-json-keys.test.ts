/** The JSON of every command and every schema of HTTP use small letters and underscores in field names. */
import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildProgram } from '../../../cli/program.ts';
import { runCommand } from '../../support/command.ts';
import { otherKeys } from '../../support/key-style.ts';
import { runCli, spawnCli } from '../../support/run-cli.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';

const TABLES = `CREATE TABLE orders (id int PRIMARY KEY, "camelCase" int); INSERT INTO orders VALUES (1, 1);
  CREATE TABLE other (id int PRIMARY KEY); CREATE VIEW shown AS SELECT 1`;

/** A placeholder for the name of the node. */
const NODE = '(node)';

/** A placeholder for a folder that does not exist. */
const FOLDER = '(folder)';

/** In this order; runCommand checks the keys of each. */
const COMMANDS: readonly (readonly string[])[] = [
  ['migrate'],
  ['init', '--plugin', 'pgoutput'],
  ['track', 'o*', '--follow'],
  ['track', 'orders'],
  ['poll'],
  ['asof', 'orders', '--pk', '1'],
  ['asof', 'orders', '--all'],
  ['diff', 'orders', '--pk', '1'],
  ['transactions'],
  ['transaction', '1'],
  ['changes', 'orders'],
  ['find', 'orders', '--where', 'id=1'],
  ['export', '--tables', 'orders', '--to', FOLDER],
  ['status'],
  ['doctor'],
  ['events'],
  ['complete', 'tables'],
  ['retention', 'set', '1d', 'orders'],
  ['retention', 'show'],
  ['retention', 'run'],
  ['archive', 'set', 'orders', '--hot', '12h'],
  ['archive', 'show'],
  ['extension', 'install'],
  ['extension', 'views'],
  ['rebaseline', 'orders', '--dry-run'],
  ['rebaseline', '--node', NODE, '--yes'],
  ['untrack', 'o*'],
  ['release-slot', '--budget', '20GB'],
  ['release-slot', '--dry-run'],
  ['release-slot', '--yes'],
  ['extension', 'upgrade'],
  ['extension', 'uninstall'],
  ['deinit', '--purge', '--yes'],
];

/** Commands that are checked below or in their own tests, or that print no document (a shell script, a story). */
const OTHERS = [
  'restore',
  'archive run',
  'archive verify',
  'archive sql',
  'extension connect',
  'extension views',
  'serve',
  'skip',
  'completion',
  'demo',
  'help',
];

describe('the fields of JSON are snake_case', () => {
  let node: TrackedNode;
  beforeAll(async () => {
    node = await trackedNode({ plugin: 'pgoutput', tables: TABLES });
  });
  afterAll(async () => {
    await node?.[Symbol.asyncDispose]();
  });

  test.each(COMMANDS.map((args) => [args.join(' '), args] as const))('%s', async (_, args) => {
    const folder = join(tmpdir(), `pgtimewarp-${node.node}`);
    const typed = args.map((arg) => (arg === NODE ? node.node : arg === FOLDER ? folder : arg));
    const { stdout } = await runCommand([...typed, '--json'], node);
    await rm(folder, { recursive: true, force: true });
    expect(otherKeys(JSON.parse(stdout))).toEqual([]);
  });

  test('every command was tested', async () => {
    const asked = new Set([...COMMANDS.map((args) => args.join(' ')), ...OTHERS]);
    const program = await buildProgram({ version: 'test', run: async () => {} });
    const missing = names(program).filter(
      (name) => ![...asked].some((each) => `${each} `.startsWith(`${name} `)),
    );
    expect(missing).toEqual([]);
  });
});

function names(command: Command, before = ''): string[] {
  return command.commands.flatMap((each) =>
    each.commands.length > 0 ? names(each, `${each.name()} `) : [`${before}${each.name()}`],
  );
}

test('serve, when it is stopped', async () => {
  await using node = await trackedNode({ plugin: 'pgoutput', tables: TABLES, track: ['orders'] });
  const { child, result } = spawnCli(['serve', '--port', '0', '--json'], { env: node.env });
  await new Promise((resolve) => child.stderr.once('data', resolve));
  child.kill('SIGTERM');
  const document = (await result).json();
  expect(document).toMatchObject({ failed_runs: 0 });
  expect(otherKeys(document)).toEqual([]);
});

test('version, help and errors', async () => {
  const version = await runCli(['--json', '--version']);
  expect(version).toMatchObject({ code: 0, stderr: '' });
  expect(version.json()).toEqual({ version: expect.stringMatching(/^\d/) });
  const help = await runCli(['track', '--help', '--json']);
  expect(help.json()).toEqual({ help: expect.stringContaining('--follow') });
  expect(otherKeys((await runCli(['nosuch', '--json'])).json())).toEqual([]);
  expect(await runCli(['--version'])).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^\d[^{]*\n$/),
  });
});

test('every schema of HTTP', async () => {
  const document = JSON.parse(await readFile('http/openapi.json', 'utf8')) as unknown;
  const found: unknown[] = [];
  const walk = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    const { properties } = value as { properties?: Record<string, unknown> };
    if (properties !== undefined)
      found.push(Object.fromEntries(Object.keys(properties).map((key) => [key, 1])));
    for (const member of Object.values(value)) walk(member);
  };
  walk(document);
  expect(found.length).toBeGreaterThan(5);
  expect(otherKeys(found)).toEqual([]);
});
