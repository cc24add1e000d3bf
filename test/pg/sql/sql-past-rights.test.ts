/** Only a role that may read a table may read its view. Conditions reach the live table and its index. */
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type PastSource, pastSource } from '../../support/past-source.ts';
import { failure } from '../../support/sql-source.ts';

let past: PastSource;
let admin: pg.Client;
let bob: string;
let at: string;
beforeAll(async () => {
  past = await pastSource({
    plugin: 'pgoutput',
    tables: `CREATE TABLE t (id int PRIMARY KEY, a text, secret text); INSERT INTO t SELECT g, 'a', 's' FROM generate_series(1, 3000) g;
             CREATE TABLE lines (t_id int, nr int, PRIMARY KEY (t_id, nr)); INSERT INTO lines SELECT g, 1 FROM generate_series(1, 3000) g`,
    track: ['t', 'lines'],
  });
  admin = past.node.source;
  bob = `${past.sql.reader}_bob`;
  await admin.query(`CREATE ROLE ${bob}; ANALYZE t; ANALYZE lines`);
  at = await past.mark();
  await admin.query(`UPDATE t SET secret = 'other' WHERE id = 1`);
});
afterAll(async () => {
  await admin.query(`RESET ROLE; DROP OWNED BY ${bob}; DROP ROLE ${bob}`);
  await past[Symbol.asyncDispose]();
});

const ASK = 'SELECT secret FROM asof.t WHERE id = 1';
/** The result of the statement as bob, after `setUp` by the administrator; everything is rolled back. */
async function asBob(setUp: string, statement = ASK): Promise<unknown> {
  await admin.query(`BEGIN; ${setUp}; SET LOCAL pgtimewarp.as_of = '${at}'; SET LOCAL ROLE ${bob}`);
  try {
    return await past.whileRunning(async () => (await admin.query(statement)).rows);
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return `${code}: ${message}`;
  } finally {
    await admin.query('ROLLBACK');
  }
}
const THEN = [{ secret: 's' }];

describe('rights', () => {
  test('SELECT on the table: answered', async () => {
    expect(await asBob(`GRANT SELECT ON t TO ${bob}`)).toEqual(THEN);
  });

  test('none, or only on some columns, or only on the view: refused', async () => {
    expect(await asBob('SELECT')).toBe('42501: permission denied for table t');
    expect(await asBob(`GRANT SELECT (id, a, secret) ON t TO ${bob}`)).toBe(
      '42501: permission denied for table t',
    );
    expect(await asBob(`GRANT SELECT ON asof.t TO ${bob}`)).toBe('42501: permission denied for table t');
  });

  test('the same if the store alone answers', async () => {
    expect(await asBob(`GRANT SELECT ON t TO ${bob}; SET LOCAL pgtimewarp.asof_from = store`)).toEqual(THEN);
    expect(await asBob('SET LOCAL pgtimewarp.asof_from = store')).toBe(
      '42501: permission denied for table t',
    );
  });

  test('row-level security for the caller: refused', async () => {
    expect(await asBob(`GRANT SELECT ON t TO ${bob}; ALTER TABLE t ENABLE ROW LEVEL SECURITY`)).toMatch(
      /^42501: row-level security of table t applies to role/,
    );
  });

  test('the rights are also checked for the rows of the store', async () => {
    const past = (columns: string) =>
      `SELECT row_data FROM pgtimewarp_internal.past('t', '${columns}', '${at}', NULL) WHERE row_data IS NOT NULL`;
    expect(await asBob('SELECT', past('{secret}'))).toBe('42501: permission denied for table t');
    expect(await asBob(`GRANT SELECT (id) ON t TO ${bob}`, past('{id}'))).toBe(
      '42501: permission denied for table t',
    );
    expect(await asBob('SELECT', 'SELECT FROM pgtimewarp_internal.past_answers')).toMatch(
      /^42501: permission denied for foreign table/,
    );
    expect(
      await asBob('SELECT', `SELECT pgtimewarp_internal.past_question('t', '{}', '${at}', NULL)`),
    ).toMatch(/^42501/);
    expect(await asBob('SELECT', `SELECT pgtimewarp_internal.past_frame('t', '${at}', NULL)`)).toMatch(
      /^42501/,
    );
  });

  test('another node than that of the connection needs EXECUTE, because a copy of the table there has rights of its own', async () => {
    const other = `SELECT FROM pgtimewarp_internal.past('t', '{secret}', '${at}', 'another_node')`;
    const own = `SELECT FROM pgtimewarp_internal.past('t', '{secret}', '${at}', '${past.node.node}')`;
    expect(await asBob(`GRANT SELECT ON t TO ${bob}`, own)).toHaveLength(3);
    expect(await asBob(`GRANT SELECT ON t TO ${bob}`, other)).toBe(
      '42501: permission denied for node another_node',
    );
    const granted = `GRANT SELECT ON t TO ${bob}; GRANT EXECUTE ON FUNCTION pgtimewarp_internal.past_frame TO ${bob}`;
    expect(await asBob(granted, other)).toMatch(/^TW00/);
  });

  test('the functions need EXECUTE', async () => {
    const typed = `SELECT secret FROM pgtimewarp_asof_lsn_table(NULL::t, '${at}') WHERE id = 1`;
    expect(await asBob(`GRANT SELECT ON t TO ${bob}`, typed)).toMatch(
      /^42501: permission denied for function/,
    );
    const granted = `GRANT EXECUTE ON FUNCTION pgtimewarp_asof_lsn_table, pgtimewarp_internal.past_frame TO ${bob}`;
    expect(await asBob(`GRANT SELECT ON t TO ${bob}; ${granted}`, typed)).toEqual(THEN);
    expect(await asBob(granted, typed)).toBe('42501: permission denied for table t');
  });
});

test('conditions reach the index of the live table, also through a join', async () => {
  const plan = async (query: string) =>
    (await admin.query<{ 'QUERY PLAN': string }>(`EXPLAIN (COSTS off) ${query}`)).rows
      .map((row) => row['QUERY PLAN'])
      .join('\n');
  expect(await plan('SELECT * FROM asof.t WHERE id BETWEEN 500 AND 520')).toMatch(
    /Scan.* on t l.*\n.*Index Cond: \(\(id >= 500\) AND \(id <= 520\)\)|Index Cond: \(\(id >= 500\) AND \(id <= 520\)\)/,
  );
  // and rows of the store are made of JSON only for the keys that are asked for
  expect(await plan('SELECT * FROM asof.t WHERE id = 7')).toMatch(
    /CTE Scan on past p_\d\n\s*Filter: \(is_plain AND \(k1 = 7\)\)\n\s*-> {2}Function Scan on json_to_record r\n/,
  );
  const joined = await plan('SELECT * FROM asof.t JOIN asof.lines ON lines.t_id = t.id WHERE t.id = 7');
  expect(joined).toMatch(/Index Cond: \(id = 7\)/);
  expect(joined).toMatch(/Index Cond: \(t_id = 7\)/);
  expect(await plan(`SELECT count(*) FROM asof.t WHERE a = 'a'`)).toMatch(/Anti Join/);
  expect(await failure(admin, 'SELECT FROM asof.t')).toMatch(/^TW018/);
});
