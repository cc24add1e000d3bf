/** `--by` finds contexts by hashes of their values: never one too few, whatever the contexts hold, and however many there are. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseTableName } from '../../../core/pg/identifiers.ts';
import { changes } from '../../../core/query/changes.ts';
import { transactions } from '../../../core/query/transactions.ts';
import { contextHashes } from '../../../core/store/history/context-hashes.ts';
import { describeNeeding } from '../../support/needs.ts';
import { needOf } from '../../support/plugins.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';

/** More than the index looks up at once. */
const COMMON = 2_050;

const VALUES = [
  'ann',
  '',
  ' ',
  'a"b',
  'back\\slash',
  'line\nbreak',
  'ünï 😀',
  '\u{1f600}',
  '1',
  '1.0',
  'true',
  'null',
  '[x]',
  '{x}',
  'a:b',
  'x,y',
  "o'neil",
  'x'.repeat(5_000),
];

const TEXTS = [
  ...VALUES.map((value) => JSON.stringify({ user: value, nested: { id: value, list: [value] } })),
  ...VALUES.map((value) => `{ "user" : ${JSON.stringify(value)} , "a.b" : 7 }`),
  '{"user": 1}',
  '{"user": 1.0}',
  '{"user": 1e5}',
  '{"user": -0}',
  '{"user": true}',
  '{"user": null}',
  '{"user": {"deep": {"er": "x"}}}',
  '{"user": ["x", "y"]}',
  '{"user": "x", "user": "y"}',
  '{"user": "\\u00fc"}',
  '{"user": "\\ud83d\\ude00"}',
  '{"user": "nul \\u0000"}',
  '{"user": "tab\\t"}',
  '"only a string"',
  '[]',
  '{}',
  'not json: user',
  '{"": "empty"}',
  JSON.stringify({
    user: 'many',
    ...Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`k${n}`, `v${n}`])),
  }),
];

type By = Readonly<Record<string, string>>;

const QUESTIONS: readonly By[] = [
  ...VALUES.map((value, index): By => ({ [index % 2 === 0 ? 'user' : 'nested.id']: value })),
  ...['1e5', '-0', '{"deep": {"er": "x"}}', '["x", "y"]', 'x', 'y', 'ü', 'tab\t', 'nobody'].map(
    (user): By => ({ user }),
  ),
  { 'user.deep.er': 'x' },
  { 'a.b': '7' },
  { k77: 'v77' },
  { user: 'many', k5: 'v5' },
  { '': 'empty' },
];

describeNeeding(needOf('pgoutput'), 'who said it, among many contexts', () => {
  let node: TrackedNode;

  beforeAll(async () => {
    node = await trackedNode({
      plugin: 'pgoutput',
      tables: `CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 0);
               CREATE PROCEDURE many(number int) LANGUAGE plpgsql AS $$ BEGIN
                 FOR i IN 1 .. number LOOP
                   PERFORM pg_logical_emit_message(true, 'pgtimewarp', format('{"job": "nightly", "request": "r-%s"}', i));
                   UPDATE t SET v = i;
                   COMMIT;
                 END LOOP;
               END $$`,
      track: ['t'],
    });
    for (const text of TEXTS) {
      await node.source.query('BEGIN');
      await node.source.query(`SELECT pg_logical_emit_message(true, 'pgtimewarp', $1::text)`, [text]);
      await node.source.query('UPDATE t SET v = v + 1');
      await node.source.query('COMMIT');
    }
    await node.source.query(`CALL many(${COMMON})`);
    await node.poll();
  });

  afterAll(async () => {
    await node?.[Symbol.asyncDispose]();
  });

  const ask = (by: By, cursor: string | null = null, limit = 5_000) =>
    transactions(node.store, { node: node.node, from: null, to: null, filter: { by }, limit, cursor });

  test.each(QUESTIONS)('%j', async (by) => {
    const { rows: matching } = await node.store.query<{ lsn: string }>(
      `SELECT DISTINCT c.lsn::text, c.lsn AS position FROM pgtimewarp.transaction_contexts AS c
        WHERE c.node_id = $1 AND pgtimewarp.context_matches(c.context, $2) ORDER BY position DESC`,
      [node.node, JSON.stringify(by)],
    );
    const expected = matching.map(({ lsn }) => lsn);
    expect((await ask(by)).transactions.map(({ lsn }) => lsn)).toEqual(expected);
    const { changes: found } = await changes(node.store, {
      node: node.node,
      table: parseTableName('t'),
      from: null,
      to: null,
      filter: { by },
      limit: 5_000,
    });
    expect(found.map(({ lsn }) => lsn).reverse()).toEqual(expected);
  });

  test('a value that most of them have, page by page', async () => {
    const seen = new Set<string>();
    let cursor: string | null = null;
    do {
      const page = await ask({ job: 'nightly' }, cursor, 700);
      for (const { lsn } of page.transactions) seen.add(lsn);
      cursor = page.next;
    } while (cursor !== null);
    expect(seen.size).toBe(COMMON);
    expect((await ask({ request: `r-${COMMON}` })).transactions).toHaveLength(1);
  });

  test('the store makes the hashes that the poller makes', async () => {
    for (const value of VALUES.filter((each) => !/^[[{]/.test(each))) {
      const { rows } = await node.store.query<{ hashes: string }>(
        'SELECT pgtimewarp.context_hashes($1)::text AS hashes',
        [JSON.stringify({ key: value })],
      );
      expect(rows[0]!.hashes).toBe(`{${contextHashes(JSON.stringify({ key: value })).join(',')}}`);
    }
  });

  test('a question can use the index: as commits_by() asks, without a scan of the table', async () => {
    await node.store.query('BEGIN; SET LOCAL enable_seqscan = off');
    const { rows } = await node.store.query<{ 'QUERY PLAN': string }>(
      `EXPLAIN SELECT FROM pgtimewarp.transaction_contexts AS c
        WHERE c.value_hashes @> pgtimewarp.context_hashes('{"request": "r-7"}') OR c.value_hashes @> '{0}'`,
    );
    await node.store.query('ROLLBACK');
    expect(rows.map((row) => row['QUERY PLAN']).join('\n')).toContain('transaction_contexts_by_value');
  });
});
