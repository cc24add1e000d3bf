/**
 * The README is true: every command in it runs unchanged and in order, and prints what the README shows. Every SQL block runs
 * where the text says. Every link into the repository has a target. With UPDATE_README=1 the outputs are rewritten.
 */

import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type LocalServer, startServer } from '../../../cli/servers/start-server.ts';
import { chooseServer } from '../../support/choose-server.ts';
import { describeNeeding } from '../../support/needs.ts';
import { type Block, blocksOf, normalise, stepsOf } from '../../support/readme.ts';
import { runTool } from '../../support/run-tool.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const README = join(ROOT, 'README.md');
const markdown = await readFile(README, 'utf8');
const blocks = blocksOf(markdown);
const { binaries } = await chooseServer();

/** The folder into which npm installs global packages. */
let tools: string;

beforeAll(async () => {
  tools = await mkdtemp(join(tmpdir(), 'pgtimewarp-readme-'));
  const checkout = join(tools, 'checkout'); // its own folder: packing rebuilds dist/
  await mkdir(checkout);
  for (const name of PACKED) await cp(join(ROOT, name), join(checkout, name), { recursive: true });
  await symlink(join(ROOT, 'node_modules'), join(checkout, 'node_modules'));
  const [block] = blocks.filter(({ marks }) => marks.includes('install'));
  await runBlock(block!, async (command) => ({
    printed: await shell(command.replace('npm install --silent && ', ''), [], checkout),
  }));
}, 180_000);

/** The files from which the package is built. */
const PACKED = [
  ...['package.json', 'tsconfig.json', 'tsconfig.build.json', 'README.md', 'LICENSE', 'CHANGELOG.md'],
  ...['core', 'documents', 'http', 'cli', 'lambda', 'infra', 'migrations', 'extension', 'web', 'docs'],
];

afterAll(async () => {
  if (tools !== undefined) await rm(tools, { recursive: true, force: true });
});

async function shell(script: string, exports: readonly string[] = [], cwd = ROOT): Promise<string> {
  const path = [join(tools, 'bin'), dirname(process.execPath), process.env.PATH].join(delimiter);
  const { stdout, stderr } = await runTool(
    '/bin/sh',
    ['-c', [...exports, `{ ${script}; } 2>&1`].join('\n')],
    {
      cwd,
      env: { PATH: path, TZ: 'UTC', npm_config_prefix: tools },
      timeoutMs: 90_000,
    },
  );
  return stdout + stderr;
}

/** The latest output of each block: both plugins run the same blocks. */
const updates = new Map<Block, string>();

afterAll(async () => {
  if (process.env.UPDATE_README !== '1') return;
  let text = markdown;
  for (const [block, replacement] of [...updates].sort(([a], [b]) => b.start - a.start)) {
    text = text.slice(0, block.start) + replacement + text.slice(block.start + block.text.length);
  }
  await writeFile(README, text);
});

interface Ran {
  readonly printed: string;
  /** The command as the README should show it, if it names an instant. */
  readonly shown?: string;
}

/** Runs the steps of a block one after the other, because they build on each other, and compares what they print. */
async function runBlock(block: Block, run: (command: string) => Promise<Ran>): Promise<void> {
  let written = '';
  for (const { command, output } of stepsOf(block)) {
    const { printed, shown = command } = await run(command);
    written += `$ ${shown}\n${printed === '' ? '' : `${printed.trim()}\n\n`}`;
    if (process.env.UPDATE_README !== '1') expect(normalise(printed), command).toBe(normalise(output));
  }
  updates.set(block, `${written.trim()}\n`);
}

const isDemo = (block: Block): boolean => block.text.includes('npm run demo');

test('the demo prints what the README shows', async () => {
  const [block] = blocks.filter(isDemo);
  await runBlock(block!, async (command) => ({
    printed: await shell(command.replace('npm install && npm run', 'npm run -s')),
  }));
});

describeNeeding(
  { what: 'wal2json', met: binaries.hasWal2json, remedy: 'apt-get install postgresql-15-wal2json' },
  'your own database through wal2json',
  () => test('from the first grant to complete removal', () => walkThrough('wal2json'), 180_000),
);

describe('your own database through pgoutput', () => {
  test('from the first grant to complete removal', () => walkThrough('pgoutput'), 180_000);
});

async function walkThrough(plugin: 'wal2json' | 'pgoutput'): Promise<void> {
  await using server = await startServer({ binaries, settings: { wal_level: 'replica' } });
  await prepareShop(server);
  const exports: string[] = [];
  let lastTime = '';
  for (const block of blocks.filter((each) => !isDemo(each) && isFor(each, plugin))) {
    if (block.language === 'sql') await runSql(server, block);
    if (block.language !== 'console') continue;
    await runBlock(block, async (command) => {
      const here = command
        .replace('@db.example.com', `@127.0.0.1:${server.port}`)
        .replace(/--at \S+/, `--at ${lastTime}`);
      if (here.startsWith('export ')) {
        exports.push(here);
        return { printed: '' };
      }
      const printed = await shell(here, exports);
      if (command.includes(' diff '))
        lastTime = /^(\S+Z) {2}found when the table was read/m.exec(printed)![1]!;
      return { printed, shown: command.replace(/--at \S+/, `--at ${lastTime}`) };
    });
  }
  await nothingIsLeft(server);
}

function isFor(block: Block, plugin: 'wal2json' | 'pgoutput'): boolean {
  const ways = block.marks.filter((mark) => !mark.includes('='));
  return ways.length === 0 || ways.includes(plugin);
}

/** A database with existing data that an ordinary role owns. */
async function prepareShop(server: LocalServer): Promise<void> {
  await query(server, 'postgres', 'CREATE ROLE app LOGIN', 'CREATE DATABASE shop OWNER app');
  await query(
    server,
    'shop',
    'SET ROLE app',
    `CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, status text NOT NULL, total numeric(12,2) NOT NULL)`,
    `INSERT INTO orders (status, total) VALUES ('new', 49.90), ('new', 8.50)`,
  );
}

/** Runs one statement after the other, like psql: ALTER SYSTEM and DROP DATABASE must be sent alone. */
async function runSql(server: LocalServer, block: Block): Promise<void> {
  const needed = block.marks.find((mark) => mark.startsWith('if-setting='))?.split('=')[1];
  if (needed !== undefined) {
    const known = await query(server, 'shop', `SELECT FROM pg_settings WHERE name = '${needed}'`);
    if (known.at(-1)!.rowCount === 0) return;
  }
  const statements = block.text
    .replace(/--.*$/gm, '')
    .split(';')
    .map((each) => each.trim())
    .filter(Boolean);
  await query(server, 'shop', ...statements);
  if (block.text.includes('wal_level')) await server.restart();
}

async function query(
  server: LocalServer,
  database: string,
  ...statements: string[]
): Promise<pg.QueryResult[]> {
  const client = new pg.Client({ connectionString: server.url(database) });
  await client.connect();
  try {
    const results: pg.QueryResult[] = [];
    for (const statement of statements) results.push(await client.query(statement));
    return results;
  } finally {
    await client.end();
  }
}

async function nothingIsLeft(server: LocalServer): Promise<void> {
  const [left] = await query(
    server,
    'shop',
    `SELECT 'slot ' || slot_name AS what FROM pg_replication_slots
      UNION ALL SELECT 'publication ' || pubname FROM pg_publication
      UNION ALL SELECT 'role ' || rolname FROM pg_roles WHERE rolname ~ 'timewarp'
      UNION ALL SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname ~ 'timewarp'
      UNION ALL SELECT 'function ' || proname FROM pg_proc WHERE proname ~ 'timewarp'
      UNION ALL SELECT 'trigger ' || evtname FROM pg_event_trigger
      UNION ALL SELECT 'extension ' || extname FROM pg_extension WHERE extname <> 'plpgsql'
      UNION ALL SELECT 'database ' || datname FROM pg_database WHERE datname = 'history'`,
  );
  expect(left!.rows).toEqual([]);
}

test('links into the repository have a target', async () => {
  const links = [...markdown.matchAll(/\]\((?!https?:)([^)#]+)(#[^)]*)?\)/g)];
  expect(links.length).toBeGreaterThan(5);
  expect(links.map((link) => link[1]!).filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
});
