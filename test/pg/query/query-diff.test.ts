import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DiffPage } from '../../../core/query/diff.ts';
import { diffPageText } from '../../../documents/diff.ts';
import { type TestDatabases, testDatabases } from '../../support/test-databases.ts';
import { lsnOf, StoreHistory, timeOf } from './query-history.ts';

let databases: TestDatabases;
beforeAll(async () => {
  databases = await testDatabases();
});
afterAll(() => databases[Symbol.asyncDispose]());
const history = (horizon?: number) => StoreHistory.create(databases.store, horizon);

/** `I20 U30 …`: the operations with the numbers of their commits. */
function ops(page: DiffPage): string {
  return page.changes
    .map((change) => `${change.op}${Number.parseInt(change.lsn.slice(2), 16) / 256}`)
    .join(' ');
}

function unknown(page: DiffPage): unknown {
  return JSON.parse(page.unknownText);
}

describe('changes of a key', () => {
  test('come in order, the first end excluded and the last included', async () => {
    const h = await history();
    const t = await h.track();
    await h.change(t, 10, 'S', '1', { read: 12 });
    await h.change(t, 20, 'U');
    await h.change(t, 30, 'D');
    await h.change(t, 40, 'I');
    await h.change(t, 40, 'U', '1', { seq: 1 });
    const all = await h.diff();
    expect(ops(all)).toBe('S10 U20 D30 I40 U40');
    expect(all).toMatchObject({
      from: timeOf(10),
      to: timeOf(100),
      horizon: { lsn: lsnOf(100), ts: timeOf(100) },
      final: true,
      unknownText: '[]',
      nextCursor: null,
    });
    for (const at of [timeOf, lsnOf]) {
      expect(ops(await h.diff({ fromAt: at(20), toAt: at(30) }))).toBe('D30');
      expect(ops(await h.diff({ fromAt: at(10), toAt: at(29) }))).toBe('U20');
      expect(ops(await h.diff({ fromAt: at(9), toAt: at(10) }))).toBe('S10');
      expect(ops(await h.diff({ fromAt: at(40) }))).toBe('');
      expect((await h.diff({ toAt: at(101) })).final).toBe(false);
    }
    expect(ops(await h.diff({ fromAt: timeOf(20, -1), toAt: timeOf(30, -1) }))).toBe('U20');
  });

  test('are told for rows that hold \\u0000', async () => {
    const h = await history();
    const t = await h.track();
    await h.change(t, 20, 'I', '1', { row: '{"a":"\\u0000","b":"\\u0001","c":1}' });
    await h.change(t, 30, 'U', '1', { row: '{"a":"\\u0001","b":"\\u0001","c":1}' });
    await h.change(t, 40, 'U', '1', { row: '{"a":"\\u0001","b":"\\u0001","c":"\\u0000"}' });
    const page = await h.diff({ fromAt: timeOf(20) });
    expect(page.changes.map((change) => change.changedText)).toEqual([
      '{"a":{"from":"\\u0000","to":"\\u0001"}}',
      '{"c":{"from":1,"to":"\\u0000"}}',
    ]);
  });

  test('say what changed, and what the transaction said about itself', async () => {
    const h = await history();
    const t = await h.track();
    await h.change(t, 20, 'I', '1', { row: '{"id" : 1, "n" : 1.10, "gone" : "x", "j" : null}' });
    await h.change(t, 30, 'U', '1', {
      row: '{"id" : 1, "n" : 1.1, "added" : {"a":1}, "j" : null}',
      jsonNulls: ['j'],
    });
    await h.change(t, 31, 'U', '1', {
      row: '{"id" : 1, "n" : 1.1, "added" : {"a":1}, "j" : null}',
      jsonNulls: ['j'],
    });
    await databases.store.query(
      `INSERT INTO pgtimewarp.transaction_contexts (node_id, lsn, context) VALUES ($1, $2, '{"by": "x"}')`,
      [h.node, lsnOf(30)],
    );
    const page = await h.diff();
    expect(page.changes.map((change) => change.changedText)).toEqual([
      null,
      '{"n":{"from":1.10,"to":1.1},"added":{"to":{"a":1}},"j":{"from":null,"to":null},"gone":{"from":"x"}}',
      '{}',
    ]);
    expect(page.changes.map((change) => change.contextText)).toEqual([null, '{"by": "x"}', null]);
    expect(page.changes[1]).toMatchObject({ ts: timeOf(30), xid: '730' });
    expect(() => JSON.parse(diffPageText(page))).not.toThrow();
    // the row before the interval is known, so the first change in it has a difference too
    const later = await h.diff({ fromAt: timeOf(25) });
    expect(later.changes[0]?.changedText).toMatch(/^{"n":/);
  });

  test('include a TRUNCATE that removed the row, and no other', async () => {
    const h = await history();
    const t = await h.track();
    await h.truncate(t, 15);
    await h.change(t, 20, 'I', '1', { leaf: 1 });
    await h.truncate(t, 25, { leaf: 2 });
    await h.truncate(t, 30, { leaf: 1 });
    await h.truncate(t, 35);
    await h.change(t, 40, 'I', '1', { leaf: 1 });
    const page = await h.diff();
    expect(ops(page)).toBe('I20 T30 I40');
    expect(page.changes[1]).toMatchObject({ rowText: null, changedText: null, xid: '730' });
    expect(ops(await h.diff({ fromAt: timeOf(26), toAt: timeOf(35) }))).toBe('T30');
  });

  test('go on over several periods', async () => {
    const h = await history();
    const first = await h.track({ to: 30 }, true);
    const second = await h.track({ from: 50 });
    await h.change(first, 20, 'I');
    await h.change(second, 50, 'S', '1', { read: 52 });
    await h.change(second, 60, 'U');
    const page = await h.diff();
    expect(ops(page)).toBe('I20 S50 U60');
    expect(unknown(page)).toEqual([{ from: timeOf(30), to: timeOf(50), reason: 'in_gap' }]);
    expect(ops(await h.diff({ fromAt: timeOf(50) }))).toBe('U60');
    expect(ops(await h.diff({ toAt: timeOf(49) }))).toBe('I20');
  });

  test('of which one could not hold the key: it was not there', async () => {
    const h = await history();
    const [narrow, text] = [await h.track({ to: 30 }, true), await h.track({ from: 30, kinds: ['text'] })];
    await h.change(narrow, 20, 'I', '1');
    await h.change(text, 40, 'I', '9000000000');
    await h.change(text, 50, 'I', 'a', { row: '{"id":"a"}' });
    await h.change(text, 60, 'U', '1');
    expect(ops(await h.diff({ key: '1' }))).toBe('I20 U60');
    expect(ops(await h.diff({ key: '9000000000' }))).toBe('I40');
    const page = await h.diff({ key: 'a' });
    expect(ops(page)).toBe('I50');
    expect(unknown(page)).toEqual([]);
    expect(ops(await h.diff({ key: 'a', toAt: timeOf(25) }))).toBe('');
  });

  test('none of which could hold the key: it is refused', async () => {
    const h = await history();
    await h.track({ to: 30 }, true);
    await h.track({ from: 30, kinds: ['int8'] });
    await expect(h.diff({ key: 'a' })).rejects.toMatchObject({ code: 'BAD_KEY' });
    await expect(h.diff({ key: '{"other": 1}' })).rejects.toMatchObject({ code: 'BAD_KEY' });
  });
});

test('pages join without loss or repetition while history grows', async () => {
  const h = await history();
  const first = await h.track({ to: 30 }, true);
  const second = await h.track({ from: 50 });
  await h.change(first, 10, 'S', '1', { read: 11 });
  for (const seq of [0, 1, 2, 3])
    await h.change(first, 20, seq === 0 ? 'D' : seq === 1 ? 'I' : 'U', '1', { seq });
  await h.truncate(first, 25);
  await h.change(second, 50, 'S', '1', { read: 52 });
  await h.change(second, 60, 'U');
  const whole = await h.diff({ toAt: timeOf(90) });
  expect(ops(whole)).toBe('S10 D20 I20 U20 U20 T25 S50 U60');
  for (const limit of [1, 2, 3, 5, 8]) {
    const found = [];
    let cursor: DiffPage['nextCursor'] = null;
    do {
      const page: DiffPage = await h.diff({ toAt: timeOf(90), limit, cursor });
      expect(page.changes.length).toBeLessThanOrEqual(limit);
      found.push(...page.changes);
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(found).toEqual(whole.changes);
  }
  const page = await h.diff({ limit: 8 });
  expect(page.nextCursor).toBeNull();
  await h.change(second, 70, 'D');
  expect(ops(await h.diff())).toBe(`${ops(whole)} D70`);
});

describe('where changes may be missing', () => {
  test('gaps, merged and cut to the question', async () => {
    const h = await history();
    const t = await h.track();
    await h.gap(30, 40);
    await h.gap(35, 45, t);
    await h.gap(80, null);
    expect(unknown(await h.diff({ fromAt: timeOf(33), toAt: timeOf(90) }))).toEqual([
      { from: timeOf(33), to: timeOf(45), reason: 'in_gap' },
      { from: timeOf(80), to: timeOf(90), reason: 'in_gap' },
    ]);
    expect(unknown(await h.diff({ fromAt: timeOf(45), toAt: timeOf(80) }))).toEqual([]);
  });

  test('before tracking, also of a key of which nothing is known until its first change', async () => {
    const h = await history();
    const t = await h.track({ from: 20, baseline: 'none' });
    await h.change(t, 40, 'U');
    const page = await h.diff({ fromAt: timeOf(5) });
    expect(unknown(page)).toEqual([{ from: timeOf(5), to: timeOf(40), reason: 'before_tracking' }]);
    expect(page.changes[0]?.changedText).toBeNull();
    expect(page.final).toBe(true);
    expect(unknown(await h.diff({ fromAt: timeOf(50) }))).toEqual([]);
  });

  test('a baseline that is pending', async () => {
    const h = await history(15);
    const t = await h.track({ baseline: 'pending' });
    await h.change(t, 10, 'S', '1', { read: 20 });
    const page = await h.diff();
    expect(page).toMatchObject({ changes: [], final: false });
    expect(unknown(page)).toEqual([{ from: timeOf(10), to: timeOf(15), reason: 'baseline_pending' }]);
    const starting = await history();
    await starting.track({ from: null, baseline: 'pending' });
    expect(await starting.diff({ fromAt: timeOf(1) })).toMatchObject({ changes: [], final: false });
  });
});

test('an interval that ends before it begins is refused, one that lies ahead is empty', async () => {
  const h = await history();
  await h.track();
  for (const at of [timeOf, lsnOf]) {
    await expect(h.diff({ fromAt: at(30), toAt: at(20) })).rejects.toMatchObject({ code: 'BAD_TIME' });
  }
  expect(await h.diff({ fromAt: timeOf(200) })).toMatchObject({ changes: [], final: false });
  const before = await h.diff({ toAt: timeOf(5) });
  expect(before).toMatchObject({ changes: [], final: true });
});

test('row_versions has the columns of its contract and the intervals of the answers', async () => {
  const h = await history();
  const t = await h.track();
  await h.change(t, 10, 'S', '1', { read: 15 });
  await h.change(t, 10, 'S', '2', { read: 15 });
  await h.change(t, 14, 'U', '2');
  await h.change(t, 20, 'U');
  await h.change(t, 20, 'U', '1', { seq: 1 });
  await h.truncate(t, 30);
  await h.change(t, 40, 'I');
  await h.change(t, 50, 'D');
  const { rows, fields } = await databases.store.query<Record<string, string | null>>(
    `SELECT * FROM pgtimewarp.row_versions WHERE node_id = $1 ORDER BY pk, valid_from_lsn, seq`,
    [h.node],
  );
  expect(fields.map((field) => field.name)).toEqual([
    'node_id',
    'schema_name',
    'table_name',
    'pk',
    'op',
    'row_data',
    'xid',
    'seq',
    'valid_from_lsn',
    'valid_to_lsn',
    'valid_from_ts',
    'valid_to_ts',
    'incomplete',
  ]);
  expect(rows.map((row) => [row.pk, row.op, row.valid_from_lsn, row.valid_to_lsn])).toEqual([
    ['["1"]', 'S', lsnOf(10), lsnOf(20)],
    ['["1"]', 'U', lsnOf(20), lsnOf(20)],
    ['["1"]', 'U', lsnOf(20), lsnOf(30)],
    ['["1"]', 'I', lsnOf(40), lsnOf(50)],
    ['["1"]', 'D', lsnOf(50), null],
    ['["2"]', 'U', lsnOf(14), lsnOf(30)], // the contradicted baseline row is left out
  ]);
  expect(rows.at(4)).toMatchObject({ row_data: null });
});

test('history of a key is read by index: the view, the as-of and the page of a diff', async () => {
  const h = await history();
  const t = await h.track();
  for (let other = 0; other < 8; other++) {
    await databases.store.query('SELECT pgtimewarp.create_relation_partition($1)', [t + 1000 + other]);
  }
  await databases.store.query(
    `INSERT INTO pgtimewarp.row_changes (relation_id, pk, valid_from_lsn, valid_from_ts, seq, op, xid, row_data)
     SELECT $1, '["' || i % 5000 || '"]', '0/A00'::pg_lsn + i, '2026-01-01 00:00:10Z'::timestamptz + i * interval '1 ms', 0, 'U', 1, '{"n":1}'
       FROM generate_series(1, 50000) i`,
    [t],
  );
  await databases.store.query('ANALYZE pgtimewarp.row_changes');
  const { rows } = await databases.store.query<{ 'QUERY PLAN': string }>(
    `EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) SELECT * FROM pgtimewarp.row_versions
      WHERE node_id = '${h.node}' AND schema_name = 'public' AND table_name = 't' AND pk = '["42"]'`,
  );
  const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
  // A leaf that is one page is read whole by some versions, and rightly so.
  const readWhole = [...plan.matchAll(/Seq Scan on (row_changes\S*) \S+ \(actual/g)].map((match) => match[1]);
  const { rows: larger } = await databases.store.query<{ relname: string }>(
    `SELECT relname FROM pg_class WHERE relname = ANY ($1::name[]) AND relpages > 1`,
    [readWhole],
  );
  expect(larger, plan).toEqual([]);
  expect(plan).toMatch(new RegExp(`Index Scan using row_changes_r${t}_pkey`));
  expect(plan).toMatch(/rows=10(\.00)? loops=1/); // 18 prints fractions

  // Statements inside functions do not show in EXPLAIN; what they read does.
  await databases.store.query('SELECT pg_stat_force_next_flush()');
  const reads = `SELECT coalesce(sum(seq_tup_read), 0)::int AS seq, coalesce(sum(idx_scan), 0)::int AS idx
                   FROM pg_stat_user_tables WHERE relname LIKE 'row\\_changes\\_r%'`;
  const before = (await databases.store.query<{ seq: number; idx: number }>(reads)).rows[0]!;
  for (let key = 1; key <= 8; key++) {
    await h.ask(timeOf(50), String(key));
    await h.diff({ key: String(key), limit: 5 });
  }
  await databases.store.query('SELECT pg_stat_force_next_flush()');
  const after = (await databases.store.query<{ seq: number; idx: number }>(reads)).rows[0]!;
  expect(after.seq - before.seq).toBe(0);
  expect(after.idx - before.idx).toBeGreaterThan(0);
});

test('a cursor goes on only with the key and the interval that gave it', async () => {
  const h = await history();
  const relation = await h.track();
  for (const key of ['1', '2'])
    for (let n = 20; n < 30; n++)
      await h.change(relation, n, n === 20 ? 'I' : 'U', key, { seq: Number(key) });
  const asked = { fromAt: timeOf(12), toAt: timeOf(90), limit: 3 };
  const first = await h.diff(asked);
  const cursor = first.nextCursor;
  expect(cursor).not.toBeNull();
  const next = await h.diff({ ...asked, cursor });
  expect(next.changes.map(({ lsn }) => lsn)).toEqual([23, 24, 25].map(lsnOf));
  // the interval may be left out: it is that of the first page
  expect(await h.diff({ limit: 3, cursor })).toEqual(next);
  for (const other of [
    { key: '2' },
    { fromAt: timeOf(28) },
    { fromAt: timeOf(11) },
    { toAt: timeOf(80) },
    { toAt: lsnOf(90) },
    { cursor: '7_1-1_3' },
    { cursor: 'W10' },
  ])
    await expect(
      h.diff({ ...asked, cursor, ...other } as Parameters<typeof h.diff>[0]),
    ).rejects.toMatchObject({
      code: 'BAD_FLAGS',
    });
});
