/** Names that are nearly right, and commands that a shell completes. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runCli } from '../support/run-cli.ts';
import { type TestDatabases, testDatabases } from '../support/test-databases.ts';

let databases: TestDatabases;

beforeAll(async () => {
  databases = await testDatabases({
    tables: `CREATE SCHEMA sales; CREATE TABLE sales.orders (id int PRIMARY KEY);
             CREATE TABLE customers (id int PRIMARY KEY); CREATE TABLE "Odd Name" (id int PRIMARY KEY)`,
  });
  expect(await runCli(['init', '--plugin', 'pgoutput'], { env: databases.env })).toMatchObject({ code: 0 });
  expect(await runCli(['track', 'customers'], { env: databases.env })).toMatchObject({ code: 0 });
});

afterAll(async () => databases?.[Symbol.asyncDispose]());

test.each([
  [['track', 'orders'], 'Did you mean sales.orders?'],
  [['track', 'sales.oders'], 'Did you mean sales.orders?'],
  [['track', '"odd name"'], 'Did you mean public."Odd Name"?'],
  [['asof', 'custmoers', '--pk', '1'], 'Did you mean public.customers?'],
  [['diff', 'shop.customers', '--pk', '1'], 'Did you mean public.customers?'],
  [['asfo', 'customers'], 'Did you mean asof?'],
])('%j', async (args, suggestion) => {
  const result = await runCli(args, { env: databases.env });
  expect(result.code).toBe(2);
  expect(result.stderr).toContain(suggestion);
});

test('nothing is suggested for what is nothing like it', async () => {
  const result = await runCli(['track', 'invoices'], { env: databases.env });
  expect(result.stderr).toContain('The source has no table public.invoices.');
  expect(result.stderr).not.toContain('Did you mean');
});

test.each([
  [['as'], 1, ['asof']],
  [['--node', 'x', 'asof', 'orders', '--p'], 5, ['--pk']],
  [['completion', 'z'], 2, ['zsh']],
  [['deinit', '--f'], 2, ['--forget-source']],
])('bash completes %j', async (words, at, expected) => {
  const { stdout: script } = await runCli(['completion', 'bash']);
  const ask = `${script}\nCOMP_WORDS=(pgtimewarp "$@"); COMP_CWORD=${at}; _pgtimewarp; echo "\${COMPREPLY[@]}"`;
  const { stdout } = await promisify(execFile)('bash', ['-c', ask, 'bash', ...words]);
  expect(stdout.trim().split(' ')).toEqual(expected);
});

test.each(['zsh', 'fish'])('%s gets every command', async (shell) => {
  const { stdout } = await runCli(['completion', shell]);
  for (const command of ['init', 'track', 'asof', 'diff', 'deinit', 'completion'])
    expect(stdout).toContain(command);
});
