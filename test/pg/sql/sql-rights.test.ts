/** The rights of callers: the history of a table is at least as protected as the table. */
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { failure, type SqlSource, sqlSource } from '../../support/sql-source.ts';
import { type TestDatabases, testDatabases } from '../../support/test-databases.ts';
import { StoreHistory, timeOf } from '../query/query-history.ts';

const ASK = `SELECT pgtimewarp_asof_pk('t', '1', '${timeOf(25)}') AS row`;
const DIFF = `SELECT row_data, changed FROM pgtimewarp_diff_pk('t', '1', '${timeOf(20)}', '${timeOf(30)}')`;

let databases: TestDatabases;
let sql: SqlSource;
let admin: pg.Client;
let bob: string;
beforeAll(async () => {
  databases = await testDatabases({ tables: 'CREATE TABLE t (id int PRIMARY KEY, a text, secret text)' });
  const h = await StoreHistory.create(databases.store);
  const t = await h.track();
  await h.change(t, 20, 'I', '1', { row: '{"id":1,"a":"x","secret":"s"}' });
  await h.change(t, 30, 'U', '1', { row: '{"id":1, "a":"y","secret":"\\u0000"}' });
  sql = await sqlSource({ ...databases, node: h.node });
  admin = databases.source;
  bob = `${sql.reader}_bob`;
  await admin.query(`CREATE ROLE ${bob}; CREATE ROLE ${bob}_owner; GRANT CREATE ON SCHEMA public TO ${bob}`);
});
afterAll(async () => {
  await admin.query(
    `RESET ROLE; REASSIGN OWNED BY ${bob}, ${bob}_owner TO CURRENT_USER; DROP OWNED BY ${bob}, ${bob}_owner`,
  );
  await admin.query(`DROP ROLE ${bob}, ${bob}_owner`);
  await databases[Symbol.asyncDispose]();
  await sql[Symbol.asyncDispose]();
});

/** Runs the statement as bob, after `setUp` by the administrator; everything is rolled back. */
async function asBob<T>(setUp: string, work: () => Promise<T>): Promise<T> {
  await admin.query(
    `BEGIN; GRANT EXECUTE ON FUNCTION pgtimewarp_asof_pk, pgtimewarp_diff_pk TO ${bob}; ${setUp}; SET LOCAL ROLE ${bob}`,
  );
  try {
    return await work();
  } finally {
    await admin.query('ROLLBACK');
  }
}
const refusal = (setUp: string, statement = ASK) => asBob(setUp, () => failure(admin, statement));
const rows = (setUp: string, statement = ASK) =>
  asBob(setUp, async () => (await admin.query(statement)).rows);
const FOUND = [{ row: '{"id":1,"a":"x","secret":"s"}' }];

describe('rights on the table', () => {
  test('none: refused', async () => {
    expect(await refusal('')).toMatch(/^42501: permission denied for table t/);
    expect(await refusal('', DIFF)).toMatch(/^42501: permission denied for table t/);
  });

  test('SELECT on the table: answered', async () => {
    expect(await rows(`GRANT SELECT ON t TO ${bob}`)).toEqual(FOUND);
    expect(await rows(`GRANT SELECT ON t TO ${bob}_owner; GRANT ${bob}_owner TO ${bob}`)).toEqual(FOUND);
    expect(await rows(`ALTER TABLE t OWNER TO ${bob}`)).toEqual(FOUND);
  });

  test.each(['VIEW t AS', 'MATERIALIZED VIEW t AS'])(
    'CREATE %s … under the name of the table: refused',
    async (what) => {
      const taken = `ALTER TABLE t RENAME TO t_data; CREATE ${what} SELECT id FROM t_data; GRANT SELECT ON t TO ${bob}`;
      expect(await refusal(taken)).toMatch(/^42809: t is not a table/);
      expect(await refusal(taken, DIFF)).toMatch(/^42809: t is not a table/);
    },
  );

  test('SELECT on the table in a schema that is closed: refused', async () => {
    const closed = `GRANT SELECT ON t TO ${bob}; CREATE SCHEMA s; ALTER TABLE t SET SCHEMA s`;
    expect(
      await refusal(
        closed,
        ASK.replace(`'t'`, "(SELECT c.oid::regclass FROM pg_class c WHERE relname = 't')"),
      ),
    ).toMatch(/^42501: permission denied for schema s/);
  });

  test('SELECT on some columns: refused, unless the caller leaves out the others', async () => {
    const some = `GRANT SELECT (id, a) ON t TO ${bob}`;
    expect(await refusal(some)).toMatch(
      /^42501: permission denied for columns .*: secret \(SET pgtimewarp.columns/,
    );
    expect(await refusal(some, DIFF)).toMatch(/^42501: permission denied for columns .*: secret/);
    expect(await rows(`${some}; SET LOCAL pgtimewarp.columns = visible`)).toEqual([
      { row: '{"id":1,"a":"x"}' },
    ]);
    expect(await rows(`${some}; SET LOCAL pgtimewarp.columns = visible`, DIFF)).toEqual([
      { row_data: '{"id":1,"a":"y"}', changed: '{"a":{"from":"x","to":"y"}}' },
    ]);
    expect(await rows(`GRANT SELECT (id, a, secret) ON t TO ${bob}`)).toEqual(FOUND);
    expect(
      await rows(`GRANT SELECT (id, secret) ON t TO ${bob}; SET LOCAL pgtimewarp.columns = visible`, DIFF),
    ).toEqual([
      { row_data: '{"id":1,"secret":"\\u0000"}', changed: '{"secret":{"from":"s","to":"\\u0000"}}' },
    ]);
  });

  test('SELECT without the key columns: refused, because even whether a row was there is protected', async () => {
    expect(await refusal(`GRANT SELECT (a) ON t TO ${bob}; SET LOCAL pgtimewarp.columns = visible`)).toMatch(
      /^42501: permission denied for table t/,
    );
  });

  test('a column that no longer exists needs SELECT on the table', async () => {
    const gone = 'ALTER TABLE t DROP secret';
    expect(await refusal(`GRANT SELECT (id, a) ON t TO ${bob}; ${gone}`)).toMatch(/^42501: .*: secret/);
    expect(await rows(`GRANT SELECT ON t TO ${bob}; ${gone}`)).toEqual(FOUND);
  });
});

describe('row-level security', () => {
  const policies = `GRANT SELECT ON t TO ${'$'}; ALTER TABLE t ENABLE ROW LEVEL SECURITY`;
  const on = () => policies.replace('$', bob);
  test('refused if it applies to the caller', async () => {
    expect(await refusal(on())).toMatch(/^42501: row-level security of table t applies to role/);
    expect(await refusal(`${on()}; SET LOCAL row_security = off`)).toMatch(/^42501: row-level/);
    expect(await refusal(`${on()}; ALTER TABLE t OWNER TO ${bob}, FORCE ROW LEVEL SECURITY`)).toMatch(
      /^42501: row-level/,
    );
  });

  test('answered if it does not', async () => {
    expect(await rows(`${on()}; ALTER TABLE t OWNER TO ${bob}`)).toEqual(FOUND);
    expect(await rows(`${on()}; ALTER ROLE ${bob} BYPASSRLS`)).toEqual(FOUND);
    await admin.query('BEGIN; ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY');
    const asSuperuser = (await admin.query(ASK)).rows;
    await admin.query('ROLLBACK');
    expect(asSuperuser).toEqual(FOUND);
  });
});

describe('the functions', () => {
  test('cannot be called by roles without a grant', async () => {
    const { rows: open } = await admin.query(
      `SELECT p.proname FROM pg_proc p
        WHERE (p.proname ~ '^pgtimewarp_' OR p.pronamespace = 'pgtimewarp_internal'::regnamespace)
          AND has_function_privilege('${bob}', p.oid, 'EXECUTE') ORDER BY 1`,
    );
    expect(open.map(({ proname }) => proname)).toEqual([
      'base_type',
      'key_columns',
      'member',
      'members',
      'past_query',
      'past_row',
      'past_table_query',
      'refuse_other_values',
      'row_of',
      'shape',
      'stand_in',
      'typed_row',
      'version',
    ]);
    expect(await refusal(`REVOKE ALL ON FUNCTION pgtimewarp_asof_pk FROM ${bob}`)).toMatch(
      /^42501: permission denied for function/,
    );
    expect(await refusal('', 'SELECT answer FROM pgtimewarp_internal.asof_answers')).toMatch(
      /^42501: permission denied for foreign table/,
    );
    expect(await refusal('', `SELECT pgtimewarp_connect('h', 1, 'd', 'u', 'p')`)).toMatch(/^42501: /);
  });

  test('have a fixed search path if they run as their owner', async () => {
    const { rows: loose } = await admin.query(
      `SELECT p.proname FROM pg_proc p WHERE p.prosecdef AND p.proname ~ '^pgtimewarp_'
          AND NOT coalesce(p.proconfig @> ARRAY['search_path=pg_catalog, pg_temp'], false)`,
    );
    expect(loose).toEqual([]);
  });

  test('do not use objects of a hostile caller', async () => {
    const trap = (name: string, args: string, returns: string) =>
      `CREATE FUNCTION public.${name}(${args}) RETURNS ${returns} LANGUAGE plpgsql AS
         $$ BEGIN RAISE EXCEPTION 'trapped as %', current_user; END $$`;
    const traps = `
      CREATE SCHEMA evil AUTHORIZATION ${bob}; GRANT SELECT ON t TO ${bob};
      ${trap('format', 'text, text[]', 'text')}; ${trap('has_table_privilege', 'oid, oid, text', 'boolean')};
      ${trap('same', 'name, name', 'boolean')}; ${trap('fetch', 'json, text', 'json')};
      CREATE OPERATOR public.= (LEFTARG = name, RIGHTARG = name, FUNCTION = public.same);
      CREATE OPERATOR public.-> (LEFTARG = json, RIGHTARG = text, FUNCTION = public.fetch);
      CREATE TEMPORARY TABLE pg_class (oid oid, relname name); GRANT ALL ON pg_class TO ${bob};
      SET LOCAL search_path = pg_temp, public, pg_catalog`;
    expect(await rows(traps)).toEqual(FOUND);
    expect(await rows(traps, DIFF)).toHaveLength(1);
  });

  test('use the role that was set, or else the login', async () => {
    const login = await databases.connect('source');
    await admin.query(
      `GRANT SELECT ON t TO ${bob}_owner; GRANT EXECUTE ON FUNCTION pgtimewarp_asof_pk TO ${bob}, ${bob}_owner`,
    );
    await login.query(`SET SESSION AUTHORIZATION ${bob}_owner`);
    expect((await login.query(ASK)).rows).toEqual(FOUND);
    await admin.query(`GRANT ${bob} TO ${bob}_owner`);
    await login.query(`SET ROLE ${bob}`);
    expect(await failure(login, ASK)).toMatch(/^42501: permission denied for table t/);
    await login.query('RESET ROLE');
    expect((await login.query(ASK)).rows).toEqual(FOUND);
  });
});
