/**
 * Changes that the log does not contain: the next run detects them, records a gap from the run before, and reads the table
 * again. Harmless changes that look similar stand beside them and cause no gap.
 */
import { afterEach, expect, test } from 'vitest';
import { parseTableName } from '../../../../core/pg/identifiers.ts';
import { diff } from '../../../../core/query/diff.ts';
import { keyFromText } from '../../../../core/query/key-input.ts';
import { rebaseline } from '../../../../core/rebaseline.ts';
import type { Plugin } from '../../../../core/types/plugin.ts';
import { describeNeeding } from '../../../support/needs.ts';
import {
  at,
  now,
  relation,
  runAll,
  sameAsLive,
  sourceClock,
  urls,
  type Verdict,
} from '../../../support/node-questions.ts';
import { needOf, PLUGINS } from '../../../support/plugins.ts';
import { type TrackedNode, trackedNode } from '../../../support/tracked-node.ts';

const PLAIN = `CREATE TABLE t (id int PRIMARY KEY, v varchar(20), n int);
               INSERT INTO t SELECT i, 'v' || i, i FROM generate_series(1, 5) AS i`;
const PARTED = `CREATE TABLE t (id int, v varchar(20), n int, PRIMARY KEY (id)) PARTITION BY RANGE (id);
                CREATE TABLE t_a PARTITION OF t FOR VALUES FROM (0) TO (100);
                CREATE TABLE t_b PARTITION OF t FOR VALUES FROM (100) TO (200) PARTITION BY RANGE (id);
                CREATE TABLE t_b1 PARTITION OF t_b FOR VALUES FROM (100) TO (150);
                CREATE TABLE t_b2 PARTITION OF t_b FOR VALUES FROM (150) TO (200);
                INSERT INTO t SELECT i, 'v' || i, i FROM unnest(ARRAY[1, 2, 110, 160]) AS i`;
const STANDALONE = `CREATE TABLE t_new (LIKE t INCLUDING ALL);
                    INSERT INTO t_new SELECT i, 'new', i FROM generate_series(300, 305) AS i;`;

const REPLACED = 'ALTER TABLE t DROP n; ALTER TABLE t ADD n int';
const EXCHANGE =
  'ALTER TABLE t ADD m int; UPDATE t SET m = -n; ALTER TABLE t RENAME n TO o; ALTER TABLE t RENAME m TO n; ALTER TABLE t RENAME o TO m';
const ANEW =
  'CREATE TABLE other AS SELECT id, v FROM t; ALTER TABLE other ADD PRIMARY KEY (id); DROP TABLE t; ALTER TABLE other RENAME TO';

interface Case {
  readonly name: string;
  readonly tables: string;
  readonly sql: string;
  /** The key that every question of the case is about. */
  readonly key: string;
  /** The recorded reason. */
  readonly code: RegExp;
  /** See `sameAsLive`. */
  readonly row?: string;
  /** Until this is done, the log does not contain the changes of the table. */
  readonly undo?: string;
  /** With the other plugin it is not a silent change. */
  readonly plugin?: Plugin;
}

/** Types that print names: how an object of theirs is made and renamed. */
const NAMED: readonly (readonly [string, string, (from: string, to: string) => string, string, string])[] = [
  ['regnamespace', 'CREATE SCHEMA t_s', (from, to) => `ALTER SCHEMA ${from} RENAME TO ${to}`, 't_s', 't_r'],
  [
    'regclass',
    'CREATE SCHEMA t_s; CREATE TABLE t_s.x ()',
    (from, to) => `ALTER SCHEMA ${from.split('.')[0]} RENAME TO ${to.split('.')[0]}`,
    't_s.x',
    't_r.x',
  ],
  [
    'regtype',
    'CREATE SCHEMA t_s; CREATE DOMAIN t_s.x AS int',
    (from, to) => `ALTER DOMAIN ${from} RENAME TO ${to.split('.')[1]}`,
    't_s.x',
    't_s.y',
  ],
  [
    'regprocedure',
    'CREATE SCHEMA t_s; CREATE FUNCTION t_s.x() RETURNS int RETURN 1',
    (from, to) => `ALTER FUNCTION ${from} RENAME TO ${to.split('.')[1]!.slice(0, -2)}`,
    't_s.x()',
    't_s.y()',
  ],
  [
    'regconfig',
    'CREATE SCHEMA t_s; CREATE TEXT SEARCH CONFIGURATION t_s.x (COPY = simple)',
    (from, to) => `ALTER TEXT SEARCH CONFIGURATION ${from} RENAME TO ${to.split('.')[1]}`,
    't_s.x',
    't_s.y',
  ],
  [
    'regcollation',
    'CREATE SCHEMA t_s; CREATE COLLATION t_s.x FROM "C"',
    (from, to) => `ALTER COLLATION ${from} RENAME TO ${to.split('.')[1]}`,
    't_s.x',
    't_s.y',
  ],
];

const SILENT: readonly Case[] = [
  {
    name: 'ALTER TYPE … USING that keeps the type',
    tables: PLAIN,
    sql: 'ALTER TABLE t ALTER n TYPE int USING n * 10',
    key: '3',
    code: /rewritten/,
  },
  {
    name: 'ALTER TYPE … USING to another type',
    tables: PLAIN,
    sql: `ALTER TABLE t ALTER n TYPE text USING 'n' || n`,
    key: '3',
    code: /rewritten/,
  },
  {
    name: 'a type change that prints other text without a rewrite',
    tables: `SET timezone = 'UTC'; CREATE TABLE t (id int PRIMARY KEY, v timestamp); INSERT INTO t VALUES (3, '2026-01-01 12:00:00')`,
    sql: `SET timezone = 'UTC'; ALTER TABLE t ALTER v TYPE timestamptz`,
    key: '3',
    code: /rewritten/,
  },
  {
    name: 'ADD COLUMN … DEFAULT that is volatile',
    tables: PLAIN,
    sql: 'ALTER TABLE t ADD r float8 DEFAULT random()',
    key: '3',
    code: /added and the table rewritten/,
  },
  {
    name: 'ADD COLUMN … DEFAULT, and CLUSTER, which fills it in',
    tables: `${PLAIN}; ALTER TABLE t ADD big text`,
    sql: `ALTER TABLE t ADD d text DEFAULT 'given'; CLUSTER t USING t_pkey; ALTER TABLE t ALTER d DROP DEFAULT`,
    key: '3',
    code: /added and the table rewritten/,
  },
  {
    name: 'ADD COLUMN … GENERATED',
    tables: PLAIN,
    sql: 'ALTER TABLE t ADD g int GENERATED ALWAYS AS (n * 2) STORED',
    key: '3',
    code: /generated/,
  },
  {
    name: 'UNLOGGED, written to, and LOGGED again between two runs',
    tables: `${PLAIN}; ALTER TABLE t ADD big text`,
    sql: 'ALTER TABLE t SET UNLOGGED; UPDATE t SET n = 0 WHERE id = 3; ALTER TABLE t SET LOGGED',
    key: '3',
    code: /was rewritten/,
    plugin: 'wal2json',
  },
  {
    name: 'UNLOGGED, and written to',
    tables: PLAIN,
    sql: `ALTER TABLE t SET UNLOGGED; UPDATE t SET n = 0 WHERE id = 3`,
    key: '3',
    code: /UNLOGGED/,
    undo: 'ALTER TABLE t SET LOGGED',
    plugin: 'wal2json', // PostgreSQL refuses it for a published table
  },
  {
    name: 'dropped and recreated under the name',
    tables: PLAIN,
    sql: `DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY, v varchar(20), n int); INSERT INTO t VALUES (3, 'other', 1)`,
    key: '3',
    code: /was recreated/,
  },
  {
    name: 'renamed, written to, and renamed back between two runs',
    tables: PLAIN,
    sql: 'ALTER TABLE t RENAME TO other; UPDATE other SET n = 0 WHERE id = 3; ALTER TABLE other RENAME TO t',
    key: '3',
    code: /another name for a time/,
    plugin: 'wal2json', // pgoutput identifies tables by OID, so it loses nothing
  },
  {
    name: 'the same, together with another owner',
    tables: PLAIN,
    sql: `ALTER TABLE t RENAME TO other; UPDATE other SET n = 0 WHERE id = 3; ALTER TABLE other RENAME TO t;
          ALTER TABLE t OWNER TO pg_database_owner`,
    key: '3',
    code: /another name for a time/,
    plugin: 'wal2json',
  },
  {
    name: 'a partition renamed twice, and written to in between',
    tables: PARTED,
    sql: 'ALTER TABLE t_a RENAME TO t_c; UPDATE t SET n = 0 WHERE id = 1; ALTER TABLE t_c RENAME TO t_d',
    key: '1',
    code: /another name for a time/,
    plugin: 'wal2json',
  },
  {
    name: 'REPLICA IDENTITY NOTHING',
    tables: PLAIN,
    sql: 'ALTER TABLE t REPLICA IDENTITY NOTHING',
    key: '3',
    code: /REPLICA IDENTITY NOTHING/,
    undo: 'ALTER TABLE t REPLICA IDENTITY DEFAULT',
  },
  {
    name: 'another index as REPLICA IDENTITY',
    tables: `${PLAIN}; ALTER TABLE t ALTER n SET NOT NULL; CREATE UNIQUE INDEX t_by_n ON t (n)`,
    sql: 'ALTER TABLE t REPLICA IDENTITY USING INDEX t_by_n',
    key: '3',
    code: /another index .* as REPLICA IDENTITY/,
    undo: 'ALTER TABLE t REPLICA IDENTITY DEFAULT',
  },
  {
    name: 'REPLICA IDENTITY NOTHING of a partition',
    tables: PARTED,
    sql: 'ALTER TABLE t_b2 REPLICA IDENTITY NOTHING',
    key: '160',
    code: /_b2 .*has REPLICA IDENTITY NOTHING/,
    undo: 'ALTER TABLE t_b2 REPLICA IDENTITY DEFAULT',
  },
  {
    name: 'ATTACH of a partition that holds rows',
    tables: PARTED,
    sql: `${STANDALONE} ALTER TABLE t ATTACH PARTITION t_new FOR VALUES FROM (300) TO (400)`,
    key: '301',
    code: /attached with rows/,
  },
  {
    name: 'ATTACH of a partition whose rows are all changed before the next run',
    tables: PARTED,
    sql: `${STANDALONE} ALTER TABLE t ATTACH PARTITION t_new FOR VALUES FROM (300) TO (400); UPDATE t SET n = 0 WHERE id >= 300`,
    key: '301',
    code: /attached with rows/,
  },
  {
    name: 'ATTACH in the transaction that filled the partition',
    tables: PARTED,
    sql: `BEGIN; ${STANDALONE} ALTER TABLE t ATTACH PARTITION t_new FOR VALUES FROM (300) TO (400); COMMIT`,
    key: '301',
    code: /attached with rows/,
    plugin: 'pgoutput', // wal2json delivers the rows at the commit that attaches them, so it loses nothing
  },
  {
    name: 'DETACH of a partition',
    tables: PARTED,
    sql: 'ALTER TABLE t DETACH PARTITION t_a',
    key: '1',
    code: /_a was/,
  },
  { name: 'DROP of a sub-partition', tables: PARTED, sql: 'DROP TABLE t_b1', key: '110', code: /_b1 was/ },
  {
    name: 'DETACH and ATTACH between two runs',
    tables: PARTED,
    sql: `ALTER TABLE t DETACH PARTITION t_a; ALTER TABLE t_a RENAME TO other; UPDATE other SET n = 7;
          ALTER TABLE other RENAME TO t_a; ALTER TABLE t ATTACH PARTITION t_a FOR VALUES FROM (0) TO (100)`,
    key: '1',
    code: /attached again/,
  },
  {
    name: 'DETACH and ATTACH of the partition above',
    tables: PARTED,
    sql: `ALTER TABLE t DETACH PARTITION t_b; UPDATE t_b SET n = 7; ALTER TABLE t ATTACH PARTITION t_b FOR VALUES FROM (100) TO (200)`,
    key: '110',
    code: /attached again/,
  },
  {
    name: 'partitions that exchange their names',
    tables: PARTED,
    sql: 'ALTER TABLE t_b1 RENAME TO other; ALTER TABLE t_b2 RENAME TO t_b1; ALTER TABLE other RENAME TO t_b2',
    key: '110',
    code: /went from one partition to another/,
    plugin: 'wal2json', // pgoutput identifies tables by OID
  },
  {
    name: 'a rewriting type change of a partitioned table',
    tables: PARTED,
    sql: 'ALTER TABLE t ALTER n TYPE int USING n * 10',
    key: '160',
    code: /rewritten/,
  },
  {
    name: 'a partition made UNLOGGED',
    tables: PARTED,
    sql: 'ALTER TABLE t_b2 SET UNLOGGED; UPDATE t SET n = 0 WHERE id = 160',
    key: '160',
    code: /_b2 is UNLOGGED/,
    undo: 'ALTER TABLE t_b2 SET LOGGED',
  },
  {
    name: 'TYPE … USING of a column that had a default for older rows',
    tables: `${PLAIN}; ALTER TABLE t ADD d int DEFAULT 5`,
    sql: 'ALTER TABLE t ALTER d TYPE int USING d * 10',
    key: '3',
    code: /rewritten/,
  },
  {
    name: 'a label of an enum renamed',
    tables: `CREATE TYPE t_e AS ENUM ('sad', 'ok'); CREATE TABLE t (id int PRIMARY KEY, v t_e); INSERT INTO t VALUES (1, 'sad')`,
    sql: `ALTER TYPE t_e RENAME VALUE 'sad' TO 'blue'`,
    key: '1',
    code: /print another text/,
  },
  {
    name: 'a label of an enum renamed, written, and renamed back between two runs',
    tables: `CREATE TYPE t_e AS ENUM ('sad', 'ok'); CREATE TABLE t (id int PRIMARY KEY, v t_e); INSERT INTO t VALUES (1, 'sad')`,
    sql: `ALTER TYPE t_e RENAME VALUE 'sad' TO 'blue'; INSERT INTO t VALUES (2, 'blue'); ALTER TYPE t_e RENAME VALUE 'blue' TO 'sad'`,
    key: '1',
    code: /print another text/,
  },
  {
    name: 'what a regclass names renamed, written, and renamed back between two runs',
    tables: `CREATE TABLE t_n (); CREATE TABLE t (id int PRIMARY KEY, v regclass); INSERT INTO t VALUES (1, 't_n')`,
    sql: `ALTER TABLE t_n RENAME TO t_m; INSERT INTO t VALUES (2, 't_m'); ALTER TABLE t_m RENAME TO t_n`,
    key: '1',
    row: `json_build_object('id', id, 'v', 'public.' || v::text)`,
    code: /print another text/,
  },
  ...NAMED.map(([type, make, rename, from, to]) => ({
    name: `what a ${type} names renamed, written, and renamed back between two runs`,
    tables: `${make}; CREATE TABLE t (id int PRIMARY KEY, v ${type}); INSERT INTO t VALUES (1, '${from}')`,
    sql: `${rename(from, to)}; INSERT INTO t VALUES (2, '${to}'); ${rename(to, from)}`,
    key: '1',
    row: `json_build_object('id', id, 'v', v::text)`,
    code: /print another text/,
  })),
  {
    name: 'a label of an enum in a domain over an array renamed',
    tables: `CREATE TYPE t_e AS ENUM ('sad', 'ok'); CREATE DOMAIN t_d AS t_e[]; CREATE TABLE t (id int PRIMARY KEY, v t_d);
             INSERT INTO t VALUES (1, '{sad}')`,
    sql: `ALTER TYPE t_e RENAME VALUE 'sad' TO 'blue'`,
    key: '1',
    code: /print another text/,
  },
  {
    name: 'a label that is a key renamed',
    tables: `CREATE TYPE t_e AS ENUM ('sad', 'ok'); CREATE TABLE t (v t_e PRIMARY KEY, n int); INSERT INTO t VALUES ('sad', 1), ('ok', 2)`,
    sql: `ALTER TYPE t_e RENAME VALUE 'sad' TO 'blue'`,
    key: 'sad',
    code: /print another text/,
  },
  {
    name: 'an attribute added to a composite type',
    tables: `CREATE TYPE t_p AS (a int, b text); CREATE TABLE t (id int PRIMARY KEY, v t_p); INSERT INTO t VALUES (1, '(1,x)')`,
    sql: 'ALTER TYPE t_p ADD ATTRIBUTE c int',
    key: '1',
    row: `json_build_object('id', id, 'v', v::text)`,
    code: /print another text/,
  },
  {
    name: 'what a regclass names renamed',
    tables: `CREATE TABLE t_n (); CREATE TABLE t (id int PRIMARY KEY, v regclass); INSERT INTO t VALUES (1, 't_n')`,
    sql: 'ALTER TABLE t_n RENAME TO t_m',
    key: '1',
    row: `json_build_object('id', id, 'v', 'public.' || v::text)`,
    code: /print another text/,
  },
  {
    name: 'the schema that a regnamespace array names renamed',
    tables: `CREATE SCHEMA t_s; CREATE TABLE t (id int PRIMARY KEY, v regnamespace[]); INSERT INTO t VALUES (1, '{t_s}')`,
    sql: 'ALTER SCHEMA t_s RENAME TO t_q',
    key: '1',
    row: `json_build_object('id', id, 'v', v::text)`,
    code: /print another text/,
  },
  {
    name: 'the key dropped and added again',
    tables: PLAIN,
    sql: `ALTER TABLE t DROP CONSTRAINT t_pkey; ALTER TABLE t ADD PRIMARY KEY (id)`,
    key: '3',
    code: /dropped and added again/,
  },
  {
    name: 'the key widened to bigint',
    tables: PLAIN,
    sql: `ALTER TABLE t ALTER id TYPE bigint; INSERT INTO t VALUES (9000000000, 'x', 1)`,
    key: '3',
    code: /rewritten/,
  },
  {
    name: 'a column of the key renamed',
    tables: PLAIN,
    sql: 'ALTER TABLE t RENAME id TO nr; UPDATE t SET n = 0 WHERE nr = 3',
    key: '3',
    code: /primary key of .* is \(nr\) instead of \(id\)/,
  },
  {
    name: 'ATTACH of a partition with many rows, whose first ones are new',
    tables: PARTED,
    sql: `CREATE TABLE t_new (LIKE t INCLUDING ALL); INSERT INTO t_new SELECT i, 'new', i FROM generate_series(50000, 50100) AS i;
          ALTER TABLE t ATTACH PARTITION t_new FOR VALUES FROM (300) TO (100000);
          INSERT INTO t SELECT i, 'x', i FROM generate_series(300, 10400) AS i`,
    key: '50001',
    code: /attached with rows/,
  },
];

const WITH_TOAST = PLAIN.replace('v varchar(20)', 'v text');

const HARMLESS: readonly Pick<Case, 'name' | 'tables' | 'sql' | 'plugin'>[] = [
  {
    name: 'SET STATISTICS and VACUUM FULL',
    tables: WITH_TOAST,
    sql: 'ALTER TABLE t ALTER n SET STATISTICS 50; VACUUM FULL t',
  },
  {
    name: 'CLUSTER and SET STATISTICS',
    tables: WITH_TOAST,
    sql: 'CLUSTER t USING t_pkey; ALTER TABLE t ALTER n SET STATISTICS 50',
  },
  {
    name: 'ANALYZE, REINDEX and new indexes',
    tables: PLAIN,
    sql: 'ANALYZE t; REINDEX TABLE t; REINDEX TABLE CONCURRENTLY t; CREATE INDEX CONCURRENTLY ON t (v)',
  },
  { name: 'comments', tables: PLAIN, sql: `COMMENT ON TABLE t IS 'x'; COMMENT ON COLUMN t.v IS 'y'` },
  {
    name: 'rights, twice',
    tables: PLAIN,
    sql: 'GRANT SELECT ON t TO PUBLIC; GRANT SELECT ON t TO PUBLIC; GRANT UPDATE (v) ON t TO PUBLIC',
  },
  {
    name: 'storage parameters, triggers and statistics',
    tables: PLAIN,
    sql: `ALTER TABLE t SET (fillfactor = 70); ALTER TABLE t ALTER v SET STORAGE EXTERNAL; CREATE STATISTICS t_x ON v, n FROM t;
    CREATE TRIGGER t_g BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger(); DROP TRIGGER t_g ON t`,
  },
  {
    name: 'REPLICA IDENTITY FULL and back',
    tables: PLAIN,
    sql: 'ALTER TABLE t REPLICA IDENTITY FULL; UPDATE t SET n = 1; ALTER TABLE t REPLICA IDENTITY DEFAULT',
  },
  {
    name: 'a new label of an enum',
    tables: `CREATE TYPE t_e AS ENUM ('sad'); CREATE TABLE t (id int PRIMARY KEY, v t_e); INSERT INTO t VALUES (1, 'sad')`,
    sql: `ALTER TYPE t_e ADD VALUE 'ok'; UPDATE t SET v = 'ok'`,
  },
  {
    name: 'a type renamed',
    tables: `CREATE TYPE t_e AS ENUM ('sad'); CREATE TABLE t (id int PRIMARY KEY, v t_e); INSERT INTO t VALUES (1, 'sad')`,
    sql: `ALTER TYPE t_e RENAME TO t_f; UPDATE t SET v = 'sad'`,
  },
  {
    name: 'constraints and foreign keys',
    tables: PLAIN,
    sql: 'ALTER TABLE t ADD CHECK (n > -5); CREATE TABLE t_r (id int REFERENCES t); ALTER TABLE t ADD UNIQUE (v)',
  },
  { name: 'ADD COLUMN without default', tables: PLAIN, sql: 'ALTER TABLE t ADD extra text' },
  { name: 'DROP COLUMN', tables: PLAIN, sql: 'ALTER TABLE t DROP n' },
  { name: 'RENAME COLUMN', tables: PLAIN, sql: 'ALTER TABLE t RENAME n TO m' },
  { name: 'varchar widened', tables: PLAIN, sql: 'ALTER TABLE t ALTER v TYPE varchar(40)' },
  { name: 'varchar to text', tables: PLAIN, sql: 'ALTER TABLE t ALTER v TYPE text' },
  {
    name: 'SET DEFAULT and NOT NULL',
    tables: PLAIN,
    sql: 'ALTER TABLE t ALTER n SET DEFAULT 7, ALTER n SET NOT NULL',
  },
  { name: 'VACUUM FULL', tables: PLAIN, sql: 'VACUUM FULL t' },
  { name: 'CLUSTER and TRUNCATE', tables: PLAIN, sql: 'CLUSTER t USING t_pkey; TRUNCATE t' },
  {
    name: 'VACUUM FULL of a table with a default that was filled in lazily',
    tables: `${PLAIN}; ALTER TABLE t ADD d int DEFAULT 5`,
    sql: 'VACUUM FULL t',
  },
  {
    name: 'a partition created empty and filled',
    tables: PARTED,
    sql: `CREATE TABLE t_c PARTITION OF t FOR VALUES FROM (300) TO (400);
          INSERT INTO t SELECT i, 'x', i FROM generate_series(300, 399) AS i; DELETE FROM t WHERE id = 310`,
  },
  {
    name: 'a partition attached empty',
    tables: PARTED,
    sql: 'CREATE TABLE t_c (LIKE t INCLUDING ALL); ALTER TABLE t ATTACH PARTITION t_c FOR VALUES FROM (300) TO (400)',
  },
  {
    name: 'another owner',
    tables: PLAIN,
    sql: 'ALTER TABLE t OWNER TO pg_database_owner; ALTER TABLE t OWNER TO pg_database_owner',
    plugin: 'pgoutput', // wal2json finds tables by name: another owner could hide a rename and its way back
  },
  {
    name: 'a partition renamed',
    tables: PARTED,
    sql: 'ALTER TABLE t_a RENAME TO t_old; UPDATE t SET n = 9 WHERE id = 1',
    plugin: 'pgoutput',
  },
];

const through =
  (plugin: Plugin) =>
  (each: Pick<Case, 'plugin'>): boolean =>
    each.plugin === undefined || each.plugin === plugin;

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `changes that the log does not tell (${plugin})`, () => {
    let node: TrackedNode;

    afterEach(async () => {
      await node?.[Symbol.asyncDispose]();
    });

    test('each is detected, recorded as a gap from the run before, and repaired', async () => {
      const cases = SILENT.filter(through(plugin)).map((each, index) => forTable(each, `c${index}`));
      node = await trackedNode({ plugin, tables: cases.map((each) => each.tables).join(';\n') });
      await trackAll(node, cases);
      await node.poll();
      const before = new Map<string, Omit<Verdict, 'final'>>();
      for (const { table, key } of cases) before.set(table, await now(node, key, table));
      const whenBefore = await sourceClock(node);
      await node.poll();
      for (const { sql } of cases) await runAll(node, sql);
      await node.poll();
      const inGap = await sourceClock(node);
      for (const { name, table, key, code } of cases) {
        const { status, status_reason } = await relation(node, table);
        expect.soft({ name, status }).toEqual({ name, status: 'needs_rebaseline' });
        expect.soft(status_reason, name).toMatch(code);
        expect
          .soft(await at(node, key, null, table), name)
          .toMatchObject({ status: 'unknown', reason: 'in_gap' });
        const then = await at(node, key, whenBefore, table);
        expect.soft(then, name).toEqual({ ...before.get(table), final: true });
      }
      for (let runs = 0; runs < 3; runs++) await node.poll();
      for (const { name, table, undo } of cases) {
        const { status, repair } = await relation(node, table);
        const expected = undo === undefined ? 'active' : 'needs_rebaseline';
        expect.soft({ name, status, repair }).toEqual({ name, status: expected, repair: null });
        if (undo !== undefined) await runAll(node, undo);
      }
      for (let runs = 0; runs < 5; runs++) await node.poll(); // the horizon's entry of a repair must survive quiet runs
      for (const { name, table, key, row } of cases) {
        const { status, repair } = await relation(node, table);
        expect.soft({ name, status, repair }).toEqual({ name, status: 'active', repair: null });
        await sameAsLive(node, table, row);
        const then = await at(node, key, whenBefore, table);
        expect.soft(then, name).toEqual({ ...before.get(table), final: true });
        const lost = await at(node, key, inGap, table);
        expect.soft(lost, name).toMatchObject({ status: 'unknown', reason: 'in_gap' });
      }
    }, 180_000);

    test('harmless changes lose nothing and cause no gap', async () => {
      const cases = HARMLESS.filter(through(plugin)).map((each, index) =>
        forTable({ ...each, key: '', code: /./ }, `h${index}`),
      );
      node = await trackedNode({ plugin, tables: cases.map((each) => each.tables).join(';\n') });
      await trackAll(node, cases);
      await node.poll();
      for (const { sql } of cases) await runAll(node, sql);
      await node.poll();
      await node.poll();
      for (const { table } of cases) await node.source.query(`UPDATE ${table} SET v = v`); // rows get the present shape
      await node.poll();
      for (const { name, table } of cases) {
        const { status, repair } = await relation(node, table);
        expect.soft({ name, status, repair }).toEqual({ name, status: 'active', repair: null });
        await sameAsLive(node, table);
      }
    }, 180_000);

    test.each([
      ['a table', PLAIN],
      ['a partitioned table', PARTED],
    ])('ADD COLUMN with a constant default to %s is repaired by the runs', async (_what, tables) => {
      node = await trackedNode({ plugin, tables, track: ['t'] });
      await node.poll();
      const before = await sourceClock(node);
      await node.poll();
      await runAll(node, `ALTER TABLE t ADD d text DEFAULT 'given'`);
      await node.source.query(`UPDATE t SET n = 50 WHERE id = 1`);
      for (let runs = 0; runs < 4; runs++) await node.poll();
      expect(await relation(node)).toMatchObject({ status: 'active', repair: null });
      await sameAsLive(node);
      expect((await at(node, '2', before)).row).toEqual({ id: 2, v: 'v2', n: 2 });
      const after = await sourceClock(node);
      for (let runs = 0; runs < 3; runs++) await node.poll(); // quiet runs, in which each horizon replaces the one before
      expect((await at(node, '2', after)).row).toEqual({ id: 2, v: 'v2', n: 2, d: 'given' });
    });

    test.each([0, 1, 2, 3])(
      'a table that disappears %d runs after its repair began is unknown from then on',
      async (runs) => {
        node = await trackedNode({ plugin, tables: PLAIN, track: ['t'] });
        await runAll(node, 'ALTER TABLE t ADD g int GENERATED ALWAYS AS (n * 2) STORED');
        for (let run = 0; run < runs; run++) await node.poll();
        await runAll(node, 'ALTER TABLE t RENAME TO t_away; UPDATE t_away SET n = 0');
        for (let run = 0; run < 3; run++) {
          await node.poll();
          expect(await now(node, '3', 't')).toMatchObject({ status: 'unknown', reason: 'in_gap' });
        }
      },
    );

    test.each([
      ['in one transaction', PLAIN, ['BEGIN; ALTER TABLE t DROP n; ALTER TABLE t ADD n int; COMMIT']],
      [
        'in the transaction that writes',
        PLAIN,
        [`BEGIN; UPDATE t SET n = 20 WHERE id = 2; ${REPLACED}; COMMIT`],
      ],
      ['with runs in between', PLAIN, ['ALTER TABLE t DROP n', 'ALTER TABLE t ADD n int']],
      ['renamed, and then another', PLAIN, ['ALTER TABLE t RENAME n TO m', 'ALTER TABLE t ADD n int']],
      ['of a table that was recreated', PLAIN, [`${ANEW} t`, 'ALTER TABLE t ADD n int']],
      [
        'from long before a table was recreated',
        PLAIN,
        [
          'ALTER TABLE t DROP n',
          `${ANEW.replace('id, v', 'id, v, NULL::int AS foo')} t`,
          'ALTER TABLE t RENAME foo TO n',
        ],
      ],
      ['an exchange of names', PLAIN, [EXCHANGE]],
      ['a partitioned table', PARTED, [REPLACED]],
    ])(
      'a name that goes from one column to another is repaired by itself: %s',
      async (_what, tables, steps) => {
        node = await trackedNode({ plugin, tables, track: ['t'] });
        await node.poll();
        const before = await sourceClock(node);
        for (const sql of steps) {
          await node.poll();
          await runAll(node, sql);
          if (sql.includes('DROP TABLE')) for (let runs = 0; runs < 4; runs++) await node.poll();
        }
        await node.poll();
        const inGap = await sourceClock(node);
        for (let runs = 0; runs < 4; runs++) await node.poll();
        expect(await relation(node)).toMatchObject({ status: 'active', repair: null });
        await sameAsLive(node);
        expect((await at(node, '2', before)).row).toEqual({ id: 2, v: 'v2', n: 2 });
        expect(await at(node, '2', inGap)).toMatchObject({ status: 'unknown', reason: 'in_gap' });
      },
    );

    test('a key whose type reads old texts differently is another key', async () => {
      const tables = `CREATE TABLE t (id text PRIMARY KEY, n int); INSERT INTO t VALUES ('007', 1)`;
      node = await trackedNode({ plugin, tables, track: ['t'] });
      await node.poll();
      const before = await sourceClock(node);
      await node.poll();
      await runAll(node, 'ALTER TABLE t ALTER id TYPE int USING id::int');
      for (let runs = 0; runs < 4; runs++) await node.poll();
      expect(await relation(node)).toMatchObject({ status: 'needs_rebaseline', repair: null });
      expect((await at(node, '007', before)).row).toEqual({ id: '007', n: 1 });
      const again = rebaseline({ ...urls(node), table: parseTableName('t') });
      await expect(again).rejects.toMatchObject({ remedy: expect.stringContaining('untrack') });
    });

    test('a tracked table that becomes a partition of another one continues in that history, and after it', async () => {
      const one =
        'CREATE TABLE one (id int PRIMARY KEY, v varchar(20), n int); INSERT INTO one VALUES (500, $$a$$, 1)';
      node = await trackedNode({ plugin, tables: `${PARTED}; ${one}`, track: ['t', 'one'] });
      await node.poll();
      await runAll(
        node,
        'ALTER TABLE t ATTACH PARTITION one FOR VALUES FROM (500) TO (600); UPDATE t SET n = 2 WHERE id = 500',
      );
      for (let runs = 0; runs < 5; runs++) await node.poll();
      expect(await relation(node, 'one')).toMatchObject({ status: 'needs_rebaseline', repair: null });
      expect((await relation(node, 'one')).status_reason).toMatch(/one is a partition of/);
      await sameAsLive(node, 't');
      await node.source.query('UPDATE one SET n = 3');
      await node.poll();
      await sameAsLive(node, 't');
      await runAll(node, 'ALTER TABLE t DETACH PARTITION one; UPDATE one SET n = 4');
      for (let runs = 0; runs < 5; runs++) await node.poll();
      await sameAsLive(node, 'one');
      await sameAsLive(node, 't');
    });

    test('a schema that gets its old name back: rows written meanwhile are found', async () => {
      node = await trackedNode({
        plugin,
        tables: `${PLAIN}; CREATE SCHEMA there; ALTER TABLE t SET SCHEMA there; CREATE VIEW t AS TABLE there.t`,
      });
      await node.track('there.t');
      await node.poll();
      await runAll(
        node,
        `ALTER SCHEMA there RENAME TO elsewhere; UPDATE elsewhere.t SET n = 70 WHERE id = 2; ALTER SCHEMA elsewhere RENAME TO there`,
      );
      for (let runs = 0; runs < 4; runs++) await node.poll();
      const { rows } = await node.store.query<{ row: string }>(
        `SELECT (a.answer -> 'row')::text AS row FROM pgtimewarp.asof_answer($1, 'there', 't', '"2"', NULL, NULL, NULL) AS a`,
        [node.node],
      );
      expect(JSON.parse(rows[0]!.row)).toMatchObject({ id: 2, n: 70 });
    });

    test('a type that no longer exists when its values are read', async () => {
      const tables = `CREATE DOMAIN dint AS int; CREATE DOMAIN djson AS jsonb; CREATE TABLE t (id int PRIMARY KEY, i dint, j djson, a dint[])`;
      node = await trackedNode({ plugin, tables, track: ['t'] });
      await node.poll();
      await node.source.query(`INSERT INTO t VALUES (1, 5, '{"a": [1, null]}', '{7,8}')`);
      const then = await sourceClock(node);
      await runAll(node, 'ALTER TABLE t DROP i, DROP j, DROP a; DROP DOMAIN dint; DROP DOMAIN djson');
      await node.poll();
      await node.poll();
      expect((await at(node, '1', then)).row).toEqual({ id: 1, i: 5, j: { a: [1, null] }, a: [7, 8] });
      // the type came and went between two runs: it is not known what its text means
      await runAll(node, 'CREATE DOMAIN dint AS int; ALTER TABLE t ADD i dint; INSERT INTO t VALUES (2, 6)');
      const brief = await sourceClock(node);
      await runAll(node, 'ALTER TABLE t DROP i; DROP DOMAIN dint');
      for (let runs = 0; runs < 4; runs++) await node.poll();
      const lost = await node.store.query<{ row: string; incomplete: string }>(
        `SELECT (a.answer -> 'row')::text AS row, (a.answer -> 'incomplete')::text AS incomplete
           FROM pgtimewarp.asof_answer($1, 'public', 't', '"2"', $2::timestamptz, NULL, NULL) AS a`,
        [node.node, brief],
      );
      expect(lost.rows).toEqual([{ row: '{"id":2}', incomplete: '["i"]' }]);
    });

    test('only differences become changes, and the diff shows them at the end of the gap', async () => {
      node = await trackedNode({ plugin, tables: PARTED, track: ['t'] });
      await node.poll();
      await runAll(node, 'ALTER TABLE t DETACH PARTITION t_a');
      await node.poll();
      await rebaseline({ ...urls(node), table: parseTableName('t') });
      const { rows } = await node.store.query<{ pk: string; op: string; xid: string | null }>(
        `SELECT pk, op, xid FROM pgtimewarp.row_changes WHERE op <> 'S' ORDER BY pk`,
      );
      expect(rows).toEqual([
        { pk: '["1"]', op: 'D', xid: null },
        { pk: '["2"]', op: 'D', xid: null },
      ]);
      const page = await diff(node.store, {
        node: node.node,
        table: parseTableName('t'),
        pk: keyFromText('1'),
        from: null,
        to: null,
        limit: 10,
      });
      expect(page.changes.map((change) => change.op)).toEqual(['S', 'D']);
      expect(page.unknownText).toContain('in_gap');
    });

    test('a repair requested twice, with changes while it runs: changes from the log win', async () => {
      node = await trackedNode({ plugin, tables: PLAIN, track: ['t'] });
      await node.poll();
      await runAll(node, 'ALTER TABLE t ALTER n TYPE int USING n * 10');
      await node.poll();
      const writer = (async () => {
        for (let i = 0; i < 60; i++) {
          await node.source.query(
            `INSERT INTO t VALUES ($1, 'w', $1) ON CONFLICT (id) DO UPDATE SET n = t.n + 1`,
            [1 + (i % 9)],
          );
          if (i % 7 === 0) await node.source.query('DELETE FROM t WHERE id = $1', [1 + (i % 5)]);
          if (i === 30) await node.source.query('TRUNCATE t');
        }
      })();
      await Promise.all([
        rebaseline({ ...urls(node), table: parseTableName('t') }),
        rebaseline({ ...urls(node), table: parseTableName('t') }),
      ]);
      await writer;
      await node.poll();
      await sameAsLive(node);
    });
  });
}

/** Gives the case its own table, so that all cases share one node. */
/** Some cases at a time: the runs of one also serve the others, and each needs its own sessions. */
async function trackAll(node: TrackedNode, cases: readonly { readonly table: string }[]): Promise<void> {
  for (let at = 0; at < cases.length; at += 10)
    await Promise.all(cases.slice(at, at + 10).map(({ table }) => node.track(table)));
}

function forTable(each: Case, table: string): Case & { readonly table: string } {
  const rename = (sql: string): string =>
    sql
      .replace(/\bt(_\w+)?\b/g, (_, rest: string | undefined) => table + (rest ?? ''))
      .replaceAll(/\bother\b/g, `${table}_other`);
  return {
    ...each,
    ...{ table, tables: rename(each.tables), sql: rename(each.sql) },
    ...(each.undo === undefined ? {} : { undo: rename(each.undo) }),
  };
}
