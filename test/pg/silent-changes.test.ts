/**
 * What the log does not tell: noticed at the next run, recorded as a gap from the run before, repaired by reading the
 * table again. Beside each stands what looks alike and loses nothing.
 */
import { afterEach, expect, test } from 'vitest';
import { parseTableName } from '../../core/pg/identifiers.ts';
import { diff } from '../../core/query/diff.ts';
import { keyFromText } from '../../core/query/key-input.ts';
import { rebaseline } from '../../core/rebaseline.ts';
import { describeNeeding } from '../support/needs.ts';
import {
  at,
  now,
  relation,
  runAll,
  sameAsLive,
  sourceClock,
  urls,
  type Verdict,
} from '../support/node-questions.ts';
import { needOf, PLUGINS } from '../support/plugins.ts';
import { type TrackedNode, trackedNode } from '../support/tracked-node.ts';

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
  /** A key that is asked for all along. */
  readonly key: string;
  /** What is recorded as the reason. */
  readonly code: RegExp;
  /** With the other one it is no silent change. */
  readonly plugin?: 'pgoutput' | 'wal2json';
}

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
    name: 'ADD COLUMN … GENERATED',
    tables: PLAIN,
    sql: 'ALTER TABLE t ADD g int GENERATED ALWAYS AS (n * 2) STORED',
    key: '3',
    code: /generated/,
  },
  {
    name: 'UNLOGGED, written to, and LOGGED again',
    tables: PLAIN,
    sql: `ALTER TABLE t SET UNLOGGED; UPDATE t SET n = 0 WHERE id = 3`,
    key: '3',
    code: /UNLOGGED/,
    plugin: 'wal2json', // PostgreSQL refuses it for a published table
  },
  {
    name: 'dropped and made anew under the name',
    tables: PLAIN,
    sql: `DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY, v varchar(20), n int); INSERT INTO t VALUES (3, 'other', 1)`,
    key: '3',
    code: /made anew/,
  },
  {
    name: 'renamed, written to, and renamed back between two runs',
    tables: PLAIN,
    sql: 'ALTER TABLE t RENAME TO other; UPDATE other SET n = 0 WHERE id = 3; ALTER TABLE other RENAME TO t',
    key: '3',
    code: /renamed, and has its name back/,
  },
  {
    name: 'REPLICA IDENTITY NOTHING',
    tables: PLAIN,
    sql: 'ALTER TABLE t REPLICA IDENTITY NOTHING',
    key: '3',
    code: /replica identity/,
  },
  {
    name: 'another index as REPLICA IDENTITY',
    tables: `${PLAIN}; ALTER TABLE t ALTER n SET NOT NULL; CREATE UNIQUE INDEX t_by_n ON t (n)`,
    sql: 'ALTER TABLE t REPLICA IDENTITY USING INDEX t_by_n',
    key: '3',
    code: /replica identity/,
  },
  {
    name: 'REPLICA IDENTITY NOTHING of a partition',
    tables: PARTED,
    sql: 'ALTER TABLE t_b2 REPLICA IDENTITY NOTHING',
    key: '160',
    code: /_b2 has REPLICA IDENTITY NOTHING/,
  },
  {
    name: 'ATTACH of a partition that holds rows',
    tables: PARTED,
    sql: `${STANDALONE} ALTER TABLE t ATTACH PARTITION t_new FOR VALUES FROM (300) TO (400)`,
    key: '301',
    code: /attached with rows/,
  },
  {
    name: 'ATTACH of a partition whose rows are all written to before anybody looks',
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
    plugin: 'pgoutput', // wal2json gives the rows at the commit that attaches them, and so loses nothing
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
    plugin: 'wal2json', // pgoutput tells tables apart by their OIDs
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
    code: /_b2 was made UNLOGGED/,
  },
];

const HARMLESS: readonly { name: string; tables: string; sql: string }[] = [
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
  },
  {
    name: 'a partition renamed',
    tables: PARTED,
    sql: 'ALTER TABLE t_a RENAME TO t_old; UPDATE t SET n = 9 WHERE id = 1',
  },
];

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `changes that the log does not tell (${plugin})`, () => {
    let node: TrackedNode;

    afterEach(async () => {
      await node?.[Symbol.asyncDispose]();
    });

    test('each is noticed, recorded as a gap from the run before, and repaired', async () => {
      const cases = SILENT.filter((each) => each.plugin === undefined || each.plugin === plugin).map(
        (each, index) => forTable(each, `c${index}`),
      );
      node = await trackedNode({ plugin, tables: cases.map((each) => each.tables).join(';\n') });
      await Promise.all(cases.map(({ table }) => node.track(table))); // each lets others' runs pass
      await node.poll();
      const before = new Map<string, Omit<Verdict, 'final'>>();
      for (const { table, key } of cases) before.set(table, await now(node, key, table));
      const whenBefore = await sourceClock(node);
      await node.poll();
      for (const { sql } of cases) await runAll(node, sql);
      await node.poll();
      const inGap = await sourceClock(node);
      await node.poll();
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
      for (const { sql, table } of cases) {
        await runAll(node, undo(sql));
        await rebaseline({ ...urls(node), table: parseTableName(table) });
      }
      await node.poll();
      await node.poll(); // the horizon's entry of a repair must survive quiet runs
      for (const { name, table, key } of cases) {
        const { status, repair } = await relation(node, table);
        expect.soft({ name, status, repair }).toEqual({ name, status: 'active', repair: null });
        await sameAsLive(node, table);
        const then = await at(node, key, whenBefore, table);
        expect.soft(then, name).toEqual({ ...before.get(table), final: true });
        const lost = await at(node, key, inGap, table);
        expect.soft(lost, name).toMatchObject({ status: 'unknown', reason: 'in_gap' });
      }
    }, 180_000);

    test('what looks alike loses nothing and makes no gap', async () => {
      const cases = HARMLESS.map((each, index) => forTable({ ...each, key: '', code: /./ }, `h${index}`));
      node = await trackedNode({ plugin, tables: cases.map((each) => each.tables).join(';\n') });
      await Promise.all(cases.map(({ table }) => node.track(table)));
      await node.poll();
      for (const { sql } of cases) await runAll(node, sql);
      await node.poll();
      await node.poll();
      for (const { table } of cases) await node.source.query(`UPDATE ${table} SET v = v`); // rows take the shape of today
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
    ])('ADD COLUMN with a constant default to %s is repaired by itself', async (_what, tables) => {
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
      for (let runs = 0; runs < 3; runs++) await node.poll(); // quiet ones, whose horizons take each other's place
      expect((await at(node, '2', after)).row).toEqual({ id: 2, v: 'v2', n: 2, d: 'given' });
    });

    test.each([
      ['in one transaction', PLAIN, ['BEGIN; ALTER TABLE t DROP n; ALTER TABLE t ADD n int; COMMIT']],
      [
        'in the transaction that writes',
        PLAIN,
        [`BEGIN; UPDATE t SET n = 20 WHERE id = 2; ${REPLACED}; COMMIT`],
      ],
      ['with runs in between', PLAIN, ['ALTER TABLE t DROP n', 'ALTER TABLE t ADD n int']],
      ['renamed, and then another', PLAIN, ['ALTER TABLE t RENAME n TO m', 'ALTER TABLE t ADD n int']],
      ['of a table that was made anew', PLAIN, [`${ANEW} t`, 'ALTER TABLE t ADD n int']],
      [
        'of long before a table was made anew',
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
          if (sql.includes('DROP TABLE')) await rebaseline({ ...urls(node), table: parseTableName('t') });
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

    test('asked twice, and changed while it runs: what the log tells wins', async () => {
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

/** The case on a table of its own, so that all of them share one node. */
function forTable(each: Case, table: string): Case & { readonly table: string } {
  const rename = (sql: string): string =>
    sql
      .replace(/\bt(_\w+)?\b/g, (_, rest: string | undefined) => table + (rest ?? ''))
      .replaceAll(/\bother\b/g, `${table}_other`);
  return { ...each, table, tables: rename(each.tables), sql: rename(each.sql) };
}

/** What has to be undone before the table can be read again. */
function undo(sql: string): string {
  const table = /ALTER TABLE (\w+)/.exec(sql)?.[1];
  if (sql.includes('SET UNLOGGED')) return `ALTER TABLE ${table} SET LOGGED`;
  return sql.includes('REPLICA IDENTITY') ? `ALTER TABLE ${table} REPLICA IDENTITY DEFAULT` : '';
}
