/** Questions about many rows in SQL on the source: their answers, their warnings, and the rights of callers. */
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { untrack } from '../../../core/track.ts';
import { urls } from '../../support/node-questions.ts';
import { failure, type SqlSource, sqlSource } from '../../support/sql-source.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';

const TABLES = `
  CREATE TABLE a (id int PRIMARY KEY, n numeric, secret text);
  CREATE TABLE b (id int PRIMARY KEY, v int);
  INSERT INTO a VALUES (1, 1.0, 's1'), (2, 2, 's2'); INSERT INTO b VALUES (1, 1)`;

const say = (who: string): string =>
  `SELECT pg_logical_emit_message(true, 'pgtimewarp', '{"user": "${who}"}');`;
/** Run one after the other. FIRST changes both tables, with another context for each. */
const TRANSACTIONS = [
  `${say('ann')} UPDATE a SET n = 7, secret = 't' WHERE id = 1; ${say('for b')} UPDATE b SET v = 2;`,
  `${say('only b')} UPDATE b SET v = 3;`,
  `INSERT INTO a VALUES (3, 1.00, NULL);`,
  `DELETE FROM a WHERE id = 3;`,
  `TRUNCATE b;`,
];

let node: TrackedNode;
let sql: SqlSource;
let admin: pg.Client;
let bob: string;
/** The commit LSNs of the transactions. */
let lsns: string[];

beforeAll(async () => {
  node = await trackedNode({ plugin: 'pgoutput', tables: TABLES, track: ['a', 'b'] });
  admin = node.source;
  sql = await sqlSource(node);
  bob = `${sql.reader}_bob`;
  await admin.query(`CREATE ROLE ${bob}`);
  for (const work of TRANSACTIONS) await admin.query(`BEGIN; ${work} COMMIT`);
  await node.poll();
  lsns = (await rowsOf('SELECT lsn FROM pgtimewarp_transactions() ORDER BY lsn')).map(({ lsn }) => `${lsn}`);
  expect(lsns).toHaveLength(TRANSACTIONS.length);
  sql.warnings();
});
afterAll(async () => {
  await admin.query(`RESET ROLE; DROP OWNED BY ${bob}; DROP ROLE ${bob}`);
  await node[Symbol.asyncDispose]();
  await sql[Symbol.asyncDispose]();
});

async function rowsOf(statement: string): Promise<Record<string, unknown>[]> {
  return (await admin.query<Record<string, unknown>>(statement)).rows;
}
/** Rows as psql prints them, without alignment. */
async function linesOf(statement: string): Promise<string[]> {
  const { rows } = await admin.query({ text: statement, rowMode: 'array' });
  return (rows as unknown[][]).map((row) =>
    row.map((value) => (value === null ? '-' : `${value}`)).join(' | '),
  );
}
const codes = (): string[] => sql.warnings().map(({ code }) => code);

const COUNTS = `(SELECT string_agg(concat_ws(' ', t ->> 'table', t ->> 'inserts', t ->> 'updates', t ->> 'deletes', t ->> 'truncates'), ', ')
                   FROM json_array_elements(tables) AS t)`;
const LISTED = `SELECT ${COUNTS} AS counts, rows, context ->> 'user' AS who FROM pgtimewarp_transactions`;

describe('answers', () => {
  test('transactions, newest first, by every filter', async () => {
    const all = [
      'b 0 0 0 1 | 0 | -',
      'a 0 0 1 0 | 1 | -',
      'a 1 0 0 0 | 1 | -',
      'b 0 1 0 0 | 1 | only b',
      'a 0 1 0 0, b 0 1 0 0 | 2 | for b',
    ];
    expect(await linesOf(`${LISTED}()`)).toEqual(all);
    expect(await linesOf(`${LISTED}('-infinity', 'infinity')`)).toEqual(all);
    expect(codes(), 'before tracking, and beyond the horizon').toEqual(['01T03', '01T03', '01T01']);
    expect(await linesOf(`${LISTED}(limit_ => 2)`)).toEqual(all.slice(0, 2));
    expect(await linesOf(`${LISTED}(rel => 'a', op_ => '{I,D}')`)).toEqual(all.slice(1, 3));
    expect(await linesOf(`${LISTED}(by_ => '{"user": "ann"}')`)).toEqual(all.slice(4));
    expect(await linesOf(`${LISTED}(min_rows => 2)`)).toEqual([all[0], all[4]]);
    expect(await linesOf(`${LISTED}(from_lsn => '${lsns[0]}', to_lsn => '${lsns[2]}')`)).toEqual(
      all.slice(2, 4),
    );
    const [{ xid }] = (await rowsOf(`SELECT xid FROM pgtimewarp_transactions(limit_ => 1)`)) as [
      { xid: string },
    ];
    expect(await linesOf(`${LISTED}(xid_ => ${xid})`)).toEqual(all.slice(0, 1));
    expect(
      await linesOf(`${LISTED}(xid_ => ${BigInt(xid) + 2n ** 32n})`),
      'of 64 bits the log has 32',
    ).toEqual(all.slice(0, 1));
    expect(sql.warnings()).toEqual([]);
  });

  test('one transaction: every row that it touched', async () => {
    const ask = (lsn: string) =>
      linesOf(
        `SELECT table_name, op, pk, context ->> 'user', before, after, changed FROM pgtimewarp_transaction('${lsn}')`,
      );
    expect(await ask(lsns[0]!)).toEqual([
      'a | U | {"id":"1"} | ann | {"id":1,"n":1.0,"secret":"s1"} | {"id":1,"n":7,"secret":"t"} | {"n":{"from":1.0,"to":7},"secret":{"from":"s1","to":"t"}}',
      'b | U | {"id":"1"} | for b | {"id":1,"v":1} | {"id":1,"v":2} | {"v":{"from":1,"to":2}}',
    ]);
    expect(await ask(lsns[4]!)).toEqual(['b | T | {"id":"1"} | - | {"id":1,"v":3} | - | -']);
    expect(sql.warnings()).toEqual([]);
    expect(await ask('0/1')).toEqual([]);
    expect(codes(), 'before tracking began').toEqual(['01T03']);
    expect(await ask('FFFFFFFF/0')).toEqual([]);
    expect(codes(), 'beyond the horizon').toEqual(['01T01']);
  });

  test('changes of a table, also net, by every filter', async () => {
    const ask = (rest: string) =>
      linesOf(`SELECT op, pk ->> 'id', after ->> 'n' FROM pgtimewarp_changes('a'${rest})`);
    expect(await ask('')).toEqual(['U | 1 | 7', 'I | 3 | 1.00', 'D | 3 | -']);
    expect(await ask(', limit_ => 2')).toEqual(['U | 1 | 7', 'I | 3 | 1.00']);
    expect(await ask(', net => true')).toEqual(['U | 1 | 7']);
    expect(await ask(`, where_ => '{"n": 1}'`), 'as numerics compare').toEqual([
      'U | 1 | 7',
      'I | 3 | 1.00',
      'D | 3 | -',
    ]);
    expect(await ask(`, where_ => '{"n": "7.0"}'`)).toEqual(['U | 1 | 7']);
    expect(await ask(`, where_ => '{"n": null}'`)).toEqual([]);
    expect(await ask(`, where_ => '{"secret": null}'`), 'NULL is a value too').toEqual([
      'I | 3 | 1.00',
      'D | 3 | -',
    ]);
    expect(await ask(`, changed_ => '{secret}'`)).toEqual(['U | 1 | 7']);
    expect(await ask(`, by_ => '{"user": "ann"}'`)).toEqual(['U | 1 | 7']);
    expect(await ask(`, op_ => '{D}'`)).toEqual(['D | 3 | -']);
    expect(await ask(`, from_lsn => '${lsns[0]}', to_lsn => '${lsns[2]}'`)).toEqual(['I | 3 | 1.00']);
    expect(sql.warnings()).toEqual([]);
  });

  test('rows by a value, as of an instant or at any moment between two', async () => {
    const ask = (rest: string) =>
      linesOf(
        `SELECT pk ->> 'id', row_data ->> 'n', valid_to_lsn FROM pgtimewarp_find('a', '{"n": "1.0"}'${rest})`,
      );
    expect(await ask('')).toEqual([]);
    expect(await ask(`, at_lsn => '${lsns[2]}'`)).toEqual([`3 | 1.00 | ${lsns[3]}`]);
    expect(await ask(`, from_lsn => '${lsns[1]}'`)).toEqual([`3 | 1.00 | ${lsns[3]}`]);
    expect(sql.warnings()).toEqual([]);
    expect(await ask(`, at => '-infinity'`)).toEqual([]);
    expect(codes(), 'nothing is known of then').toEqual(['01T03']);
    expect(await ask(`, '-infinity'`)).toEqual([]);
  });

  test('wrong questions are refused', async () => {
    const refused = (call: string) => failure(admin, `SELECT * FROM pgtimewarp_${call}`);
    expect(await refused(`changes('a', op_ => '{X}')`)).toMatch(
      /^22023: op_ is an array of some of I, U, D, T, S/,
    );
    expect(await refused(`changes('a', net => true, op_ => '{T}')`)).toMatch(/^22023: .* of I, U, D$/);
    expect(await refused(`transactions(op_ => '{S}')`)).toMatch(/^22023: .* of I, U, D, T$/);
    expect(await refused(`changes('a', where_ => '{"n": [1]}')`)).toMatch(/^22023: where_ is a JSON object/);
    expect(await refused(`changes('a', by_ => '{"user": null}')`)).toMatch(/^22023: by_ is a JSON object/);
    expect(await refused(`changes('a', where_ => '{"nope": 1}')`)).toMatch(
      /^TW006: .*no column nope.*\(Its columns: id, n, secret/,
    );
    expect(await refused(`changes('a', where_ => '{"n": "x"}')`)).toMatch(/^TW006: /);
    expect(await refused(`changes('a', limit_ => 0)`)).toMatch(/^22023: limit_/);
    expect(await refused(`changes('a', now(), from_lsn => '0/1')`)).toMatch(/^TW004: /);
    expect(await refused(`changes('a', now(), '2026-01-01')`)).toMatch(/^TW004: /);
    expect(await refused(`changes('pg_class')`)).toMatch(/^TW001: /);
    expect(await refused(`find('a', NULL)`)).toMatch(/^22004: /);
    expect(await refused(`find('a', '{"n": 1}', at => now(), from_ts => now())`)).toMatch(/^TW004: /);
    expect(await refused(`transaction(NULL)`)).toMatch(/^22004: /);
    expect(await refused(`transactions(node_id => 'nope')`)).toMatch(/^TW003: /);
    expect(await refused(`transactions(rel => 'pg_class')`)).toMatch(/^TW001: /);
  });
});

test('an incomplete answer has a warning, or is an error if the caller wants complete answers', async () => {
  await admin.query('SET pgtimewarp.answers = complete');
  try {
    const refused = (call: string) => failure(admin, `SELECT * FROM pgtimewarp_${call}`);
    expect(await refused(`changes('a')`)).toBeNull();
    for (const call of [
      `changes('a', '-infinity')`,
      `find('a', '{"n": 1}', '-infinity')`,
      `transactions('-infinity')`,
      `transaction('0/1')`,
      `diff_pk('a', '1', '-infinity', NULL)`,
    ])
      expect(await refused(call), call).toMatch(
        /^TW016: changes between .* may be missing: before_tracking.*\(.*RESET/,
      );
    for (const call of [
      `changes('a', to_ts => 'infinity')`,
      `find('a', '{"n": 1}', 'infinity')`,
      `transactions(to_ts => 'infinity')`,
      `transaction('FFFFFFFF/0')`,
      `diff_pk('a', '1', NULL, 'infinity')`,
    ])
      expect(await refused(call), call).toMatch(/^TW017: the list is not final.*\(/);
  } finally {
    await admin.query('RESET pgtimewarp.answers');
  }
  sql.warnings();
  await rowsOf(`SELECT FROM pgtimewarp_transactions('-infinity')`);
  const tables = sql
    .warnings()
    .map(({ message }) => / may be missing: before_tracking \((.*)\)$/.exec(message)![1]);
  expect(tables.join()).toContain('public.a');
  expect(tables.join()).toContain('public.b');
});

/** Does the work as bob, after `setUp` by the administrator; everything is rolled back. */
async function asBob<T>(setUp: string, work: () => Promise<T>): Promise<T> {
  await admin.query(
    `BEGIN; GRANT EXECUTE ON FUNCTION pgtimewarp_transactions, pgtimewarp_transaction, pgtimewarp_changes, pgtimewarp_find TO ${bob};
     ${setUp}; SET LOCAL ROLE ${bob}`,
  );
  try {
    return await work();
  } finally {
    await admin.query('ROLLBACK');
  }
}
const refusal = (setUp: string, statement: string) => asBob(setUp, () => failure(admin, statement));
const lines = (setUp: string, statement: string) => asBob(setUp, () => linesOf(statement));

const CHANGES = `SELECT op, before, after FROM pgtimewarp_changes('a', op_ => '{U}')`;
const FIND = `SELECT row_data FROM pgtimewarp_find('a', '{"id": 1}')`;
const ONE = (lsn: string) =>
  `SELECT table_name, context ->> 'user', after FROM pgtimewarp_transaction('${lsn}')`;

describe('who may ask', () => {
  test('about a table: as for one row', async () => {
    for (const statement of [CHANGES, FIND, `${LISTED}(rel => 'a')`]) {
      expect(await refusal('', statement)).toMatch(/^42501: permission denied for table a/);
      expect(
        await refusal(`GRANT SELECT ON a TO ${bob}; ALTER TABLE a ENABLE ROW LEVEL SECURITY`, statement),
      ).toMatch(/^42501: row-level security of table a applies/);
    }
    expect(await lines(`GRANT SELECT ON a TO ${bob}`, FIND)).toEqual(['{"id":1,"n":7,"secret":"t"}']);
    const some = `GRANT SELECT (id, n) ON a TO ${bob}`;
    for (const statement of [CHANGES, FIND, ONE(lsns[0]!)])
      expect(await refusal(some, statement)).toMatch(
        /^42501: permission denied for columns .*: secret \(SET/,
      );
    const visible = `${some}; SET LOCAL pgtimewarp.columns = visible`;
    expect(await lines(visible, CHANGES)).toEqual(['U | {"id":1,"n":1.0} | {"id":1,"n":7}']);
    expect(await lines(visible, FIND)).toEqual(['{"id":1,"n":7}']);
    expect(await lines(visible, ONE(lsns[0]!))).toEqual(['a | ann | {"id":1,"n":7}']);
  });

  test('a filter by a hidden column is refused, because the found rows would reveal its values', async () => {
    const visible = `GRANT SELECT (id, n) ON a TO ${bob}; SET LOCAL pgtimewarp.columns = visible`;
    for (const statement of [
      `SELECT FROM pgtimewarp_changes('a', where_ => '{"secret": "t"}')`,
      `SELECT FROM pgtimewarp_changes('a', where_ => '{"n": 7, "secret": "t"}')`,
      `SELECT FROM pgtimewarp_changes('a', changed_ => '{n,secret}')`,
      `SELECT FROM pgtimewarp_find('a', '{"secret": "t"}')`,
    ])
      expect(await refusal(visible, statement)).toMatch(
        /^42501: permission denied for columns .*\.a: secret$/,
      );
    expect(await refusal(visible, `SELECT FROM pgtimewarp_changes('a', where_ => '{"nope": "t"}')`)).toMatch(
      /^42501: .*: nope$/,
    );
    expect(
      await lines(visible, `SELECT op FROM pgtimewarp_changes('a', where_ => '{"n": 7}', changed_ => '{n}')`),
    ).toEqual(['U']);
  });

  test('about transactions: the changes of tables that the role may read, and the contexts of those changes', async () => {
    const onlyA = `GRANT SELECT ON a TO ${bob}`;
    const seen = ['a 0 0 1 0 | 1 | -', 'a 1 0 0 0 | 1 | -', 'a 0 1 0 0 | 1 | ann'];
    sql.warnings();
    expect(await lines(onlyA, `${LISTED}()`)).toEqual(seen);
    expect(sql.warnings()).toEqual([
      {
        code: '01T04',
        message: `left out is the history of tables that role ${bob} may not read, or that are not there any more: 1`,
      },
    ]);
    expect(await lines(onlyA, `${LISTED}(min_rows => 2)`), 'rows of hidden tables do not count').toEqual([]);
    expect(await lines(onlyA, `${LISTED}(by_ => '{"user": "for b"}')`), 'nor what is said of them').toEqual(
      [],
    );
    expect(await lines(onlyA, `${LISTED}(by_ => '{"user": "ann"}')`)).toEqual(seen.slice(2));
    expect(await lines(onlyA, `${LISTED}(op_ => '{T}')`)).toEqual([]);
    expect(await lines(onlyA, ONE(lsns[0]!))).toEqual(['a | ann | {"id":1,"n":7,"secret":"t"}']);
    expect(await lines(onlyA, ONE(lsns[1]!)), 'as if there were none').toEqual([]);
    expect(await refusal(`${onlyA}; SET LOCAL pgtimewarp.answers = complete`, `${LISTED}()`)).toMatch(
      /^42501: left out/,
    );
    sql.warnings();
    expect(await lines(onlyA, `${LISTED}('-infinity')`)).toEqual(seen);
    const said = sql.warnings().filter(({ code }) => code === '01T03');
    expect(said.map(({ message }) => message).join()).not.toContain('public.b');
    expect(said).not.toEqual([]);
  });

  test('without a table that the role may read, no transactions', async () => {
    expect(await lines('', `${LISTED}()`)).toEqual([]);
    expect(await lines('', ONE(lsns[0]!))).toEqual([]);
    const rules = `GRANT SELECT ON a, b TO ${bob}; ALTER TABLE a ENABLE ROW LEVEL SECURITY`;
    expect(await lines(rules, `${LISTED}()`)).toEqual([
      'b 0 0 0 1 | 0 | -',
      'b 0 1 0 0 | 1 | only b',
      'b 0 1 0 0 | 1 | for b',
    ]);
    expect(await lines(`GRANT SELECT (n) ON a TO ${bob}`, `${LISTED}()`), 'a column without the key').toEqual(
      [],
    );
    expect(await lines(`GRANT SELECT (id) ON a TO ${bob}`, `${LISTED}()`)).toHaveLength(3);
    const closed = `GRANT SELECT ON a, b TO ${bob}; CREATE SCHEMA other; GRANT USAGE ON SCHEMA other TO ${bob};
      ALTER FUNCTION pgtimewarp_transactions SET SCHEMA other; REVOKE ALL ON SCHEMA public FROM PUBLIC, ${bob}`;
    expect(await lines(closed, 'SELECT lsn FROM other.pgtimewarp_transactions()')).toEqual([]);
    sql.warnings();
    expect(await lines(`GRANT SELECT ON a, b TO ${bob}`, `${LISTED}()`)).toHaveLength(5);
    expect(sql.warnings()).toEqual([]);
  });

  test('the functions do not use objects that a hostile caller has made', async () => {
    const trap = (name: string, args: string, returns: string) =>
      `CREATE FUNCTION public.${name}(${args}) RETURNS ${returns} LANGUAGE plpgsql AS
         $$ BEGIN RAISE EXCEPTION 'trapped as %', current_user; END $$`;
    const traps = `GRANT SELECT ON a TO ${bob};
      ${trap('format', 'text, text[]', 'text')}; ${trap('has_table_privilege', 'oid, oid, text', 'boolean')};
      ${trap('same', 'name, name', 'boolean')}; ${trap('fetch', 'json, text', 'json')}; ${trap('has', 'jsonb, text', 'boolean')};
      ${trap('join_objects', 'jsonb, jsonb', 'jsonb')};
      CREATE OPERATOR public.= (LEFTARG = name, RIGHTARG = name, FUNCTION = public.same);
      CREATE OPERATOR public.-> (LEFTARG = json, RIGHTARG = text, FUNCTION = public.fetch);
      CREATE OPERATOR public.|| (LEFTARG = jsonb, RIGHTARG = jsonb, FUNCTION = public.join_objects);
      CREATE OPERATOR public.? (LEFTARG = jsonb, RIGHTARG = text, FUNCTION = public.has);
      CREATE TEMPORARY TABLE pg_class (oid oid, relname name); GRANT ALL ON pg_class TO ${bob};
      SET LOCAL search_path = pg_temp, public, pg_catalog`;
    const calls = [
      'transactions()',
      `transaction('${lsns[0]}')`,
      `changes('a', op_ => '{U}')`,
      `find('a', '{"id": 1}')`,
    ];
    const found: number[] = [];
    for (const call of calls) found.push((await lines(traps, `SELECT 1 FROM pgtimewarp_${call}`)).length);
    expect(found).toEqual([3, 1, 1, 1]);
  });

  test('only roles with EXECUTE', async () => {
    for (const call of [`transactions()`, `transaction('0/1')`, `changes('a')`, `find('a', '{"n": 1}')`])
      expect(
        await refusal(
          `REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM ${bob}`,
          `SELECT pgtimewarp_${call}`,
        ),
      ).toMatch(/^42501: permission denied for function/);
  });

  test('a table that has taken the name of a tracked one does not show its history', async () => {
    const taken = `ALTER TABLE b RENAME TO b_away; CREATE TABLE b (id int PRIMARY KEY); GRANT SELECT ON a, b TO ${bob}`;
    expect(await lines(taken, `${LISTED}()`)).toHaveLength(3);
    expect(await lines(taken, ONE(lsns[1]!))).toEqual([]);
    expect(await refusal(taken, `SELECT FROM pgtimewarp_changes('b')`)).toMatch(/^TW005: /);
    expect(await refusal(taken, `SELECT FROM pgtimewarp_find('b', '{"id": 1}')`)).toMatch(/^TW005: /);
    expect(await refusal(taken, `${LISTED}(rel => 'b')`)).toMatch(/^TW005: /);
  });

  test('superusers see the history of tables that are gone; other roles get a warning that it is left out', async () => {
    await untrack({ ...urls(node), table: { schema: 'public', name: 'b' }, purge: false });
    await admin.query('BEGIN; DROP TABLE b');
    expect(await linesOf(`${LISTED}()`)).toHaveLength(5);
    await admin.query('ROLLBACK');
    sql.warnings();
    expect(await lines(`DROP TABLE b; GRANT SELECT ON a TO ${bob}`, `${LISTED}()`)).toHaveLength(3);
    expect(codes()).toContain('01T04');
  });
});

test('the errors for a connection of an earlier version and for an older store differ', async () => {
  const fresh = async () => await node.connect('source');
  const ask = `SELECT FROM pgtimewarp_changes('a')`;
  await node.store.query('ALTER VIEW pgtimewarp.changes_answers RENAME TO changes_answers_away');
  expect(await failure(await fresh(), ask)).toMatch(/^TW022: .*\(Run `pgtimewarp migrate`/);
  await node.store.query('ALTER VIEW pgtimewarp.changes_answers_away RENAME TO changes_answers');
  expect(await failure(await fresh(), ask)).toBeNull();
  await admin.query('DROP FOREIGN TABLE pgtimewarp_internal.changes_answers');
  expect(await failure(await fresh(), ask)).toMatch(/^TW021: .*\(Run `pgtimewarp extension connect` again/);
  expect(
    await failure(await fresh(), `SELECT pgtimewarp_asof_pk('a', '1', now())`),
    'needs none of that',
  ).toBeNull();
});
