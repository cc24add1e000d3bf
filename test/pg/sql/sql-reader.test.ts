/** `extension connect` without a reader makes one; `extension uninstall` removes postgres_fdw if `install` created it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type LocalServer, startServer } from '../../../cli/servers/start-server.ts';
import { chooseServer } from '../../support/choose-server.ts';
import { runCli } from '../../support/run-cli.ts';
import { failure } from '../../support/sql-source.ts';
import { prepareStoreTemplate } from '../../support/store-template.ts';
import { connectForTest } from '../../support/test-client.ts';
import { StoreHistory, timeOf } from '../query/query-history.ts';

const ASK = `SELECT pgtimewarp_asof_pk('t', '1', '${timeOf(20)}')::text AS row`;
const ROW = [{ row: '{"id":1,"n":20}' }];

/** A separate server: roles belong to the whole server, and this one checks passwords. */
let server: LocalServer;
let store: pg.Client;
let nodes: Record<'first' | 'second', string>;

interface Source {
  readonly session: pg.Client;
  readonly url: string;
  run(...args: string[]): Promise<string>;
}

beforeAll(async () => {
  const { binaries } = await chooseServer();
  server = await startServer({
    binaries,
    settings: { log_statement: 'all', log_min_messages: 'debug1', log_parameter_max_length: '-1' },
  });
  const template = await prepareStoreTemplate(server.url());
  await server.createDatabase('store', template);
  store = await connectForTest(server.url('store'));
  const first = await StoreHistory.create(store);
  await first.change(await first.track(), 20, 'I');
  const second = await StoreHistory.create(store);
  await second.change(await second.track(), 20, 'I');
  nodes = { first: first.node, second: second.node };
});

afterAll(async () => {
  await store?.end();
  await server?.[Symbol.asyncDispose]();
});

let made = 0;

async function source(
  node: keyof typeof nodes,
  env: Readonly<Record<string, string>> = {},
): Promise<Source & AsyncDisposable> {
  const name = `source_${++made}`;
  await server.createDatabase(name);
  const session = await connectForTest(server.url(name));
  await session.query('CREATE TABLE t (id int PRIMARY KEY, n int)');
  const all = {
    PGTIMEWARP_SOURCE_URL: server.url(name),
    PGTIMEWARP_STORE_URL: server.url('store'),
    PGTIMEWARP_NODE: nodes[node],
    ...env,
  };
  return {
    session,
    url: server.url(name),
    run: async (...args) => {
      const { code, stdout, stderr } = await runCli(['extension', ...args], { env: all });
      return `${code} ${stdout}${stderr}`;
    },
    [Symbol.asyncDispose]: () => session.end(),
  };
}

async function readers(): Promise<string[]> {
  const { rows } = await store.query<{ rolname: string }>(
    `SELECT rolname FROM pg_roles WHERE rolname LIKE 'pgtimewarp\\_reader\\_%' ORDER BY 1`,
  );
  return rows.map(({ rolname }) => rolname);
}

async function mapping({ session }: Source): Promise<Record<string, string>> {
  const { rows } = await session.query<{ name: string; value: string }>(
    `SELECT o.option_name AS name, o.option_value AS value
       FROM pg_user_mappings m, pg_options_to_table(m.umoptions) o WHERE m.srvname = 'pgtimewarp'`,
  );
  return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
}

async function wrapperPresent({ session }: Source): Promise<boolean> {
  const { rowCount } = await session.query(`SELECT FROM pg_extension WHERE extname = 'postgres_fdw'`);
  return rowCount === 1;
}

test('each of two sources has a reader, repeating changes nothing, and no password is visible', async () => {
  await using one = await source('first');
  await using two = await source('second');
  const said: string[] = [];
  for (const each of [one, two]) {
    said.push(await each.run('install', '--method', 'plain'), await each.run('connect'));
    expect(said.at(-1)).toMatch(/^0 Made the login pgtimewarp_reader_[0-9a-f]{8} in the store\./);
  }
  const before = [await mapping(one), await mapping(two)];
  expect(await readers()).toEqual(before.map(({ user }) => user).sort());
  expect(new Set(before.map(({ password }) => password)).size).toBe(2);
  for (const each of [one, two, one]) {
    said.push(await each.run('connect'), await each.run('connect', '--json'));
    expect(said.at(-2)).toMatch(/^0 The functions read store on .* as pgtimewarp_reader_/);
    expect(said.at(-1)).toContain('"reader_made":false');
  }
  expect([await mapping(one), await mapping(two)]).toEqual(before);
  for (const each of [one, two]) expect((await each.session.query(ASK)).rows).toEqual(ROW);
  const log = await readFile(join(server.folder, 'log'), 'utf8');
  expect(log).toContain('CREATE ROLE pgtimewarp_reader_');
  for (const { password } of before) {
    expect(password).toHaveLength(32);
    expect(log).not.toContain(password);
    expect(said.join()).not.toContain(password);
  }

  // a reader that is gone, or has another password now, is replaced
  await store.query(`ALTER ROLE ${before[0]!.user} PASSWORD 'another'`);
  expect(await one.run('connect')).toMatch(/^0 Made the login/);
  expect((await mapping(one)).user).not.toBe(before[0]!.user);
  expect((await one.session.query(ASK)).rows).toEqual(ROW);
  await store.query(`DROP ROLE ${before[0]!.user}`);

  // its login stays, with the SQL that removes it; the other source has its own
  const removed = await one.run('uninstall');
  const [drop] = /DROP ROLE pgtimewarp_reader_[0-9a-f]{8}/.exec(removed) ?? [];
  await store.query(drop!);
  expect(await readers()).toEqual([before[1]!.user]);
  expect((await two.session.query(ASK)).rows).toEqual(ROW);
  await two.run('uninstall');
  await store.query(`DROP ROLE ${before[1]!.user}`);
});

test('a store login without CREATEROLE gets the SQL, which works', async () => {
  await store.query(`CREATE ROLE plain_writer LOGIN PASSWORD 'w' IN ROLE pgtimewarp_writer`);
  const url = new URL(server.url('store'));
  [url.username, url.password] = ['plain_writer', 'w'];
  await using each = await source('first', {
    PGTIMEWARP_STORE_URL: url.href,
    PGTIMEWARP_READER_PASSWORD: 'r',
  });
  await each.run('install', '--method', 'plain');
  const refused = await each.run('connect');
  expect(refused).toMatch(/^1 [\s\S]*plain_writer may not create a login in the store/);
  const [sql] = /CREATE ROLE history_reader [^;]*/.exec(refused.replaceAll(/\s+/g, ' ')) ?? [];
  await store.query(sql!.replace('…', 'r'));
  expect(refused.replaceAll(/\s+/g, ' ')).toContain('connect --reader history_reader');
  expect(await each.run('connect', '--reader', 'history_reader')).toMatch(/^0 The functions read/);
  expect(await each.run('connect')).toMatch(/^0 The functions read .* as history_reader/); // the source has one
  // we must not remove the login of somebody else
  expect(await each.run('uninstall')).not.toContain('history_reader');
  expect((await store.query(`SELECT FROM pg_roles WHERE rolname = 'history_reader'`)).rowCount).toBe(1);
});

test('a connection that fails leaves no login behind', async () => {
  await using each = await source('first');
  await each.run('install', '--method', 'plain');
  expect(await each.run('connect', '--store-port', '1')).toMatch(/^1 /);
  expect(await readers()).toEqual([]);
  expect(await each.run('connect', '--password-file', '-')).toMatch(/^2 .*--reader/);
});

test('uninstall removes the postgres_fdw that install created', async () => {
  await using each = await source('first');
  for (const round of [1, 2]) {
    expect(await each.run('install', '--method', 'plain'), `round ${round}`).toMatch(/^0 Installed/);
    await each.run('connect');
    for (const reader of await readers()) await store.query(`DROP ROLE ${reader}`);
    expect(await wrapperPresent(each)).toBe(true);
    expect(await each.run('uninstall')).toMatch(/postgres_fdw, which .* created, is removed too/);
    expect(await wrapperPresent(each)).toBe(false);
  }
});

test('uninstall keeps a postgres_fdw that was there before or that others use', async () => {
  await using before = await source('first');
  await before.session.query('CREATE EXTENSION postgres_fdw');
  await before.run('install', '--method', 'plain');
  expect(await before.run('uninstall')).not.toContain('postgres_fdw');
  expect(await wrapperPresent(before)).toBe(true);

  await using shared = await source('first');
  await shared.run('install', '--method', 'plain');
  await shared.session.query('CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw');
  expect(await shared.run('uninstall')).toMatch(/^0 [\s\S]*postgres_fdw stays/);
  expect(await failure(shared.session, 'ALTER SERVER elsewhere OPTIONS (host $$x$$)')).toBeNull();
  expect(
    (await shared.session.query(`SELECT FROM pg_namespace WHERE nspname ~ '^pgtimewarp'`)).rowCount,
  ).toBe(0);

  // somebody else has created it again since
  await using anew = await source('first');
  await anew.run('install', '--method', 'plain');
  await anew.session.query('DROP EXTENSION postgres_fdw CASCADE; CREATE EXTENSION postgres_fdw');
  expect(await anew.run('uninstall')).not.toContain('postgres_fdw');
  expect(await wrapperPresent(anew)).toBe(true);
});
