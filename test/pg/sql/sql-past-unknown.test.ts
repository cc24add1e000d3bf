/**
 * Unknown rows of a whole table are an error; no row is missing without notice. Every kind of unknown row, and what `skip`
 * leaves out and counts.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pastSource } from '../../support/past-source.ts';
import { failure, type SqlSource, sqlSource } from '../../support/sql-source.ts';
import { type TestDatabases, testDatabases } from '../../support/test-databases.ts';
import { lsnOf, type PeriodOptions, StoreHistory, timeOf } from '../query/query-history.ts';

let databases: TestDatabases;
let sql: SqlSource;
beforeAll(async () => {
  databases = await testDatabases({ tables: 'CREATE TABLE t (id int PRIMARY KEY, n int)' });
  sql = await sqlSource({ ...databases, node: (await StoreHistory.create(databases.store)).node });
});
afterAll(async () => {
  await databases[Symbol.asyncDispose]();
  await sql[Symbol.asyncDispose]();
});

const history = async (options: PeriodOptions = {}): Promise<[StoreHistory, number]> => {
  const h = await StoreHistory.create(databases.store);
  return [h, await h.track(options)];
};
const question = (h: StoreHistory, n: number): string =>
  `SELECT id, n FROM pgtimewarp_asof_table(NULL::t, '${timeOf(n)}', '${h.node}') ORDER BY id`;
const refusal = (h: StoreHistory, n: number) => failure(databases.source, question(h, n));
const rows = async (h: StoreHistory, n: number) =>
  (await databases.source.query<{ id: number; n: number }>(question(h, n))).rows.map(
    ({ id, n: value }) => `${id}:${value}`,
  );
/** The rows with unknown ones left out, and the warnings. */
async function skipped(h: StoreHistory, n: number): Promise<unknown[]> {
  await databases.source.query('SET pgtimewarp.unknown = skip');
  try {
    sql.warnings();
    return [await rows(h, n), sql.warnings().map(({ code, message }) => `${code}: ${message}`)];
  } finally {
    await databases.source.query('RESET pgtimewarp.unknown');
  }
}

describe('the rows of the store alone', () => {
  test('a history in which everything is known', async () => {
    const [h, t] = await history();
    await h.change(t, 10, 'S', '1', { read: 12 });
    await h.change(t, 20, 'I', '2');
    await h.change(t, 30, 'D', '1');
    await h.change(t, 40, 'I', '3');
    expect(await rows(h, 15)).toEqual(['1:10']);
    expect(await rows(h, 25)).toEqual(['1:10', '2:20']);
    expect(await rows(h, 35)).toEqual(['2:20']);
  });

  test('before tracking', async () => {
    const [h] = await history();
    expect(await refusal(h, 5)).toMatch(/^TW010: the rows of public\.t are unknown/);
  });

  test('while the baseline is read, and without one', async () => {
    const [pending] = await history({ baseline: 'pending' });
    expect(await refusal(pending, 20)).toMatch(/^TW011: .*the rows of the start of tracking are being read/);
    const [none] = await history({ baseline: 'none' });
    expect(await refusal(none, 20)).toMatch(/^TW010: not all rows are in the history/);
  });

  test('before a TRUNCATE that removed rows that no run had read', async () => {
    const [h, t] = await history({ unseenUnknownBefore: 30, baselineRead: 35 });
    await h.truncate(t, 30);
    expect(await refusal(h, 20)).toMatch(/^TW010: not all rows are in the history/);
    expect(await rows(h, 40)).toEqual([]);
  });

  test('in a gap', async () => {
    const [h, t] = await history();
    await h.gap(20, 30, t);
    expect(await refusal(h, 25)).toMatch(
      /^TW012: the rows of public\.t are unknown: changes may have been lost/,
    );
    expect(await rows(h, 40)).toEqual([]);
  });

  test('expired', async () => {
    const [h, t] = await history();
    await h.change(t, 20, 'I', '1');
    await h.commit(30, 700);
    await databases.store.query(
      `INSERT INTO pgtimewarp.relation_retention (relation_id, retention, expired_before_lsn, expired_before_ts) VALUES ($1, '1 day', $2, $3)`,
      [t, lsnOf(30), timeOf(30)],
    );
    expect(await refusal(h, 25)).toMatch(/^TW013: the history of that time has expired/);
    expect(await rows(h, 40)).toEqual(['1:20']);
  });

  test('not final yet', async () => {
    const [h] = await history();
    expect(await refusal(h, 101)).toMatch(/^TW017: the rows as of then are not final yet/);
  });

  test('a row that was changed before a run had read it', async () => {
    const [h, t] = await history({ baselineRead: 30 });
    await h.change(t, 10, 'S', '1', { read: 30 });
    await h.change(t, 20, 'U', '2');
    expect(await refusal(h, 15)).toMatch(/^TW010: rows of public\.t are unknown/);
    expect(await skipped(h, 15)).toEqual([
      ['1:10'],
      ['01T05: rows of public.t that are not known are left out: 1'],
    ]);
    expect(await rows(h, 25)).toEqual(['1:10', '2:20']);
  });

  test('a row of the baseline that the log does not decide yet', async () => {
    const [h, t] = await history({ baselineRead: 200 });
    await h.change(t, 10, 'S', '1', { read: 200 });
    expect(await refusal(h, 15)).toMatch(/^TW01[01]: rows of public\.t are/);
  });

  test('a value', async () => {
    const [h, t] = await history();
    await h.change(t, 20, 'I', '1', { row: '{"id":1}', incomplete: ['n'] });
    await h.change(t, 20, 'I', '2');
    await h.change(t, 30, 'U', '1');
    expect(await refusal(h, 25)).toMatch(/^TW015: values in rows of public\.t are not known: n/);
    expect(await skipped(h, 25)).toEqual([
      ['2:20'],
      ['01T05: rows of public.t with values that are not known are left out: 1'],
    ]);
    expect(await rows(h, 35)).toEqual(['1:30', '2:20']);
  });

  test('the table under the name is another one', async () => {
    const [h, t] = await history();
    await databases.store.query('UPDATE pgtimewarp.tracked_relations SET relid = 1 WHERE relation_id = $1', [
      t,
    ]);
    expect(await refusal(h, 25)).toMatch(
      /^TW005: the history under the name public\.t belongs to another table/,
    );
  });
});

test('beside live rows, an unknown row of a key that changed is an error, or left out and counted', async () => {
  await using past = await pastSource({
    plugin: 'pgoutput',
    tables:
      'CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t SELECT g, g FROM generate_series(1, 5) g',
    track: ['t'],
    baseline: false,
  });
  const { source } = past.node;
  const at = await past.mark();
  expect(await past.asOf(at, 'SELECT id FROM asof.t ORDER BY id'), 'no row has changed').toHaveLength(5);
  await source.query('UPDATE t SET n = 0 WHERE id = 3');
  expect(await past.whileRunning(() => failure(source, 'SELECT FROM asof.t'))).toMatch(
    /^TW010: rows of public\.t are unknown/,
  );
  await source.query('SET pgtimewarp.unknown = skip');
  past.sql.warnings();
  expect(await past.asOf(at, 'SELECT id FROM asof.t ORDER BY id')).toEqual(
    [1, 2, 4, 5].map((id) => ({ id })),
  );
  expect(past.sql.warnings().map(({ message }) => message)).toEqual([
    'rows of public.t that are not known are left out: 1',
  ]);
  expect(past.alone()).toEqual([]);
});
