/**
 * A question locks the history of its own table and no other, so its locks do not grow with the tables of the store. A server
 * has few locks; a session that needs too many fails with "out of shared memory".
 */
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { asOf, asOfEach, asOfMany } from '../../../core/query/as-of.ts';
import { changes } from '../../../core/query/changes.ts';
import { diff } from '../../../core/query/diff.ts';
import { findRows } from '../../../core/query/find.ts';
import { parseInstant } from '../../../core/query/instant.ts';
import { keyFromText } from '../../../core/query/key-input.ts';
import { transactions } from '../../../core/query/transactions.ts';
import { type SqlSource, sqlSource } from '../../support/sql-source.ts';
import { type TestDatabases, testDatabases } from '../../support/test-databases.ts';
import { lsnOf, StoreHistory, timeOf } from '../query/query-history.ts';

const OTHERS = 60;
const RANGES = 8;
/** Ranges and their indexes, their parents, and the dozen tables with the state of node and table. */
const MOST = 70;

let databases: TestDatabases;
let sql: SqlSource;
let h: StoreHistory;
let ranged: number;
let session: pg.Client;
let pid: number;
beforeAll(async () => {
  databases = await testDatabases({ tables: 'CREATE TABLE t (id int PRIMARY KEY, n int)' });
  for (let other = 0; other < OTHERS; other++) {
    await cutIntoRanges(await (await StoreHistory.create(databases.store)).track());
  }
  h = await StoreHistory.create(databases.store);
  ranged = await h.track();
  await cutIntoRanges(ranged);
  for (const n of [20, 40, 60]) await h.change(ranged, n, n === 20 ? 'I' : 'U');
  await h.truncate(ranged, 70);
  sql = await sqlSource({ ...databases, node: h.node });
  session = await databases.connect('store');
  pid = (await session.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]!.pid;
});
afterAll(async () => {
  await databases[Symbol.asyncDispose]();
  await sql[Symbol.asyncDispose]();
});

async function cutIntoRanges(relation: number): Promise<void> {
  const bounds = Array.from({ length: RANGES - 1 }, (_, index) => lsnOf(15 + 10 * index));
  await databases.store.query('SELECT pgtimewarp.retention_convert($1)', [relation]);
  await databases.store.query(
    `SELECT pgtimewarp.retention_split($1, g.table_name, $2::pg_lsn[], NULL)
       FROM pgtimewarp.relation_ranges AS g WHERE g.relation_id = $1`,
    [relation, bounds],
  );
}

/** The locks of the transactions of these sessions, including those on partitions of another table. */
async function locks(of: string): Promise<{ count: number; foreign: string[] }> {
  const { rows } = await databases.store.query<{ name: string }>(
    `SELECT c.relname AS name FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation
      WHERE l.locktype = 'relation' AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
        AND l.pid IN (SELECT a.pid FROM pg_stat_activity AS a WHERE ${of})`,
  );
  const names = rows.map(({ name }) => name);
  const own = new RegExp(`^row_changes(_pkey|_r${ranged}(_.*)?)?$`);
  return {
    count: names.length,
    foreign: names.filter((name) => name.startsWith('row_changes') && !own.test(name)),
  };
}

const table = { schema: 'public', name: 't' };
const about = (at: string | null, key = '1') => ({
  node: h.node,
  table,
  pk: keyFromText(key),
  at: parseInstant(at),
});
const NEVER = { from: null, to: null, limit: 100 };

const QUESTIONS: Readonly<Record<string, () => Promise<unknown>>> = {
  'a row that was there': () => asOf(session, about(timeOf(45))),
  'a row that was removed': () => asOf(session, about(timeOf(75))),
  'a row that never was': () => asOf(session, about(timeOf(45), '2')),
  'by LSN': () => asOf(session, about(lsnOf(45))),
  now: () => asOf(session, about(null)),
  'before tracking': () => asOf(session, about(timeOf(1))),
  'gathered questions': () => asOfEach(session, [about(timeOf(25)), about(timeOf(45), '3')]),
  'many keys': () =>
    asOfMany(session, {
      ...about(timeOf(45)),
      pks: Array.from({ length: 40 }, (_, key) => keyFromText(String(key))),
      maxBytes: 1e6,
    }),
  'many keys, one of them none': () =>
    asOfMany(session, { ...about(timeOf(45)), pks: ['1', 'x'].map(keyFromText), maxBytes: 1e6 }),
  'the verdict alone': () =>
    session.query(`SELECT FROM pgtimewarp.asof_answer($1, 'public', 't', '1', $2, NULL, NULL)`, [
      h.node,
      timeOf(45),
    ]),
  'the changes of a row': () => diff(session, { ...about(null), ...NEVER }),
  'a page of them': () => diff(session, { ...about(null), ...NEVER, limit: 1 }),
  'the changes of a table': () => changes(session, { ...about(null), ...NEVER }),
  'what became of its rows': () => changes(session, { ...about(null), ...NEVER, net: true }),
  'rows by a value': () => findRows(session, { ...about(null), ...NEVER, at: null, where: { id: '1' } }),
  'the transactions of the node': () => transactions(session, { node: h.node, ...NEVER }),
};

describe.each(['auto', 'force_generic_plan', 'force_custom_plan'])('plan_cache_mode = %s', (mode) => {
  test.each(Object.entries(QUESTIONS))('%s', async (_, ask) => {
    await session.query(`SET plan_cache_mode = ${mode}`);
    for (let times = 0; times < 7; times++) {
      await session.query('BEGIN');
      await ask();
      const { count, foreign } = await locks(`a.pid = ${pid}`);
      await session.query('COMMIT');
      expect(foreign).toEqual([]);
      expect(count).toBeLessThan(MOST);
    }
  });
});

describe('asked in SQL on the source', () => {
  test.each([
    `SELECT pgtimewarp_asof_pk('t', '1', '${timeOf(45)}')`,
    `SELECT pgtimewarp_asof_row(NULL::t, '1', '${timeOf(45)}')`,
    `SELECT pgtimewarp_diff_pk('t', '1', NULL, NULL)`,
    `SELECT pgtimewarp_changes('t')`,
    `SELECT pgtimewarp_changes('t', net => true)`,
    `SELECT pgtimewarp_find('t', '{"id": 1}')`,
    `SELECT pgtimewarp_transactions(rel => 't')`,
  ])('%s', async (question) => {
    for (let times = 0; times < 7; times++) {
      await databases.source.query(`BEGIN; ${question}`);
      const { count, foreign } = await locks(`a.usename = '${sql.reader}'`);
      await databases.source.query('COMMIT');
      expect(foreign).toEqual([]);
      expect(count).toBeGreaterThan(RANGES);
      expect(count).toBeLessThan(MOST);
    }
  });
});
