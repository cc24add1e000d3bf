/** Installing, upgrading and removing the functions, and moving a source that has them. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { connectStore } from '../../../cli/extension/connect-store.ts';
import { chooseMethod, type Method } from '../../../cli/extension/methods.ts';
import { extensionScripts, plainSql, tleStatements } from '../../../cli/extension/scripts.ts';
import { databaseUrl } from '../../../cli/servers/databases.ts';
import { startServer } from '../../../cli/servers/start-server.ts';
import type { Queryable } from '../../../core/pg/connection.ts';
import { chooseServer } from '../../support/choose-server.ts';
import { clientProgram, describeNeeding } from '../../support/needs.ts';
import { runCli } from '../../support/run-cli.ts';
import { serverInfo } from '../../support/server-info.ts';
import { failure, sqlSource } from '../../support/sql-source.ts';
import { prepareStoreTemplate } from '../../support/store-template.ts';
import { connectForTest } from '../../support/test-client.ts';
import { type TestDatabases, testDatabases } from '../../support/test-databases.ts';
import { StoreHistory, timeOf } from '../query/query-history.ts';

const ASK = `SELECT pgtimewarp_asof_pk('t', '1', '${timeOf(20)}')::text AS row`;
const TABLE = { tables: 'CREATE TABLE t (id int PRIMARY KEY, n int)' };

/** Records the calls of pg_tle's functions: the real pg_tle is not available for tests. */
const TLE_STAND_IN = `
  CREATE SCHEMA pgtle;
  CREATE TABLE pgtle.calls (n serial, call text, version text, target text, sql text, requires text[]);
  CREATE FUNCTION pgtle.install_extension(name text, version text, description text, ext text, requires text[]) RETURNS boolean
    LANGUAGE sql AS $$ INSERT INTO pgtle.calls (call, version, sql, requires) VALUES ('install ' || name, version, ext, requires) RETURNING true $$;
  CREATE FUNCTION pgtle.install_update_path(name text, fromvers text, tovers text, ext text) RETURNS boolean
    LANGUAGE sql AS $$ INSERT INTO pgtle.calls (call, version, target, sql) VALUES ('update ' || name, fromvers, tovers, ext) RETURNING true $$;
  CREATE FUNCTION pgtle.set_default_version(name text, version text) RETURNS boolean
    LANGUAGE sql AS $$ INSERT INTO pgtle.calls (call, version) VALUES ('default ' || name, version) RETURNING true $$;`;

async function history(databases: TestDatabases): Promise<StoreHistory> {
  const h = await StoreHistory.create(databases.store);
  await h.change(await h.track(), 20, 'I');
  return h;
}

/** What is left of us in the source. */
async function leftovers(databases: TestDatabases): Promise<string[]> {
  const { rows } = await databases.source.query<{ name: string }>(
    `SELECT proname AS name FROM pg_proc WHERE proname ~ '^pgtimewarp_'
      UNION ALL SELECT nspname FROM pg_namespace WHERE nspname ~ '^pgtimewarp'
      UNION ALL SELECT srvname FROM pg_foreign_server UNION ALL SELECT extname FROM pg_extension WHERE extname = 'pgtimewarp'`,
  );
  return rows.map(({ name }) => name);
}

describe('the command', () => {
  test('installs, connects without leaving the password anywhere, removes everything', async () => {
    const settings = {
      log_statement: 'all',
      log_min_duration_statement: '0',
      log_min_messages: 'debug1',
      log_parameter_max_length: '-1',
    };
    const { binaries } = await chooseServer();
    await using server = await startServer({ binaries, settings });
    const template = await prepareStoreTemplate(server.url());
    await server.createDatabase('source');
    await server.createDatabase('store', template);
    const store = await connectForTest(server.url('store'));
    const source = await connectForTest(server.url('source'));
    try {
      await source.query(TABLE.tables);
      const h = await StoreHistory.create(store);
      await h.change(await h.track(), 20, 'I');
      const password = `it's "s\\ecret" €`;
      await store.query(`SET log_statement = none; SET log_min_duration_statement = -1`);
      await store.query(`CREATE ROLE reader LOGIN PASSWORD 'it''s "s\\ecret" €' IN ROLE pgtimewarp_reader`);
      const env = {
        PGTIMEWARP_SOURCE_URL: server.url('source'),
        PGTIMEWARP_STORE_URL: server.url('store'),
        PGTIMEWARP_NODE: h.node,
        PGTIMEWARP_READER_PASSWORD: password,
      };
      const run = async (...args: string[]) => {
        const result = await runCli(['extension', ...args], { env });
        return `${result.code} ${result.stdout}${result.stderr}`;
      };
      expect(await run('connect', '--reader', 'reader')).toMatch(
        /^1 .*not installed[\s\S]*extension install/,
      );
      expect(await run('install', '--method', 'plain')).toMatch(
        /^0 Installed: version 0\.5 .* by plain \(as asked for\)/,
      );
      expect(await run('install')).toMatch(/^0 Installed already: .*by plain/);
      const connected = [
        await run('connect', '--reader', 'reader'),
        await run('connect', '--reader', 'reader', '--json'),
      ];
      expect(connected.map((text) => text.slice(0, 2))).toEqual(['0 ', '0 ']);
      expect((await source.query(ASK)).rows).toEqual([{ row: '{"id":1,"n":20}' }]);
      const wrong = await runCli(['extension', 'connect', '--reader', 'reader', '--password-file', '-'], {
        env,
        input: 'wr0ng\n',
      });
      expect(wrong.code).toBe(1);
      expect((await source.query(ASK)).rows).toEqual([{ row: '{"id":1,"n":20}' }]); // the failed attempt changed nothing
      const log = await readFile(join(server.folder, 'log'), 'utf8');
      expect(log).toContain('COPY pg_temp.pgtimewarp_reader_password');
      for (const secret of ['ecret', 'wr0ng']) {
        expect(log).not.toContain(secret);
        expect([...connected, wrong.stdout, wrong.stderr].join()).not.toContain(secret);
      }
      expect(await run('upgrade')).toMatch(/^0 Version 0\.5 is the newest/);
      expect(await run('uninstall')).toMatch(/^0 Removed: /);
    } finally {
      await Promise.all([store.end(), source.end()]);
    }
  }, 240_000);

  test('without a password names where it reads one from', async () => {
    await using databases = await testDatabases(TABLE);
    await runCli(['extension', 'install', '--method', 'plain'], { env: databases.env });
    const result = await runCli(['extension', 'connect', '--reader', 'r'], { env: databases.env });
    expect([result.code, result.stderr]).toEqual([2, expect.stringContaining('PGTIMEWARP_READER_PASSWORD')]);
    expect((await runCli(['extension', 'uninstall'], { env: databases.env })).code).toBe(0);
    expect(await runCli(['extension', 'uninstall'], { env: databases.env })).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('nothing to remove'),
    });
    expect(await leftovers(databases)).toEqual([]);
  });

  test('passes pg_tle the same SQL as the files contain', async () => {
    await using databases = await testDatabases({ tables: TLE_STAND_IN });
    const { source } = databases;
    expect(await chooseMethod(source)).toEqual({ method: 'tle', why: 'pg_tle is installed' });
    await source.query('CREATE SCHEMA scratch');
    for (const statement of tleStatements(extensionScripts())) await source.query(statement);
    const { rows } = await source.query(
      'SELECT call, version, target, requires::text, sql FROM pgtle.calls ORDER BY n',
    );
    expect(rows.map(({ sql: _, ...call }) => call)).toEqual([
      { call: 'install pgtimewarp', version: '0.1', target: null, requires: '{postgres_fdw}' },
      { call: 'update pgtimewarp', version: '0.1', target: '0.2', requires: null },
      { call: 'update pgtimewarp', version: '0.2', target: '0.3', requires: null },
      { call: 'update pgtimewarp', version: '0.3', target: '0.4', requires: null },
      { call: 'update pgtimewarp', version: '0.4', target: '0.5', requires: null },
      { call: 'default pgtimewarp', version: '0.5', target: null, requires: null },
    ]);
    await source.query('CREATE EXTENSION postgres_fdw');
    for (const { sql } of rows)
      if (sql !== null) await source.query((sql as string).replaceAll('@extschema@', 'scratch'));
    const { rows: made } = await source.query(
      `SELECT count(*)::int AS n FROM pg_proc WHERE pronamespace = 'scratch'::regnamespace`,
    );
    expect(made).toEqual([{ n: 16 }]);
  });
});

describe('an upgrade of a plain installation', () => {
  test('adds new functions and keeps the rest, including connection and grants', async () => {
    await using databases = await testDatabases(TABLE);
    const h = await history(databases);
    const [first] = extensionScripts();
    await using sql = await sqlSource({ ...databases, node: h.node });
    await databases.source.query(
      `DROP FUNCTION pgtimewarp_set_context, pgtimewarp_horizon, pgtimewarp_status;
       CREATE OR REPLACE FUNCTION pgtimewarp_internal.version() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT '0.1'::text $$`,
    );
    expect(plainSql(first!, 'public')).toContain(`SELECT '0.1'::text`);
    const result = await runCli(['extension', 'upgrade'], { env: databases.env });
    expect(result.stdout).toMatch(/^Upgraded from 0\.1 to 0\.5 \(plain\)/);
    expect((await databases.source.query(ASK)).rows).toEqual([{ row: '{"id":1,"n":20}' }]);
    expect(await failure(databases.source, 'SELECT pgtimewarp_horizon()')).toBeNull();
    expect(sql.warnings()).toEqual([]);
    await databases.source.query('SELECT pgtimewarp_disconnect()');
  });
});

/** Every function with its text and rights, every foreign table with its columns, and which of them the extension owns. */
async function definitions(source: Queryable): Promise<unknown[]> {
  const { rows } = await source.query(
    `SELECT p.oid::regprocedure::text AS name, pg_get_functiondef(p.oid) AS text,
            ARRAY(SELECT a::text FROM unnest(p.proacl) AS a ORDER BY 1) AS rights,
            EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e') AS owned
       FROM pg_proc AS p WHERE p.pronamespace = 'pgtimewarp_internal'::regnamespace OR p.proname ~ '^pgtimewarp_'
      UNION ALL
     SELECT c.relname, (SELECT string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum)
                          FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0),
            ARRAY(SELECT a::text FROM unnest(c.relacl) AS a ORDER BY 1),
            EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
       FROM pg_class AS c WHERE c.relnamespace = 'pgtimewarp_internal'::regnamespace AND c.relkind = 'f'
      ORDER BY 1`,
  );
  return rows;
}

const MANY = `SELECT op, after::text AS after FROM pgtimewarp_changes('t')`;

/** Installs version 0.4 in `databases` by `make`, connects it, and upgrades it. The result must equal a fresh installation. */
async function upgradeConnected(
  databases: TestDatabases,
  { make, method }: { make: () => Promise<unknown>; method: Method },
): Promise<void> {
  const h = await history(databases);
  const { source } = databases;
  await using sql = await sqlSource({ ...databases, node: h.node }, method);
  const fresh = await definitions(source);
  expect((await source.query(MANY)).rows).toEqual([{ op: 'I', after: '{"id":1,"n":20}' }]);
  expect((await runCli(['extension', 'uninstall'], { env: databases.env })).code).toBe(0);

  await make();
  const { hostname, port, pathname } = new URL(databases.storeUrl);
  await connectStore(source, 'public', {
    ...{ host: hostname, port: Number(port), database: pathname.slice(1), node: h.node },
    ...{ reader: sql.reader, password: sql.password, sslMode: null, sslRootCert: null },
  });
  expect(await failure(source, MANY)).toMatch(/^42883: /);
  const result = await runCli(['extension', 'upgrade'], { env: databases.env });
  expect(result.stdout).toMatch(/^Upgraded from 0\.4 to 0\.5/);
  expect(await definitions(source)).toEqual(fresh);
  expect((await source.query(MANY)).rows, 'through the connection that was there').toHaveLength(1);
  expect((await runCli(['extension', 'uninstall'], { env: databases.env })).code).toBe(0);
  expect(await leftovers(databases)).toEqual([]);
}

describe('an upgrade of a connected installation of version 0.4', () => {
  test('gives the same as a fresh installation, and answers at once', async () => {
    await using databases = await testDatabases(TABLE);
    await upgradeConnected(databases, {
      method: 'plain',
      make: async () => {
        await databases.source.query('CREATE EXTENSION postgres_fdw');
        for (const script of extensionScripts().filter(({ to }) => to !== '0.5'))
          await databases.source.query(plainSql(script, 'public'));
      },
    });
  });
});

async function dumpAndRestore(databases: TestDatabases): Promise<void> {
  const run = promisify(execFile);
  const { binDir } = serverInfo();
  await using target = await testDatabases();
  const { stdout } = await run(join(binDir, 'pg_dump'), [databases.sourceUrl], { maxBuffer: 1e8 });
  const restoring = run(join(binDir, 'psql'), ['-q', '-v', 'ON_ERROR_STOP=1', '-d', target.sourceUrl]);
  restoring.child.stdin?.end(stdout);
  await restoring;
  expect((await target.source.query(ASK)).rows).toEqual([{ row: '{"id":1,"n":20}' }]);
  const env = {
    ...databases.env,
    PGTIMEWARP_SOURCE_URL: databaseUrl(target.sourceUrl, new URL(target.sourceUrl).pathname.slice(1)),
  };
  expect((await runCli(['extension', 'uninstall'], { env })).stdout).toMatch(/^Removed/);
  expect(await leftovers(target)).toEqual([]);
}

describeNeeding(clientProgram('pg_dump'), 'a plain installation', () => {
  test('survives pg_dump and restore with its connection', async () => {
    await using databases = await testDatabases(TABLE);
    const h = await history(databases);
    await using _ = await sqlSource({ ...databases, node: h.node });
    await dumpAndRestore(databases);
  });
});

const { binDir, kind } = { ...serverInfo() };
const installed =
  kind === 'local' &&
  (await promisify(execFile)(join(binDir, 'pg_config'), ['--sharedir'])
    .then(({ stdout }) => readFile(join(stdout.trim(), 'extension', 'pgtimewarp--0.4--0.5.sql')))
    .then(
      () => true,
      () => false,
    ));

describeNeeding(
  {
    what: 'the extension in the server',
    met: installed || kind === 'embedded',
    remedy: 'make -C extension install',
  },
  'CREATE EXTENSION',
  () => {
    test.runIf(installed)('is chosen, is updated, and survives pg_dump and restore', async () => {
      await using databases = await testDatabases(TABLE);
      const h = await history(databases);
      const result = await runCli(['extension', 'install'], { env: databases.env });
      expect(result.stdout).toMatch(
        /^Installed: version 0\.5 in schema public by create-extension \(the server has its files\)/,
      );
      await databases.source.query(`DROP EXTENSION pgtimewarp; CREATE EXTENSION pgtimewarp VERSION '0.1'`);
      const upgraded = await runCli(['extension', 'upgrade'], { env: databases.env });
      expect(upgraded.stdout).toMatch(/^Upgraded from 0\.1 to 0\.5 \(create-extension\)/);
      await databases.source.query('DROP EXTENSION pgtimewarp');
      await using _ = await sqlSource({ ...databases, node: h.node }, 'create-extension');
      await dumpAndRestore(databases);
    });

    test.runIf(installed)(
      'is upgraded with its connection, although the extension does not own the foreign tables',
      async () => {
        await using databases = await testDatabases(TABLE);
        await upgradeConnected(databases, {
          method: 'create-extension',
          make: () =>
            databases.source.query(
              `CREATE EXTENSION IF NOT EXISTS postgres_fdw; CREATE EXTENSION pgtimewarp VERSION '0.4'`,
            ),
        });
      },
    );
  },
);
