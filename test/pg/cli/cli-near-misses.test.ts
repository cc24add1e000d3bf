/** Names with typing errors, and the completion of commands in shells. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runCli } from '../../support/run-cli.ts';
import { type TestDatabases, testDatabases } from '../../support/test-databases.ts';

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

test('nothing is suggested for words without a similar one', async () => {
  const result = await runCli(['track', 'invoices'], { env: databases.env });
  expect(result.stderr).toContain('The source has no table public.invoices.');
  expect(result.stderr).not.toContain('Did you mean');
});

test.each([
  [['as'], 1, ['asof']],
  [['--node', 'x', 'asof', 'orders', '--p'], 5, ['--pk']],
  [['completion', 'z'], 2, ['zsh']],
  [['deinit', '--f'], 2, ['--forget-source']],
  [['retention', 's'], 2, ['set', 'show']],
  [['retention', 'run', '--m'], 3, ['--max-seconds']],
  [['extension', 'in'], 2, ['install']],
  [['init', '--plugin', ''], 3, ['wal2json', 'pgoutput']],
  [['--node', ''], 2, []],
  [['--js'], 1, ['--json']],
])('bash completes %j', async (words, at, expected) => {
  const { stdout: script } = await runCli(['completion', 'bash']);
  const ask = `${script}\nCOMP_WORDS=(pgtimewarp "$@"); COMP_CWORD=${at}; _pgtimewarp; echo "\${COMPREPLY[@]}"`;
  const { stdout } = await promisify(execFile)('bash', ['-c', ask, 'bash', ...words]);
  expect(stdout.trim().split(' ').filter(Boolean)).toEqual(expected);
});

test('completion asks the store for nodes and tables, and is empty if the store does not answer', async () => {
  const names = async (what: string, more: object = {}): Promise<unknown> => {
    const { code, stdout, stderr } = await runCli(['complete', what], { env: { ...databases.env, ...more } });
    return { code, stderr, names: stdout.split('\n').filter(Boolean) };
  };
  expect(await names('nodes')).toEqual({ code: 0, stderr: '', names: [databases.node] });
  expect(await names('tables')).toEqual({ code: 0, stderr: '', names: ['public.customers'] });
  const nowhere = { PGTIMEWARP_STORE_URL: 'postgres://nobody@127.0.0.1:1/nowhere' };
  expect(await names('tables', nowhere)).toEqual({ code: 0, stderr: '', names: [] });
  expect((await runCli(['--help'])).stdout).not.toMatch(/^ +complete /m);
});

test('bash calls the program on the PATH for tables and nodes', async () => {
  const { stdout: script } = await runCli(['completion', 'bash']);
  const ask = async (...words: string[]): Promise<string> => {
    const fake = 'pgtimewarp() { [[ $1 == complete ]] && echo "$2-a $2-b"; }';
    const line = `${script}\n${fake}\nCOMP_WORDS=(pgtimewarp "$@"); COMP_CWORD=$#; _pgtimewarp; echo "\${COMPREPLY[@]}"`;
    return (await promisify(execFile)('bash', ['-c', line, 'bash', ...words])).stdout.trim();
  };
  expect(await ask('asof', 'tab')).toBe('tables-a tables-b');
  expect(await ask('retention', 'set', '30d', 'tab')).toBe('tables-a tables-b');
  expect(await ask('asof', 'orders', '--node', '')).toBe('nodes-a nodes-b');
  expect(await ask('poll', 'tab')).toBe('');
});

test.each(['zsh', 'fish'])('%s accepts its script', async (shell) => {
  const { stdout } = await runCli(['completion', shell]);
  expect(stdout).toContain('pgtimewarp complete tables');
  const found = await promisify(execFile)('which', [shell]).then(
    () => true,
    () => false,
  );
  if (found) await promisify(execFile)(shell, ['-n', '-c', stdout]);
});

test.each(['zsh', 'fish'])('%s completes every command', async (shell) => {
  const { stdout } = await runCli(['completion', shell]);
  for (const command of ['init', 'track', 'asof', 'diff', 'deinit', 'completion'])
    expect(stdout).toContain(command);
});
