/** Every kind of wrong input gives one clear line, a remedy, the right exit status, and never a stack trace. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type LocalServer, startServer } from '../../../cli/servers/start-server.ts';
import { chooseServer } from '../../support/choose-server.ts';
import { type CliResult, runCli } from '../../support/run-cli.ts';
import { type TestDatabases, testDatabases } from '../../support/test-databases.ts';

const TABLES = `
  CREATE TABLE orders (id int PRIMARY KEY, total numeric);
  CREATE TABLE two_keys (region text, id int, PRIMARY KEY (region, id));
  CREATE TABLE keyless (a int);
  CREATE TABLE interval_key (i interval PRIMARY KEY);
  CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
  CREATE TABLE loose_key (t text COLLATE loose PRIMARY KEY);
  CREATE VIEW a_view AS SELECT 1 AS id;
  CREATE MATERIALIZED VIEW a_matview AS SELECT 1 AS id;
  CREATE UNLOGGED TABLE unlogged (id int PRIMARY KEY);
  CREATE TABLE no_identity (id int PRIMARY KEY); ALTER TABLE no_identity REPLICA IDENTITY NOTHING;
  CREATE TABLE other_identity (id int PRIMARY KEY, u int NOT NULL UNIQUE);
  ALTER TABLE other_identity REPLICA IDENTITY USING INDEX other_identity_u_key;
  CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id);
  CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
  CREATE EXTENSION postgres_fdw; CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw;
  CREATE FOREIGN TABLE far (id int) SERVER elsewhere;
`;

let databases: TestDatabases;

beforeAll(async () => {
  databases = await testDatabases({ tables: TABLES });
  expect(await cli(['init', '--plugin', 'pgoutput'])).toMatchObject({ code: 0 });
  expect(await cli(['track', 'orders', 'two_keys'])).toMatchObject({ code: 0 });
});

afterAll(async () => databases?.[Symbol.asyncDispose]());

function cli(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CliResult> {
  return runCli(args, { env: { ...databases.env, ...env } });
}

/** Everything that a failing command must do, with and without --json. */
function expectError(result: CliResult, expected: { code: number; says: RegExp; remedy?: RegExp }): void {
  expect(result.stderr).toMatch(/(^|\n)error: [^\n]+\nremedy: [^\n]+\n$/);
  expect(result.stderr).toMatch(expected.says);
  expect(/remedy: (.*)/.exec(result.stderr)?.[1]).toMatch(expected.remedy ?? /./);
  expect(result.stderr).not.toMatch(/\n\s+at |node:internal|\.ts:\d+/);
  expect(result.code, result.stderr).toBe(expected.code);
}

type Case = readonly [
  name: string,
  args: readonly string[],
  expected: { code: number; says: RegExp; remedy?: RegExp },
  env?: Record<string, string>,
];

const NOWHERE = 'postgres://nobody:secret@127.0.0.1:1/nothing';

const CASES: readonly Case[] = [
  ['no command', [], { code: 2, says: /command is missing/i, remedy: /--help/ }],
  ['unknown command', ['polll'], { code: 2, says: /unknown command 'polll'/i, remedy: /poll/ }],
  [
    'unknown option',
    ['poll', '--fast'],
    { code: 2, says: /unknown option '--fast'/i, remedy: /`pgtimewarp poll --help`/ },
  ],
  [
    'unknown shared option',
    ['--fast', 'poll'],
    { code: 2, says: /unknown option '--fast'/i, remedy: /`pgtimewarp --help`/ },
  ],
  ['missing argument', ['asof'], { code: 2, says: /missing required argument 'table'/i }],
  ['too many arguments', ['migrate', 'now'], { code: 2, says: /too many arguments/i }],
  [
    'a key as an argument',
    ['asof', 'orders', '1'],
    { code: 2, says: /too many arguments/i, remedy: /pgtimewarp asof orders --pk 1$/ },
  ],
  [
    'below another',
    ['retention', 'show', 'x'],
    { code: 2, says: /too many arguments/i, remedy: /`pgtimewarp retention show --help`/ },
  ],
  ['found later', ['rebaseline'], { code: 2, says: /Name tables/, remedy: /`pgtimewarp rebaseline --help`/ }],
  ['missing value', ['asof', 'orders', '--pk'], { code: 2, says: /argument missing/ }],
  [
    'missing store',
    ['status'],
    { code: 2, says: /--store is missing/, remedy: /PGTIMEWARP_STORE_URL/ },
    { PGTIMEWARP_STORE_URL: '' },
  ],
  ['missing source', ['poll'], { code: 2, says: /--source is missing/ }, { PGTIMEWARP_SOURCE_URL: '' }],
  ['not a URL', ['status', '--store', 'localhost'], { code: 2, says: /--store is not a connection URL/ }],
  ['bad node name', ['status', '--node', 'A-1'], { code: 2, says: /not a node name/ }],
  [
    'bad plugin',
    ['init', '--plugin', 'test_decoding'],
    { code: 2, says: /Allowed choices are wal2json, pgoutput/ },
  ],
  ['bad slot name', ['init', '--slot', 'My-Slot'], { code: 2, says: /not a slot name/ }],
  ['bad count', ['poll', '--max-changes', '0'], { code: 2, says: /whole number/ }],
  ['bad duration', ['track', 'orders', '--retention', '30 days'], { code: 2, says: /duration/ }],
  ['bad column list', ['track', 'orders', '--exclude', 'a.b'], { code: 2, says: /not a column name/ }],
  ['bad table name', ['asof', 'a.b.c.d', '--pk', '1'], { code: 2, says: /[Nn]ot a table name/ }],
  [
    'bad time',
    ['asof', 'orders', '--pk', '1', '--at', 'yesterday'],
    { code: 2, says: /[Nn]ot a point in time/, remedy: /2026-01-31T09:41:00Z/ },
  ],
  [
    'time without offset',
    ['asof', 'orders', '--pk', '1', '--at', '2026-01-31T09:41:00'],
    { code: 2, says: /[Nn]ot a point in time/ },
  ],
  [
    'bad time in diff',
    ['diff', 'orders', '--pk', '1', '--from', '2026-02-30T00:00:00Z'],
    { code: 2, says: /[Nn]ot a point in time/ },
  ],
  ['no key', ['asof', 'orders'], { code: 2, says: /[Kk]ey/, remedy: /--pk/ }],
  [
    'unknown key column',
    ['asof', 'orders', '--pk', 'nr=1'],
    { code: 2, says: /not a column of the key: nr/i },
  ],
  [
    'missing key column',
    ['asof', 'two_keys', '--pk', 'region=eu'],
    { code: 2, says: /key column id is missing/ },
  ],
  ['key column twice', ['asof', 'orders', '--pk', 'id=1', '--pk', 'id=2'], { code: 2, says: /twice/ }],
  ['bare value for two columns', ['asof', 'two_keys', '--pk', '1'], { code: 2, says: /2 columns/ }],
  [
    'value that the type refuses',
    ['asof', 'orders', '--pk', 'id=x'],
    { code: 2, says: /invalid input syntax/ },
  ],
  ['untracked table', ['asof', 'keyless', '--pk', '1'], { code: 2, says: /not tracked/, remedy: /track/ }],
  ['untracked table in diff', ['diff', 'nothing', '--pk', '1'], { code: 2, says: /not tracked/ }],
  ['untrack of an untracked table', ['untrack', 'keyless'], { code: 2, says: /not tracked/ }],
  ['unknown table', ['track', 'nothing'], { code: 2, says: /no table public\.nothing/ }],
  ['no primary key', ['track', 'keyless'], { code: 2, says: /no primary key/, remedy: /ADD PRIMARY KEY/ }],
  ['key type', ['track', 'interval_key'], { code: 2, says: /interval/ }],
  ['nondeterministic key', ['track', 'loose_key'], { code: 2, says: /nondeterministic/, remedy: /COLLATE/ }],
  ['view', ['track', 'a_view'], { code: 2, says: /is a view/ }],
  ['materialized view', ['track', 'a_matview'], { code: 2, says: /is a materialized view/ }],
  ['foreign table', ['track', 'far'], { code: 2, says: /is a foreign table/ }],
  ['unlogged table', ['track', 'unlogged'], { code: 2, says: /UNLOGGED/, remedy: /SET LOGGED/ }],
  ['replica identity nothing', ['track', 'no_identity'], { code: 2, says: /REPLICA IDENTITY NOTHING/ }],
  ['other replica identity', ['track', 'other_identity'], { code: 2, says: /another index/ }],
  [
    'a partition',
    ['track', 'parts_1'],
    { code: 2, says: /partition of public\.parts/, remedy: /track public\.parts/ },
  ],
  ['system table', ['track', 'pg_catalog.pg_class'], { code: 2, says: /schema pg_catalog/ }],
  ['unknown node in status', ['status', '--node', 'nowhere'], { code: 2, says: /no node "nowhere"/ }],
  ['unknown node', ['poll', '--node', 'nowhere'], { code: 2, says: /no node "nowhere"/, remedy: /init/ }],
  [
    'unknown node in asof',
    ['asof', 'orders', '--pk', '1', '--node', 'nowhere'],
    { code: 2, says: /no node "nowhere"/ },
  ],
  ['unknown node in deinit', ['deinit', '--node', 'nowhere'], { code: 2, says: /no node "nowhere"/ }],
  [
    'other plugin than the node has',
    ['init', '--plugin', 'wal2json'],
    { code: 2, says: /reads with pgoutput, not with wal2json/ },
  ],
  ['other slot than the node has', ['init', '--slot', 'another'], { code: 2, says: /has the slot/ }],
  ['unreachable store', ['status', '--store', NOWHERE], { code: 1, says: /store .*cannot be reached/ }],
  ['unreachable source', ['poll', '--source', NOWHERE], { code: 1, says: /source .*cannot be reached/ }],
];

describe('errors have no stack trace and two lines', () => {
  test.for(CASES)('%s', async ([, args, expected, env], { expect: _ }) => {
    const result = await cli(args, env);
    expectError(result, expected);
    expect(result.stdout).toBe('');
  });
});

describe('errors that depend on the URLs of the test', () => {
  const at = (url: string, change: (url: URL) => void): string => {
    const changed = new URL(url);
    change(changed);
    return changed.href;
  };

  test('wrong password, which is never printed', async () => {
    const store = at(databases.storeUrl, (url) => {
      url.password = 'open-sesame';
    });
    const result = await cli(['status', '--verbose', '--store', store]);
    expect(result.stderr).toMatch(/error: The store refused the login: password authentication failed/);
    expect(result.stderr).not.toContain('open-sesame');
    expect(result.code).toBe(1);
  });

  test('missing database', async () => {
    const store = at(databases.storeUrl, (url) => {
      url.pathname = '/no_such_database';
    });
    expectError(await cli(['status', '--store', store]), {
      code: 1,
      says: /does not exist/,
      remedy: /CREATE DATABASE/,
    });
  });

  test('source and store are the same database, in every spelling', async () => {
    const same = at(databases.sourceUrl, (url) => url.searchParams.set('sslmode', 'disable'));
    const result = await cli(['init', '--store', same, '--node', 'same']);
    expectError(result, { code: 2, says: /are the same database/ });
    const { rows } = await databases.source.query(
      `SELECT to_regnamespace('pgtimewarp') IS NULL AS untouched`,
    );
    expect(rows).toEqual([{ untouched: true }]);
  });

  test('an empty store', async () => {
    await using empty = await testDatabases({ store: 'empty' });
    for (const args of [['status'], ['events'], ['track', 'orders'], ['asof', 'orders', '--pk', '1']]) {
      expectError(await runCli(args, { env: empty.env }), {
        code: 1,
        says: /schema/i,
        remedy: /pgtimewarp migrate/,
      });
    }
  });

  test('a role without REPLICATION', async () => {
    const role = `plain_${databases.node}`;
    await databases.source.query(`CREATE ROLE ${role} LOGIN PASSWORD 'p'`);
    try {
      const source = at(databases.sourceUrl, (url) => {
        url.username = role;
        url.password = 'p';
      });
      const result = await cli(['init', '--plugin', 'wal2json', '--node', 'plain', '--source', source]);
      expectError(result, { code: 1, says: /may not use replication slots/, remedy: /REPLICATION/ });
      const { rows } = await databases.store.query(
        `SELECT node_id FROM pgtimewarp.nodes WHERE node_id = 'plain'`,
      );
      expect(rows).toEqual([]); // nothing is left half done
    } finally {
      await databases.source.query(`DROP ROLE ${role}`);
    }
  });
});

describe('errors with --json', () => {
  test.each([
    [['asof', 'orders', '--pk', '1', '--at', 'never', '--json'], 'BAD_TIME'],
    [['--json', 'poll', '--nonsense'], 'BAD_FLAGS'],
    [['status', '--json', '--store', NOWHERE], 'STORE_UNREACHABLE'],
    [['--json'], 'BAD_FLAGS'],
  ])('stdout is one document: %j', async (args, code) => {
    const result = await cli(args);
    const { error } = result.json() as { error: Record<string, string> };
    expect(Object.keys(error)).toEqual(['code', 'message', 'remedy']);
    expect(error).toMatchObject({ code });
    expect(result.stderr).toContain(`error: ${error.message}`);
  });
});

test('--verbose adds the cause', async () => {
  const result = await cli(['status', '--verbose', '--store', NOWHERE]);
  expect(result.stderr).toMatch(/caused by: .*ECONNREFUSED/);
});

test('help has an example for every command and goes to stdout', async () => {
  const help = await cli(['--help']);
  expect(help.code).toBe(0);
  const commands = [...help.stdout.matchAll(/^ {2}([a-z][a-z-]*) /gm)]
    .map((match) => match[1]!)
    .filter((name) => name !== 'help');
  expect(commands).toEqual(
    expect.arrayContaining(['migrate', 'init', 'track', 'poll', 'asof', 'diff', 'doctor', 'demo']),
  );
  for (const command of commands) {
    const result = await cli([command, '--help']);
    expect(result.stdout).toMatch(new RegExp(`Example:\\n {2}pgtimewarp ${command}`));
    expect(result.stdout).toContain('PGTIMEWARP_STORE_URL');
    expect(result.code).toBe(0);
  }
  expect((await cli(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
}, 120_000);

/** Servers with a wrong configuration, one for each case. */
describe('a source that is not set up for decoding', () => {
  async function serverWith(settings: Record<string, string>): Promise<LocalServer> {
    const { binaries } = await chooseServer();
    const server = await startServer({ binaries, settings });
    await server.createDatabase('source');
    await server.createDatabase('store');
    return server;
  }
  const init = (server: LocalServer, ...flags: string[]): Promise<CliResult> =>
    runCli(['init', '--source', server.url('source'), '--store', server.url('store'), ...flags]);

  test('wal_level', async () => {
    await using server = await serverWith({ wal_level: 'replica' });
    expectError(await init(server, '--plugin', 'pgoutput'), {
      code: 1,
      says: /wal_level = replica/,
      remedy: /ALTER SYSTEM SET wal_level/,
    });
  });

  test('plugin not permitted, or not installed', async ({ skip }) => {
    const { binaries } = await chooseServer();
    if (!binaries.hasWal2json) {
      await using server = await serverWith({});
      expectError(await init(server), { code: 1, says: /no output plugin wal2json|does not allow/ });
      return skip('this server has no wal2json to refuse');
    }
    await using server = await serverWith({
      output_plugin_libraries: 'pgoutput, test_decoding',
      max_replication_slots: '1',
    });
    const refused = await init(server);
    expectError(refused, {
      code: 1,
      says: /library "wal2json" may not be used as an output plugin/,
      remedy: /ALTER SYSTEM SET output_plugin_libraries = pgoutput, wal2json;.*--plugin pgoutput/,
    });
    expect((await init(server, '--plugin', 'pgoutput')).code).toBe(0); // the alternative that the remedy names
    expectError(await init(server, '--plugin', 'pgoutput', '--node', 'second'), {
      code: 1,
      says: /no free replication slot/,
    });
  });
});
