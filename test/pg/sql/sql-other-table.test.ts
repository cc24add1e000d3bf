/** History belongs to a name, rights belong to a table: SQL on the source answers only for the table that the last run found. */
import { expect, test } from 'vitest';
import { untrack } from '../../../core/track.ts';
import { urls } from '../../support/node-questions.ts';
import { failure, sqlSource } from '../../support/sql-source.ts';
import { trackedNode } from '../../support/tracked-node.ts';

const TABLES = `
  CREATE TABLE t (id int PRIMARY KEY, secret text); INSERT INTO t VALUES (1, 's');
  CREATE TABLE u (id int PRIMARY KEY, secret text); INSERT INTO u VALUES (1, 'u');
  CREATE TABLE parted (id int PRIMARY KEY, secret text) PARTITION BY RANGE (id);
  CREATE TABLE part PARTITION OF parted DEFAULT; INSERT INTO parted VALUES (1, 'p')`;

const ask = (table: string) => `SELECT pgtimewarp_asof_pk('${table}', '1', now()) ->> 'secret' AS secret`;
const QUESTIONS = [
  ask('t'),
  `SELECT FROM pgtimewarp_asof_row(NULL::t, '1', now())`,
  `SELECT pgtimewarp_asof_answer_pk('t', '1', now())`,
  `SELECT pgtimewarp_asof_lsn_pk('t', '1', (pgtimewarp_horizon()).lsn)`,
  `SELECT FROM pgtimewarp_diff_pk('t', '1', NULL, NULL)`,
];
const OTHER =
  /^TW005: the history under the name public\.\w+ belongs to another table \(Ask again after the next run/;

test('a table that takes the name of a tracked one does not get its history', async () => {
  const node = await trackedNode({ plugin: 'pgoutput', tables: TABLES, track: ['t', 'u', 'parted'] });
  await using _ = node;
  const { source } = node;
  await using __ = await sqlSource(node);
  const secret = async (table: string) =>
    (await source.query<{ secret: string }>(ask(table))).rows[0]!.secret;
  const untilRead = async () => {
    for (let runs = 0; runs < 4; runs++) await node.poll();
  };
  expect([await secret('t'), await secret('u'), await secret('parted')]).toEqual(['s', 'u', 'p']);

  await source.query('ALTER TABLE t RENAME TO t_away; CREATE TABLE t (id int PRIMARY KEY, secret text)');
  for (const question of QUESTIONS) expect(await failure(source, question)).toMatch(OTHER);
  expect(await failure(source, ask('t_away')), 'its own name has none').toMatch(/^TW001/);
  expect(await secret('u')).toBe('u');

  await source.query('DROP TABLE t; ALTER TABLE t_away RENAME TO t');
  expect(await secret('t'), 'given back').toBe('s');

  await source.query('ALTER TABLE t RENAME TO v; ALTER TABLE u RENAME TO t; ALTER TABLE v RENAME TO u');
  expect(await failure(source, ask('t')), 'swapped').toMatch(OTHER);
  expect(await failure(source, ask('u')), 'swapped').toMatch(OTHER);
  await untilRead();
  expect([await secret('t'), await secret('u')]).toEqual(['u', 's']);

  await source.query(`DROP TABLE t, parted; CREATE TABLE t (id int PRIMARY KEY, secret text); INSERT INTO t VALUES (1, 'new');
    CREATE TABLE parted (id int PRIMARY KEY, secret text) PARTITION BY RANGE (id);
    CREATE TABLE part PARTITION OF parted DEFAULT`);
  expect(await failure(source, ask('t')), 'recreated').toMatch(OTHER);
  expect(await failure(source, ask('parted')), 'a root recreated').toMatch(OTHER);
  await untilRead();
  expect(await secret('t'), 'after the run that found it').toBe('new');
  expect(await failure(source, ask('parted'))).toBeNull();

  await untrack({ ...urls(node), table: { schema: 'public', name: 't' }, purge: false });
  await source.query('DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY, secret text)');
  await node.poll();
  expect(await failure(source, ask('t')), 'no run looks at it any more').toMatch(OTHER);
});

test('a question without a table, or about one that no run has recorded, is answered as before', async () => {
  await using node = await trackedNode({ plugin: 'pgoutput', tables: TABLES, track: ['t'] });
  await using _ = await sqlSource(node);
  const older = JSON.stringify({ node: node.node, schema: 'public', table: 't', pk: 1, ts: '2100-01-01Z' });
  const asked = await node.store.query(
    'SELECT a.answer FROM pgtimewarp.asof_answers AS a WHERE a.question = $1',
    [[older]],
  );
  expect(asked.rows).toHaveLength(1);
  await node.store.query('UPDATE pgtimewarp.tracked_relations SET relid = NULL');
  expect((await node.source.query<{ secret: string }>(ask('t'))).rows[0]!.secret).toBe('s');
});
