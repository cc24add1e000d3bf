/**
 * Situations in which output plugins and their readers have lost, doubled or changed data. Each is played once. Both plugins
 * follow it, by runs after every step and by one run at the end.
 */
import { once } from 'node:events';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { Follower } from '../../support/follower.ts';
import { needOf, PLUGINS } from '../../support/plugins.ts';
import { type Scenario, Stage } from '../../support/scenario.ts';
import { type TestDatabases, testDatabases } from '../../support/test-databases.ts';

/** A text that is stored out of line because it does not compress. */
const long = (seed: string): string =>
  `(SELECT string_agg(md5('${seed}' || i), '') FROM generate_series(1, 100) AS i)`;

const TOAST = `CREATE TABLE t (id int PRIMARY KEY, big text, other text, n int); ALTER TABLE t ALTER big SET STORAGE EXTERNAL, ALTER other SET STORAGE EXTERNAL;`;

const SCENARIOS: readonly Scenario[] = [
  {
    name: 'toast: values out of line that an update keeps, changes, or moves to another key',
    setup: `${TOAST} INSERT INTO t VALUES (1, ${long('base')}, 'short', 0)`,
    tables: { t: ['id'] },
    steps: [
      'UPDATE t SET n = 1',
      `UPDATE t SET other = ${long('other')}`,
      'UPDATE t SET n = 2; UPDATE t SET id = 2, n = 3',
      `BEGIN; INSERT INTO t VALUES (3, ${long('new')}, NULL, 0); UPDATE t SET n = 1 WHERE id = 3; UPDATE t SET id = 4 WHERE id = 3; COMMIT`,
      `BEGIN; UPDATE t SET big = ${long('changed')} WHERE id = 2; UPDATE t SET n = 4 WHERE id = 2; COMMIT`,
      `BEGIN; DELETE FROM t WHERE id = 4; INSERT INTO t VALUES (4, 'short now', ${long('other now')}, 9); UPDATE t SET n = 10 WHERE id = 4; COMMIT`,
      `BEGIN; SAVEPOINT a; UPDATE t SET big = ${long('undone')}; ROLLBACK TO a; UPDATE t SET n = n + 1; COMMIT`,
      'UPDATE t SET big = NULL WHERE id = 2; UPDATE t SET n = 0 WHERE id = 2',
    ],
    diffs: {
      't 1': 'S U(n) U(other) U(n) D',
      't 2': 'I U(big) U(n) U(n) U(big) U(n)',
      't 3': 'I U(n) D',
      't 4': 'I D I U(n) U(n)',
    },
  },
  {
    name: 'toast under REPLICA IDENTITY FULL, which changes in between',
    setup: `${TOAST} ALTER TABLE t REPLICA IDENTITY FULL; INSERT INTO t VALUES (1, ${long('full')}, ${long('o')}, 0)`,
    tables: { t: ['id'] },
    steps: [
      'UPDATE t SET n = 1',
      'ALTER TABLE t REPLICA IDENTITY DEFAULT; UPDATE t SET n = 2',
      'ALTER TABLE t REPLICA IDENTITY FULL; UPDATE t SET id = 5, n = 3',
      'VACUUM FULL t',
      'UPDATE t SET n = 4',
      'DELETE FROM t',
    ],
    diffs: { 't 1': 'S U(n) U(n) D', 't 5': 'I U(n) D' },
  },
  {
    name: 'special values: numbers that JSON lacks, NULLs, infinite times, escapes',
    setup: `CREATE TABLE t (id int PRIMARY KEY, n numeric, f float8, r real, b bool, x text, d date, ts timestamp, y bytea);`,
    tables: { t: ['id'] },
    lostByWal2json: ['n', 'f', 'r'],
    steps: [
      `INSERT INTO t VALUES (1, 'NaN', 'Infinity', '-Infinity', true, E'a"b\\\\c''\\n\\t', 'infinity', '-infinity', '\\x00ff')`,
      `INSERT INTO t VALUES (2, '-Infinity', 'NaN', 'NaN', NULL, '', '0044-03-15 BC', '294276-12-31 23:59:59.999999', '')`,
      `INSERT INTO t VALUES (3, 0.00, '-0', 1e-45, false, NULL, NULL, NULL, NULL)`,
      `UPDATE t SET x = 'null', b = NOT b WHERE id = 3`,
      `UPDATE t SET x = NULL, y = '\\x', n = -0.000 WHERE id = 3`,
    ],
    diffs: { 't 1': 'I', 't 2': 'I', 't 3': 'I U(b,x) U(n,x,y)' },
  },
  {
    name: 'columns renamed, added, dropped and widened, the key among them, inside transactions too',
    setup: `CREATE TABLE t (id int PRIMARY KEY, v varchar(5), n int); INSERT INTO t VALUES (1, 'a', 1)`,
    tables: { t: ['id'] },
    changesShape: true,
    steps: [
      `ALTER TABLE t RENAME v TO w; UPDATE t SET w = 'b'`,
      `BEGIN; UPDATE t SET w = 'c'; ALTER TABLE t RENAME w TO "w x"; UPDATE t SET "w x" = 'd'; COMMIT`,
      `ALTER TABLE t ALTER "w x" TYPE text; UPDATE t SET "w x" = 'longer than five'`,
      `BEGIN; ALTER TABLE t ADD extra int; UPDATE t SET extra = 7; COMMIT`,
      `BEGIN; ALTER TABLE t ADD undone int; UPDATE t SET undone = 1; ROLLBACK; UPDATE t SET extra = 8`,
      `ALTER TABLE t DROP n; UPDATE t SET extra = 9`,
      `ALTER TABLE t ADD m text; UPDATE t SET m = 'another'`, // under the former name it would be a gap
    ],
    diffs: { 't 1': 'S U(v,w) U(w) U(w,w x) U(w x) U(extra) U(extra) U(extra,n) U(m)' },
  },
  {
    name: 'concurrent schema changes: a transaction that began before one writes after it',
    setup: `CREATE TABLE a (id int PRIMARY KEY, v int); CREATE TABLE b (id int PRIMARY KEY, v varchar(3), w int)`,
    tables: { a: ['id'], b: ['id'] },
    changesShape: true,
    steps: [
      async (session) => {
        const [one, two] = [await session('one'), await session('two')];
        await one.query('BEGIN; INSERT INTO a VALUES (1, 1)');
        await two.query('ALTER TABLE b ADD extra int');
        await one.query(`INSERT INTO b VALUES (1, 'x', 1, 5)`);
        await one.query('COMMIT');
      },
      async (session) => {
        const [one, two] = [await session('one'), await session('two')];
        await one.query('BEGIN ISOLATION LEVEL REPEATABLE READ; INSERT INTO a VALUES (2, 2)');
        await two.query('ALTER TABLE b DROP w');
        await one.query(`SAVEPOINT s; INSERT INTO b VALUES (2, 'y', 6); RELEASE s`);
        await two.query(`INSERT INTO a VALUES (3, 3)`);
        await one.query('COMMIT; UPDATE b SET extra = extra + 1');
      },
      async (session) => {
        const [one, two] = [await session('one'), await session('two')];
        // a subtransaction changes the catalog while another session is in the middle of a transaction
        await one.query('BEGIN; INSERT INTO a VALUES (4, 4)');
        await two.query('BEGIN; SAVEPOINT s; ALTER TABLE b RENAME v TO text; RELEASE s; COMMIT');
        await one.query(`INSERT INTO b (id, text) VALUES (3, 'z')`);
        const waiting = two.query('ALTER TABLE b ALTER text TYPE varchar(30)');
        await one.query('COMMIT');
        await waiting;
        await one.query(`INSERT INTO b (id, text) VALUES (4, 'a longer one'); UPDATE b SET extra = 9`);
      },
    ],
    diffs: {
      'a 1': 'I',
      'a 2': 'I',
      'a 3': 'I',
      'a 4': 'I',
      'b 1': 'I U(extra,w) U(extra,text,v)',
      'b 2': 'I U(extra) U(extra,text,v)',
      'b 3': 'I U(extra)',
      'b 4': 'I U(extra)',
    },
  },
  {
    name: 'savepoints: nested, released, undone, and those of a procedure that catches errors',
    setup: 'CREATE TABLE t (id int PRIMARY KEY, v text)',
    tables: { t: ['id'] },
    steps: [
      `BEGIN; INSERT INTO t VALUES (1, 'outer'); SAVEPOINT a; INSERT INTO t VALUES (2, 'undone'); SAVEPOINT b; UPDATE t SET v = 'inner'; RELEASE b; ROLLBACK TO a; INSERT INTO t VALUES (3, 'after'); COMMIT`,
      `BEGIN; SAVEPOINT sole; UPDATE t SET v = v || '!'; RELEASE sole; COMMIT`,
      `DO $$ BEGIN FOR i IN 1..5 LOOP BEGIN UPDATE t SET v = i::text WHERE id = 1; INSERT INTO t VALUES (i, 'loop'); EXCEPTION WHEN unique_violation THEN NULL; END; END LOOP; END $$`,
      `BEGIN; SAVEPOINT a; DELETE FROM t; ROLLBACK TO a; ROLLBACK TO a; RELEASE a; COMMIT`,
      `BEGIN; DELETE FROM t WHERE id = 1; SAVEPOINT a; INSERT INTO t VALUES (1, 'x'); ROLLBACK TO a; INSERT INTO t VALUES (1, 'y'); COMMIT`,
      `BEGIN; INSERT INTO t VALUES (9, 'never'); ROLLBACK`,
    ],
    diffs: {
      't 1': 'I U(v) U(v) U(v) U(v) D I',
      't 2': 'I',
      't 3': 'I U(v)',
      't 4': 'I',
      't 5': 'I',
      't 9': '',
    },
  },
  {
    name: 'TRUNCATE: several tables in one, with CASCADE, undone, beside writes of the same transaction',
    setup: `CREATE TABLE a (id int PRIMARY KEY, v int); CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a);
            CREATE TABLE c (id serial PRIMARY KEY, v int); INSERT INTO a VALUES (1, 1); INSERT INTO b VALUES (1, 1); INSERT INTO c VALUES (1, 1)`,
    tables: { a: ['id'], b: ['id'], c: ['id'] },
    steps: [
      'UPDATE a SET v = 2',
      'TRUNCATE a, c CASCADE',
      'INSERT INTO a VALUES (1, 3), (2, 3); INSERT INTO b VALUES (1, 2); INSERT INTO c (v) VALUES (4), (5)',
      'BEGIN; TRUNCATE b; INSERT INTO b VALUES (1, 1); SAVEPOINT s; TRUNCATE c; ROLLBACK TO s; COMMIT',
      'BEGIN; UPDATE a SET v = 5 WHERE id = 1; TRUNCATE a, b, c RESTART IDENTITY; INSERT INTO a VALUES (1, 6); INSERT INTO c (v) VALUES (7); COMMIT',
      'BEGIN; TRUNCATE a CASCADE; ROLLBACK',
      'BEGIN; INSERT INTO a VALUES (8, 8); TRUNCATE a CASCADE; TRUNCATE a CASCADE; COMMIT',
    ],
    diffs: {
      'a 1': 'S U(v) T I U(v) T I T',
      'a 2': 'I T',
      'a 8': 'I T',
      'b 1': 'S T I T I T',
      'c 1': 'S T I T I',
      'c 2': 'I T',
    },
  },
  {
    name: 'two-phase commit: prepared in one session, ended in another, others in between',
    setup: `CREATE TABLE t (id int PRIMARY KEY, v text, big text); ALTER TABLE t ALTER big SET STORAGE EXTERNAL; INSERT INTO t VALUES (1, 'base', ${long('two')})`,
    tables: { t: ['id'] },
    steps: [
      `BEGIN; UPDATE t SET v = 'prepared'; SAVEPOINT a; INSERT INTO t VALUES (2, 'undone'); ROLLBACK TO a; INSERT INTO t VALUES (3, 'three'); PREPARE TRANSACTION 'scenario_a'`,
      `BEGIN; INSERT INTO t VALUES (4, 'gone'); PREPARE TRANSACTION 'scenario_b'; INSERT INTO t VALUES (5, 'between')`,
      async (session) => (await session('other')).query(`COMMIT PREPARED 'scenario_a'`),
      `ROLLBACK PREPARED 'scenario_b'`,
      async (session) => {
        const other = await session('other');
        await other.query(
          `BEGIN; TRUNCATE t; INSERT INTO t VALUES (1, 'alone'); PREPARE TRANSACTION 'scenario_c'`,
        );
        await (await session('third')).query(`COMMIT PREPARED 'scenario_c'`);
      },
    ],
    diffs: { 't 1': 'S U(v) T I', 't 2': '', 't 3': 'I T', 't 4': '', 't 5': 'I T' },
  },
  {
    name: 'COPY: rows written many at a time, in a transaction with others, and undone',
    setup: `${TOAST}`,
    tables: { t: ['id'] },
    steps: [
      async (session) => copyIn(await session('one'), 't', '1\tx\\ty\t\\N\t1\n2\t\t\\\\N\t2\n3\té\t"q"\t3\n'),
      async (session) => {
        const one = await session('one');
        await one.query(`BEGIN; UPDATE t SET n = 9 WHERE id = 1`);
        await copyIn(one, 't', `4\t${'k'.repeat(9000)}\t\\N\t4\n`);
        await one.query('UPDATE t SET n = 10 WHERE id = 4; COMMIT');
      },
      async (session) => {
        const one = await session('one');
        await one.query('BEGIN; SAVEPOINT s');
        await copyIn(one, 't', '5\t\\N\t\\N\t\\N\n1\tduplicate\t\\N\t\\N\n').catch(() =>
          one.query('ROLLBACK TO s'),
        );
        await copyIn(one, 't', '6\t\\N\t\\N\t\\N\n');
        await one.query('COMMIT');
      },
    ],
    diffs: { 't 1': 'I U(n)', 't 2': 'I', 't 3': 'I', 't 4': 'I U(n)', 't 5': '', 't 6': 'I' },
  },
  {
    name: 'MERGE and statements that change a table twice',
    setup: `CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 1), (2, 2), (3, 3);
            CREATE TABLE log (id serial PRIMARY KEY, what text);
            CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log (what) VALUES (tg_op || coalesce(new.id, old.id)); RETURN NULL; END $$;
            CREATE TRIGGER note AFTER INSERT OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION note();`,
    tables: { t: ['id'], log: ['id'] },
    steps: [
      `MERGE INTO t USING (VALUES (1, 10), (2, 0), (3, 3), (4, 40)) AS s (id, v) ON t.id = s.id
         WHEN MATCHED AND s.v = 0 THEN DELETE WHEN MATCHED AND s.v = t.v THEN DO NOTHING
         WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.v)`,
      `WITH gone AS (DELETE FROM t WHERE id = 1 RETURNING *), more AS (INSERT INTO t SELECT id + 10, v FROM gone RETURNING *) UPDATE t SET v = (SELECT count(*) FROM more) WHERE id = 3`,
      'UPDATE t SET v = v',
    ],
    diffs: {
      't 1': 'S U(v) D',
      't 2': 'S D',
      't 3': 'S U(v) U()',
      't 4': 'I U()',
      't 11': 'I U()',
      'log 1': 'I',
      'log 2': 'I',
      'log 3': 'I',
      'log 4': 'I',
    },
  },
  {
    name: 'ON CONFLICT: nothing, update, and two sessions with one key',
    setup: `CREATE TABLE t (id int PRIMARY KEY, v text, n int DEFAULT 0)`,
    tables: { t: ['id'] },
    steps: [
      `INSERT INTO t VALUES (1, 'a') ON CONFLICT DO NOTHING; INSERT INTO t VALUES (1, 'b') ON CONFLICT DO NOTHING`,
      `INSERT INTO t VALUES (1, 'c'), (2, 'c') ON CONFLICT (id) DO UPDATE SET v = excluded.v, n = t.n + 1`,
      async (session) => {
        const [one, two] = [await session('one'), await session('two')];
        const upsert = (v: string) =>
          `INSERT INTO t VALUES (3, '${v}') ON CONFLICT (id) DO UPDATE SET v = excluded.v, n = t.n + 1`;
        await one.query(`BEGIN; ${upsert('one')}`);
        const waiting = two.query(upsert('two'));
        await one.query('COMMIT');
        await waiting;
      },
      async (session) => {
        const [one, two] = [await session('one'), await session('two')];
        await one.query(`BEGIN; INSERT INTO t VALUES (4, 'undone')`);
        const waiting = two.query(`INSERT INTO t VALUES (4, 'kept') ON CONFLICT DO NOTHING`);
        await one.query('ROLLBACK');
        await waiting;
      },
      `INSERT INTO t VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET v = 'never' WHERE false`,
    ],
    diffs: { 't 1': 'I U(n,v)', 't 2': 'I', 't 3': 'I U(n,v)', 't 4': 'I' },
  },
  {
    name: 'one table name in two schemas, in one transaction',
    setup: `CREATE TABLE same (id int PRIMARY KEY, v int); CREATE SCHEMA twin; CREATE TABLE twin.same (id int PRIMARY KEY, w text); INSERT INTO twin.same VALUES (1, 'base')`,
    tables: { same: ['id'], 'twin.same': ['id'] },
    steps: [
      `BEGIN; INSERT INTO same VALUES (1, 1); UPDATE twin.same SET w = 'x'; UPDATE same SET v = 2; COMMIT`,
      'TRUNCATE same',
      'INSERT INTO same VALUES (1, 3); TRUNCATE twin.same',
      'DELETE FROM same',
    ],
    diffs: { 'same 1': 'I U(v) T I D', 'twin.same 1': 'S U(w) T' },
  },
  {
    name: 'interleaved: the first to begin commits last, locks are shared, a transaction waits for a row',
    setup: `CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE child (id int PRIMARY KEY, t int REFERENCES t ON UPDATE CASCADE ON DELETE SET NULL); INSERT INTO t VALUES (1, 'base'), (2, 'base'); INSERT INTO child VALUES (1, 1)`,
    tables: { t: ['id'], child: ['id'] },
    steps: [
      async (session) =>
        (await session('one')).query(
          `BEGIN; UPDATE t SET v = 'one' WHERE id = 1; INSERT INTO t VALUES (3, 'one')`,
        ),
      async (session) =>
        (await session('two')).query(`UPDATE t SET v = 'two' WHERE id = 2; INSERT INTO t VALUES (4, 'two')`),
      async (session) => {
        const waiting = (await session('two')).query(`UPDATE t SET v = v || ' then two' WHERE id = 1`);
        await (await session('one')).query(`UPDATE t SET v = 'one' WHERE id = 2; COMMIT`);
        await waiting;
      },
      async (session) => {
        const [one, two] = [await session('one'), await session('two')];
        await one.query('BEGIN; SELECT FROM t WHERE id = 1 FOR KEY SHARE');
        await two.query(
          `BEGIN; SELECT FROM t WHERE id = 1 FOR KEY SHARE; UPDATE t SET v = 'shared' WHERE id = 1`,
        );
        await one.query('INSERT INTO child VALUES (2, 1)');
        await two.query('COMMIT');
        await one.query('COMMIT');
      },
      'UPDATE t SET id = 10 WHERE id = 1',
      'DELETE FROM t WHERE id = 10',
    ],
    diffs: {
      't 1': 'S U(v) U(v) U(v) D',
      't 2': 'S U(v) U(v)',
      't 3': 'I',
      't 4': 'I',
      't 10': 'I D',
      'child 1': 'S U(t) U(t)',
      'child 2': 'I U(t) U(t)',
    },
  },
  {
    name: 'keys: updates, swaps and reuse inside one transaction, two columns',
    setup: `CREATE TABLE t (v int, b text, a int, PRIMARY KEY (a, b)); INSERT INTO t VALUES (1, 'x', 1), (2, 'x', 2)`,
    tables: { t: ['a', 'b'] },
    steps: [
      `BEGIN; UPDATE t SET a = 0 WHERE a = 1; UPDATE t SET a = 1 WHERE a = 2; UPDATE t SET a = 2 WHERE a = 0; COMMIT`,
      `UPDATE t SET b = b || a`,
      `BEGIN; INSERT INTO t VALUES (9, 'y', 9); DELETE FROM t WHERE a = 9; INSERT INTO t VALUES (10, 'y', 9); UPDATE t SET a = 8 WHERE a = 9; COMMIT`,
      `BEGIN; INSERT INTO t VALUES (1, 'z', 7); DELETE FROM t WHERE a = 7; COMMIT`,
    ],
    diffs: {
      't {"a" : "1", "b" : "x"}': 'S D I D',
      't {"a" : "2", "b" : "x"}': 'S D I D',
      't {"a" : "0", "b" : "x"}': 'I D',
      't {"a" : "1", "b" : "x1"}': 'I',
      't {"a" : "9", "b" : "y"}': 'I D I D',
      't {"a" : "8", "b" : "y"}': 'I',
      't {"a" : "7", "b" : "z"}': 'I D',
    },
  },
  {
    name: 'rewritten tables, and writes to untracked tables',
    setup: `CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE untracked (id int PRIMARY KEY, v text); CREATE UNLOGGED TABLE unlogged (id int PRIMARY KEY); INSERT INTO t VALUES (1, 'a'), (2, 'b')`,
    tables: { t: ['id'] },
    steps: [
      `BEGIN; INSERT INTO untracked VALUES (1, 'x'); UPDATE t SET v = 'c' WHERE id = 1; INSERT INTO unlogged VALUES (1); CREATE TEMP TABLE mine (id int PRIMARY KEY); INSERT INTO mine VALUES (1); COMMIT`,
      'VACUUM FULL t',
      'CLUSTER t USING t_pkey; REINDEX TABLE t',
      'INSERT INTO untracked VALUES (2); TRUNCATE untracked',
      `UPDATE t SET v = 'd' WHERE id = 2; CREATE TABLE made AS SELECT * FROM t; ANALYZE t`,
    ],
    diffs: { 't 1': 'S U(v)', 't 2': 'S U(v)' },
  },
];

/** Every type from NULL to a value, to another value, and back. */
const MATRIX: Readonly<Record<string, readonly [string, string]>> = {
  bool: ['true', 'false'],
  'bit(1)': ['1', '0'],
  'bit varying(8)': ['10101', '1'],
  int2: ['-32768', '32767'],
  int8: ['9007199254740993', '-1'],
  'char(4)': ['ab', 'abcd'],
  'varchar(10)': ['x', ''],
  'numeric(10,4)': ['1.1000', '-99999.9999'],
  numeric: ['123456789012345678901234567890.1', '1e-30'],
  money: ['1.10', '-2.00'],
  bytea: ['\\x00', '\\x5c22'],
  date: ['2026-01-31', '1582-10-10'],
  'time(3)': ['23:59:59.999', '24:00:00'],
  timetz: ['04:05:06.789-08:30', '00:00:00+00'],
  'timestamp(6)': ['2026-01-31 09:41:00.000001', '0001-01-01 00:00:00'],
  timestamptz: ['2026-03-29 01:30:00.5+02', '9999-12-31 23:59:59.999999+00'],
  interval: ['1 year 2 mons -3 days 04:05:06.789', '-00:00:01'],
  json: ['{"a":1,"a":2}', '[ ]'],
  jsonb: ['{"b": [1.10, null]}', '"text"'],
  xml: ['<a b="1">x</a>', '<b/>'],
  uuid: ['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '00000000-0000-0000-0000-000000000000'],
  point: ['(1.5,-2)', '(0,0)'],
  inet: ['10.0.0.1/8', '::1'],
  cidr: ['10.0.0.0/8', '2001:db8::/32'],
  macaddr8: ['08:00:2b:01:02:03:04:05', '00:00:00:00:00:00:00:00'],
  int4range: ['[1,10)', 'empty'],
  tstzrange: ['["2026-01-01 00:00:00+00",infinity)', '(,)'],
  'text[]': ['{a,NULL,"b,c"}', '{}'],
  'numeric(6,2)[]': ['{1.10,2.00}', '{{1.00},{2.00}}'],
  citext: ['MiXed', 'mixed'],
  hstore: ['"a"=>"1", "b"=>NULL', ''],
  mood: ['sad', `it's "fine"`],
  positive: ['1.10', '2'],
  pair: ['(1,"x y")', '(,)'],
};

function matrixScenario(): Scenario {
  const columns = Object.keys(MATRIX).map((type, index) => ({
    name: `c${index}`,
    type,
    values: MATRIX[type]!,
  }));
  const set = (value: (values: readonly [string, string]) => string): string =>
    columns.map(({ name, type, values }) => `${name} = ${value(values)}::${type}`).join(', ');
  const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;
  const names = columns.map(({ name }) => name).sort();
  const each = columns.map(({ name }) => `U(${name})`).join(' ');
  return {
    name: 'the matrix of types: each column from NULL to a value, alone to another one, and back to NULL',
    setup: `CREATE EXTENSION citext SCHEMA public; CREATE EXTENSION hstore SCHEMA public; CREATE TYPE mood AS ENUM ('sad', 'it''s "fine"');
            CREATE DOMAIN positive AS numeric CHECK (VALUE > 0); CREATE TYPE pair AS (a int, b text);
            CREATE TABLE t (id int PRIMARY KEY, ${columns.map(({ name, type }) => `${name} ${type}`).join(', ')})`,
    tables: { t: ['id'] },
    lostByWal2json: columns.filter(({ type }) => /^(numeric|positive)/.test(type)).map(({ name }) => name),
    steps: [
      'INSERT INTO t VALUES (1)',
      `UPDATE t SET ${set(([first]) => quoted(first))}`,
      columns.map(({ name, values: [, second] }) => `UPDATE t SET ${name} = ${quoted(second)}`).join('; '),
      `UPDATE t SET ${set(() => 'NULL')}`,
    ],
    diffs: { 't 1': `I U(${names.join()}) ${each} U(${names.join()})` },
  };
}

describe('scenarios', () => {
  let databases: TestDatabases;
  let stage: Stage;
  const followers: Follower[] = [];

  beforeAll(async () => {
    databases = await testDatabases();
    for (const plugin of PLUGINS.filter((each) => needOf(each).met)) {
      for (const suffix of ['steps', 'whole'])
        followers.push(await Follower.open(databases, plugin, `${plugin}_${suffix}`));
    }
    stage = new Stage(
      databases,
      followers.map((follower) => ({ follower, afterEachStep: follower.node.endsWith('_steps') })),
    );
  });

  afterAll(async () => {
    for (const follower of followers) await follower[Symbol.asyncDispose]();
    await databases?.[Symbol.asyncDispose]();
  });

  test.each([...SCENARIOS, matrixScenario()])('$name', async (scenario) => {
    await stage.play(scenario);
  });
});

async function copyIn(session: pg.Client, table: string, text: string): Promise<void> {
  const stream = session.query(copyFrom(`COPY ${table} FROM STDIN`));
  stream.end(text);
  await once(stream, 'finish');
}
