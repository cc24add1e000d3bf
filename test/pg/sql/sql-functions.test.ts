/** The functions on a source, on histories written into the store: every kind of answer, with its warnings. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { failure, type SqlSource, sqlSource } from '../../support/sql-source.ts';
import { type TestDatabases, testDatabases } from '../../support/test-databases.ts';
import { lsnOf, StoreHistory, timeOf } from '../query/query-history.ts';

let databases: TestDatabases;
let sql: SqlSource;
let h: StoreHistory;
let t: number;
beforeAll(async () => {
  databases = await testDatabases({ tables: 'CREATE TABLE t (id int PRIMARY KEY, n int)' });
  h = await StoreHistory.create(databases.store);
  t = await h.track();
  await h.change(t, 20, 'I');
  await h.change(t, 30, 'U');
  await h.change(t, 40, 'D');
  await h.gap(60, 70);
  sql = await sqlSource({ ...databases, node: h.node });
});
afterAll(async () => {
  await databases[Symbol.asyncDispose]();
  await sql[Symbol.asyncDispose]();
});

async function one(text: string, values: unknown[] = []): Promise<unknown> {
  const { rows } = await databases.source.query<Record<string, unknown>>(text, values);
  return rows.length === 0 ? undefined : Object.values(rows[0]!)[0];
}
const asof = (at: string, key = '1') => one('SELECT pgtimewarp_asof_pk($1, $2, $3)', ['t', key, at]);
const asofFails = (at: string, key = '1', rel = 't') =>
  failure(databases.source, 'SELECT pgtimewarp_asof_pk($1::text::regclass, $2, $3)', [rel, key, at]);

describe('pgtimewarp_asof_pk', () => {
  test('returns the text of the row, NULL if it was absent, and no warning up to the horizon', async () => {
    expect(await asof(timeOf(20))).toBe('{"id":1,"n":20}');
    expect(await asof(timeOf(30, -1))).toBe('{"id":1,"n":20}');
    expect(await asof(timeOf(30))).toBe('{"id":1,"n":30}');
    expect(await asof(timeOf(40))).toBe(null);
    expect(await asof(timeOf(15))).toBe(null);
    expect(await one('SELECT pgtimewarp_asof_lsn_pk($1, $2, $3)', ['t', '{"id": "1"}', lsnOf(35)])).toBe(
      '{"id":1,"n":30}',
    );
    expect(sql.warnings()).toEqual([]);
  });

  test('warns beyond the horizon', async () => {
    expect(await asof(timeOf(101))).toBe(null);
    expect(sql.warnings()).toEqual([
      { code: '01T01', message: `the answer is not final: the store is complete up to ${timeOf(100)}` },
    ]);
  });

  test('fails if the answer is unknown or the question is wrong, each with an SQLSTATE', async () => {
    expect(await asofFails(timeOf(5))).toMatch(/^TW010: .*\(.*later instant/);
    expect(await asofFails(timeOf(65))).toMatch(/^TW012: .*lost.*\(/);
    expect(await asofFails(timeOf(20), '{"nr": 1}')).toMatch(
      /^TW002: .*not a column of the key: nr.*\(Name every key column/,
    );
    expect(await asofFails(timeOf(20), 'null')).toMatch(/^TW002: /);
    expect(await asofFails(timeOf(20), '1', 'pg_class')).toMatch(
      /^TW001: .*pg_catalog\.pg_class is not tracked.*\(Start with/,
    );
    expect(await failure(databases.source, `SELECT pgtimewarp_asof_pk('t', '1', now(), 'nope')`)).toMatch(
      /^TW003: .*\(/,
    );
    expect(await failure(databases.source, `SELECT pgtimewarp_asof_pk('t', '1', NULL)`)).toMatch(/^22004: /);
    expect(
      await failure(databases.source, `SELECT pgtimewarp_asof_pk(99999999::regclass, '1', now())`),
    ).toMatch(/^42P01: /);
    const pending = await StoreHistory.create(databases.store);
    await pending.track({ baseline: 'pending' });
    expect(
      await failure(databases.source, `SELECT pgtimewarp_asof_pk('t', '1', $1, $2)`, [
        timeOf(20),
        pending.node,
      ]),
    ).toMatch(/^TW011: .*\(/);
  });

  test.each([
    ['expired', 'TW013'],
    ['erased', 'TW014'],
  ])('has an SQLSTATE for %s', async (reason, code) => {
    const answer = `{"status":"unknown","reason":"${reason}","final":true,"row":null}`;
    expect(await failure(databases.source, `SELECT pgtimewarp_internal.row_of($1, false)`, [answer])).toMatch(
      new RegExp(`^${code}: .*${reason}.*\\(`),
    );
  });

  test('works in read-only transactions, and any number of times', async () => {
    await databases.source.query('BEGIN READ ONLY');
    expect(await asof(timeOf(20))).toBe('{"id":1,"n":20}');
    const many = await one(
      `SELECT count(pgtimewarp_asof_pk('t', to_jsonb(k), $1)) FROM generate_series(1, 30) k`,
      [timeOf(20)],
    );
    await databases.source.query('COMMIT');
    expect(many).toBe('1');
  });

  test('keeps text that the JSON functions of PostgreSQL refuse', async () => {
    const odd = await StoreHistory.create(databases.store);
    const row = '{"id":1, "row":{"op":"}\\u0000\\u0001"},"j" : "\\\\u0000"}';
    await odd.change(await odd.track(), 20, 'I', '1', { row, incomplete: ['x'] });
    expect(await one(`SELECT pgtimewarp_asof_pk('t', '1', $1, $2)`, [timeOf(20), odd.node])).toBe(row);
    expect(sql.warnings()).toEqual([{ code: '01T02', message: expect.stringMatching(/left out: x$/) }]);
    expect(
      await failure(databases.source, `SELECT * FROM pgtimewarp_asof_row(NULL::t, '1', $1, $2)`, [
        timeOf(20),
        odd.node,
      ]),
    ).toMatch(/^TW015: /);
  });
});

describe('pgtimewarp_asof_row', () => {
  test('returns a row of the table as it is now', async () => {
    await databases.source.query('ALTER TABLE t ADD note text; ALTER TABLE t RENAME n TO amount');
    const all = `SELECT row_to_json(r) FROM pgtimewarp_asof_row(NULL::t, '1', $1) r`;
    // this history does not show which column a name belonged to: NULL would be a guess
    expect(await failure(databases.source, all, [timeOf(20)])).toMatch(/^TW015: .*: amount, note /);
    await databases.source.query('ALTER TABLE t RENAME amount TO n');
    expect(await one(all, [timeOf(20)])).toBe('{"id":1,"n":20,"note":null}');
    expect(await one(all, [timeOf(40)])).toBeUndefined();
    await databases.source.query(`ALTER TABLE t ALTER n TYPE date USING '2026-01-01'`);
    expect(await failure(databases.source, all, [timeOf(20)])).toMatch(/^TW023: .*\(pgtimewarp_asof_pk/);
    await databases.source.query('ALTER TABLE t DROP note, ALTER n TYPE int USING 1');
    expect(await failure(databases.source, `SELECT pgtimewarp_asof_row(1, '1', now())`)).toMatch(/^42809: /);
  });

  test('runs the code of types as its caller', async () => {
    const { source } = databases;
    await source.query(`
      CREATE ROLE ${sql.reader}_spy; GRANT SELECT ON t TO ${sql.reader}_spy;
      GRANT EXECUTE ON FUNCTION pgtimewarp_asof_row, pgtimewarp_asof_answer_pk TO ${sql.reader}_spy;
      CREATE FUNCTION who(int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING '%', current_user; RETURN true; END $$;
      CREATE DOMAIN watched AS int CHECK (who(VALUE)); ALTER TABLE t ALTER n TYPE watched; SET ROLE ${sql.reader}_spy`);
    sql.warnings();
    await source.query(`SELECT * FROM pgtimewarp_asof_row(NULL::t, '1', $1)`, [timeOf(20)]);
    await source.query(
      `RESET ROLE; ALTER TABLE t ALTER n TYPE int; DROP OWNED BY ${sql.reader}_spy; DROP ROLE ${sql.reader}_spy`,
    );
    expect(sql.warnings().map(({ message }) => message)).toContain(`${sql.reader}_spy`);
  });
});

describe('pgtimewarp_diff_pk', () => {
  const diff = `SELECT op, valid_from_lsn AS lsn, valid_from_ts AS ts, xid, row_data AS row, changed
                  FROM pgtimewarp_diff_pk('t', '1', $1, $2)`;
  test('lists the changes in order', async () => {
    const { rows } = await databases.source.query(diff, [timeOf(20), timeOf(50)]);
    expect(rows).toEqual([
      {
        op: 'U',
        lsn: lsnOf(30),
        ts: expect.stringContaining('00:00:30'),
        xid: '730',
        row: '{"id":1,"n":30}',
        changed: '{"n":{"from":20,"to":30}}',
      },
      {
        op: 'D',
        lsn: lsnOf(40),
        ts: expect.stringContaining('00:00:40'),
        xid: '740',
        row: null,
        changed: null,
      },
    ]);
    expect(sql.warnings()).toEqual([]);
  });

  test('warns of missing and of not final changes, and continues', async () => {
    const { rows } = await databases.source.query(diff, [timeOf(5), timeOf(120)]);
    expect(rows.map(({ op }) => op)).toEqual(['I', 'U', 'D']);
    expect(sql.warnings()).toEqual([
      {
        code: '01T03',
        message: `changes between ${timeOf(5)} and ${timeOf(10)} may be missing: before_tracking`,
      },
      { code: '01T03', message: `changes between ${timeOf(60)} and ${timeOf(70)} may be missing: in_gap` },
      { code: '01T01', message: `the list is not final: the store is complete up to ${timeOf(100)}` },
    ]);
    expect(await failure(databases.source, diff, [timeOf(50), timeOf(20)])).toMatch(/^TW004: /);
  });
});

describe('beside the history', () => {
  test('the node, its horizon and the context of transactions', async () => {
    expect(await one('SELECT (pgtimewarp_horizon()).ts = $1::timestamptz', [timeOf(100)])).toBe(true);
    const { rows } = await databases.source.query(
      'SELECT node, status, tables, open_gaps FROM pgtimewarp_status()',
    );
    expect(rows).toEqual([{ node: h.node, status: 'active', tables: '1', open_gaps: '0' }]);
    expect(await failure(databases.source, `SELECT pgtimewarp_status('nope')`)).toMatch(/^TW003: /);
    expect(await failure(databases.source, `SELECT pgtimewarp_set_context('[]')`)).toMatch(/^22023: /);
    await databases.source.query(`SELECT pgtimewarp_set_context('{"user": "ada"}')`);
  });

  test('a store that is unreachable, older, or was never connected', async () => {
    await using other = await testDatabases({ tables: 'CREATE TABLE t (id int PRIMARY KEY)' });
    await using own = await sqlSource({ ...databases, ...{ source: other.source, node: h.node } });
    const ask = `SELECT pgtimewarp_asof_pk('t', '1', now())`;
    const anew = async () => await other.connect('source');
    await other.source.query(`ALTER SERVER pgtimewarp OPTIONS (SET port '1')`);
    const started = performance.now();
    expect(await failure(await anew(), ask)).toMatch(/^TW020: .*could not connect.*\(Check the store/);
    expect(performance.now() - started).toBeLessThan(6_000);
    await other.source.query(
      `ALTER SERVER pgtimewarp OPTIONS (SET port '${new URL(databases.storeUrl).port}', SET dbname 'postgres')`,
    );
    expect(await failure(await anew(), ask)).toMatch(/^TW022: .*\(Run `pgtimewarp migrate`/);
    await other.source.query('SELECT pgtimewarp_disconnect()');
    expect(await failure(await anew(), ask)).toMatch(/^TW021: .*\(Run `pgtimewarp extension connect`/);
    expect(own.warnings()).toEqual([]);
  });

  test('connections to other hosts are verified', async () => {
    const options = (host: string) =>
      one(`SELECT pgtimewarp_internal.server_options($1, 5432, 'd', 'n', NULL, NULL)`, [host]);
    for (const host of ['db.example', '10.0.0.1', 'localhost.example', '127.0.0.1.example', 'x/localhost'])
      expect(await options(host)).toContain(`sslmode 'verify-full'`);
    for (const host of ['localhost', '127.0.0.1', '::1', '/run/postgresql'])
      expect(await options(host)).toContain(`sslmode 'prefer'`);
  });
});
