/**
 * Keys of the history are looked up in the source by their texts. Whatever length, precision, domain or collation the key column has
 * now, a text finds the row with exactly this key, and every row is read once.
 */
import { describe, expect, test } from 'vitest';
import { describeNeeding } from '../../../support/needs.ts';
import { relation, runAll, sameAsLive } from '../../../support/node-questions.ts';
import { needOf, PLUGINS } from '../../../support/plugins.ts';
import { type TrackedNode, trackedNode } from '../../../support/tracked-node.ts';

/** The number of runs in which a repair ends. */
const REPAIR = 4;

/** [what, the table, DDL after which runs read it again]: keys of the history that the table has no more, but shorter ones. */
const NARROWER: readonly (readonly [string, string, string])[] = [
  [
    'varchar',
    `CREATE TABLE t (id varchar(10) PRIMARY KEY, n int); INSERT INTO t VALUES ('abcdefgh', 1), ('ab', 2)`,
    'ALTER TABLE t ALTER id TYPE varchar(5) USING left(id, 5)',
  ],
  [
    'text',
    `CREATE TABLE t (id text PRIMARY KEY, n int); INSERT INTO t VALUES ('abcdefgh', 1), ('ab', 2)`,
    'ALTER TABLE t ALTER id TYPE varchar(5) USING left(id, 5)',
  ],
  [
    'char',
    `CREATE TABLE t (id char(8) PRIMARY KEY, n int); INSERT INTO t VALUES ('abcdefgh', 1), ('ab', 2)`,
    'ALTER TABLE t ALTER id TYPE char(5) USING left(id, 5)',
  ],
  [
    'numeric',
    'CREATE TABLE t (id numeric(10, 4) PRIMARY KEY, n int); INSERT INTO t VALUES (1.2345, 1), (7.25, 2)',
    'ALTER TABLE t ALTER id TYPE numeric(10, 2)',
  ],
  [
    'timestamp',
    `CREATE TABLE t (id timestamp PRIMARY KEY, n int); INSERT INTO t VALUES ('2026-01-01 00:00:01.25', 1)`,
    'ALTER TABLE t ALTER id TYPE timestamp(0)',
  ],
  [
    'bit',
    `CREATE TABLE t (id bit(8) PRIMARY KEY, n int); INSERT INTO t VALUES ('10101010', 1)`,
    'ALTER TABLE t ALTER id TYPE bit(4) USING substring(id FROM 1 FOR 4)::bit(4)',
  ],
  [
    'a table in place of another',
    `CREATE TABLE t (id varchar(10) PRIMARY KEY, n int); INSERT INTO t VALUES ('abcdefgh', 1), ('ab', 2)`,
    `DROP TABLE t; CREATE TABLE t (id varchar(5) PRIMARY KEY, n int); INSERT INTO t VALUES ('abcde', 3)`,
  ],
];

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `keys that become shorter, ${plugin}`, () => {
    test.each(NARROWER)('a key of %s that becomes shorter leaves no former key', async (_, tables, ddl) => {
      await using node = await trackedNode({ plugin, tables, track: ['t'] });
      await runAll(node, ddl);
      await runs(node);
      expect(await relation(node)).toMatchObject({ status: 'active' });
      await sameAsLive(node);
    });
  });
}

/** [what, the table, DDL after which it is read again]. The tables have more rows than the first chunk. */
const READ: readonly (readonly [string, string, string])[] = [
  [
    'a domain over a domain over citext',
    `CREATE SCHEMA odd; CREATE EXTENSION citext SCHEMA odd; CREATE DOMAIN inner_one AS odd.citext; CREATE DOMAIN outer_one AS inner_one;
     CREATE TABLE t (id outer_one PRIMARY KEY, n int);
     INSERT INTO t SELECT CASE WHEN i % 2 = 0 THEN 'K' ELSE 'k' END || lpad(i::text, 5, '0'), i FROM generate_series(1, 1100) AS i`,
    '',
  ],
  [
    'a domain over an enum',
    `CREATE TYPE mood AS ENUM ('sad', 'ok', 'glad'); CREATE DOMAIN feeling AS mood; CREATE TABLE t (id feeling, k int, n int, PRIMARY KEY (id, k));
     INSERT INTO t SELECT (enum_range(NULL::mood))[1 + i / 500], i, i FROM generate_series(1, 1100) AS i`,
    '',
  ],
  [
    'a domain with a condition that older rows violate',
    'CREATE DOMAIN few AS int; CREATE TABLE t (id few PRIMARY KEY, n int); INSERT INTO t SELECT i, i FROM generate_series(1, 1100) AS i',
    'ALTER DOMAIN few ADD CHECK (VALUE < 10) NOT VALID',
  ],
  [
    'a domain whose condition needs the search path',
    `CREATE TABLE allowed (id int); INSERT INTO allowed SELECT generate_series(1, 1100);
     CREATE FUNCTION is_allowed(int) RETURNS boolean LANGUAGE sql AS 'SELECT EXISTS (SELECT FROM allowed WHERE id = $1)';
     CREATE DOMAIN judged AS int CHECK (is_allowed(VALUE)); CREATE TABLE t (id judged PRIMARY KEY, n int);
     INSERT INTO t SELECT i, i FROM generate_series(1, 1100) AS i`,
    '',
  ],
  [
    'a domain with another collation than its column',
    `CREATE DOMAIN plain AS text COLLATE "C"; CREATE TABLE t (id plain COLLATE "POSIX" PRIMARY KEY, n int);
     INSERT INTO t SELECT i, i FROM generate_series(1, 1100) AS i`,
    '',
  ],
];

describe('a table with many rows is read whole, and again', () => {
  test.each(READ)('key: %s', async (_, tables, ddl) => {
    await using node = await trackedNode({ plugin: 'pgoutput', tables, track: ['t'] });
    expect(await count(node)).toEqual([{ op: 'S', rows: 1100, keys: 1100 }]);
    await runAll(node, `${ddl}; ALTER TABLE t ALTER n TYPE int USING n * 2`);
    await runs(node);
    expect(await relation(node)).toMatchObject({ status: 'active' });
    expect(await count(node), 'each row once more').toEqual([{ op: 'S', rows: 2200, keys: 1100 }]);
  });
});

async function runs(node: TrackedNode): Promise<void> {
  for (let run = 0; run < REPAIR; run++) await node.poll();
}

async function count(node: TrackedNode): Promise<{ op: string; rows: number; keys: number }[]> {
  const { rows } = await node.store.query<{ op: string; rows: number; keys: number }>(
    'SELECT op, count(*)::int AS rows, count(DISTINCT pk)::int AS keys FROM pgtimewarp.row_changes GROUP BY op ORDER BY op',
  );
  return rows;
}
