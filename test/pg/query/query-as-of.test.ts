import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type TestDatabases, testDatabases } from '../../support/test-databases.ts';
import { lsnOf, StoreHistory, timeOf } from './query-history.ts';

let databases: TestDatabases;
beforeAll(async () => {
  databases = await testDatabases();
});
afterAll(() => databases[Symbol.asyncDispose]());
const history = (horizon?: number, space?: number) => StoreHistory.create(databases.store, horizon, space);

describe('a row that was inserted, updated, deleted', () => {
  test('is answered exactly at its commits, by time and by LSN', async () => {
    const h = await history();
    const t = await h.track();
    await h.change(t, 20, 'I');
    await h.change(t, 30, 'U');
    await h.change(t, 40, 'D');
    await h.change(t, 50, 'I');
    expect(await h.verdict(10)).toBe('absent/not_yet_inserted');
    expect(await h.line(timeOf(20, -1))).toBe('absent/not_yet_inserted');
    expect(await h.line('0/13FF')).toBe('absent/not_yet_inserted');
    expect(await h.verdict(20)).toBe('found 20');
    expect(await h.line(timeOf(30, -1))).toBe('found 20');
    expect(await h.verdict(30)).toBe('found 30');
    expect(await h.verdict(40)).toBe('absent/deleted');
    expect(await h.verdict(50)).toBe('found 50');
    expect(await h.verdict(100)).toBe('found 50');
    expect(await h.verdict(101)).toBe('found 50 (not final)');
    expect(await h.line(timeOf(100, 1))).toBe('found 50 (not final)');
    expect(await h.line(null)).toBe('found 50 (not final)');
    expect(await h.verdict(10, '2')).toBe('absent/not_yet_inserted');
  });

  test('has all members of the contract, in order, and the text of the row as stored', async () => {
    const h = await history();
    const t = await h.track({ columns: ['id'], kinds: ['int8'] });
    const row = '{"id" : 9007199254740993, "n":1.10,\n "s": "a\\u0000b"}';
    await h.change(t, 20, 'U', '9007199254740993', { row, xid: 731, incomplete: ['v'] });
    await h.change(t, 30, 'U', '9007199254740993', { row });
    await databases.store.query(
      `INSERT INTO pgtimewarp.transaction_contexts (node_id, lsn, context) VALUES ($1, $2, '{"user": 1.0}')`,
      [h.node, lsnOf(20)],
    );
    const { answerText, ...rest } = await h.ask('2026-01-01T01:00:25.5+01:00', '9007199254740993');
    expect(rest).toEqual({ status: 'found', reason: null, final: true });
    expect(answerText).toBe(
      '{"status":"found","reason":null,"schema":"public","table":"t","pk":{"id":"9007199254740993"},' +
        `"row":${row},"op":"U","incomplete":["v"],"context":{"user": 1.0},` +
        '"valid_from":{"lsn":"0/1400","ts":"2026-01-01T00:00:20.000000Z","xid":"731"},' +
        '"valid_to":{"lsn":"0/1E00","ts":"2026-01-01T00:00:30.000000Z","xid":"730"},' +
        '"as_of":{"requested":"2026-01-01T01:00:25.5+01:00","lsn":"0/1400"},' +
        '"horizon":{"lsn":"0/6400","ts":"2026-01-01T00:01:40.000000Z"},"final":true}',
    );
  });

  test('is the last state of a transaction that changed it several times', async () => {
    const h = await history();
    const t = await h.track();
    await h.change(t, 20, 'I', '1', { seq: 1, row: '{"n":1}' });
    await h.change(t, 20, 'U', '1', { seq: 2, row: '{"n":2}' });
    await h.change(t, 20, 'U', '1', { seq: 10, row: '{"n":3}' });
    expect(await h.verdict(20)).toBe('found 3');
    expect(await h.verdict(19)).toBe('absent/not_yet_inserted');
  });

  test('says by whom and when it was deleted', async () => {
    const h = await history();
    const t = await h.track();
    await h.change(t, 20, 'I');
    await h.change(t, 40, 'D', '1', { xid: 99 });
    await h.change(t, 50, 'I', '1', { xid: 100 });
    const answer = await h.answer(timeOf(45));
    expect(answer).toMatchObject({
      op: 'D',
      row: null,
      valid_from: { lsn: lsnOf(40), xid: '99' },
      valid_to: { xid: '100' },
    });
  });
});

describe('TRUNCATE', () => {
  test('removes what it met, once', async () => {
    const h = await history();
    const t = await h.track();
    await h.change(t, 20, 'I');
    await h.truncate(t, 30);
    await h.truncate(t, 35);
    await h.change(t, 40, 'I');
    expect(await h.verdict(29)).toBe('found 20');
    expect(await h.verdict(30)).toBe('absent/deleted');
    const answer = await h.answer(timeOf(36));
    expect(answer).toMatchObject({
      op: 'T',
      reason: 'deleted',
      valid_from: { lsn: lsnOf(30) },
      valid_to: { lsn: lsnOf(40) },
    });
    expect((await h.answer(timeOf(20))).valid_to).toMatchObject({ lsn: lsnOf(30) });
    expect(await h.verdict(40)).toBe('found 40');
  });

  test('of one transaction stands between its changes', async () => {
    const h = await history();
    const t = await h.track();
    await h.change(t, 30, 'I', '1', { seq: 1 });
    await h.truncate(t, 30, { seq: 2 });
    await h.truncate(t, 31, { seq: 1 });
    await h.change(t, 31, 'I', '2', { seq: 2 });
    expect(await h.verdict(30)).toBe('absent/deleted');
    expect(await h.verdict(31, '2')).toBe('found 31');
  });

  test('of a partition removes its rows only', async () => {
    const h = await history();
    const t = await h.track();
    await h.change(t, 20, 'I', '1', { leaf: 1 });
    await h.change(t, 20, 'I', '2', { leaf: 2 });
    await h.truncate(t, 30, { leaf: 2 });
    expect(await h.verdict(30, '1')).toBe('found 20');
    expect(await h.verdict(30, '2')).toBe('absent/deleted');
  });

  test('decides a key that was never seen', async () => {
    const h = await history();
    const t = await h.track({ baseline: 'none' });
    await h.truncate(t, 30);
    expect(await h.verdict(29)).toBe('unknown/before_tracking (not final)');
    expect(await h.verdict(30)).toBe('absent/not_yet_inserted');
    await h.change(t, 40, 'I');
    expect(await h.verdict(29)).toBe('unknown/before_tracking'); // it may have been there before the TRUNCATE
    expect(await h.verdict(39)).toBe('absent/not_yet_inserted');
  });

  test('while the baseline was read leaves unseen keys unknown before it', async () => {
    const h = await history();
    const t = await h.track({ baseline: 'done', baselineRead: 40, unseenUnknownBefore: 30 });
    await h.truncate(t, 30);
    await h.change(t, 50, 'I', '2');
    for (const key of ['1', '2']) {
      expect(await h.line(timeOf(29), key)).toMatch(/^unknown\/before_tracking/);
      expect(await h.verdict(30, key)).toBe('absent/not_yet_inserted');
    }
  });
});

describe('baseline rows', () => {
  test('count from the start of tracking, without xid and context', async () => {
    const h = await history();
    const t = await h.track();
    await h.change(t, 10, 'S', '1', { read: 20 });
    await h.commit(10, 5);
    await databases.store.query(
      `INSERT INTO pgtimewarp.transaction_contexts (node_id, lsn, context) VALUES ($1, $2, '{}')`,
      [h.node, lsnOf(10)],
    );
    expect(await h.verdict(9)).toBe('unknown/before_tracking');
    expect(await h.verdict(10)).toBe('found 10');
    expect(await h.answer(timeOf(15))).toMatchObject({
      op: 'S',
      context: null,
      valid_from: { lsn: lsnOf(10), xid: null },
    });
  });

  test('are found although the time map has no entry as late as the start', async () => {
    const h = await history();
    const t = await h.track();
    await h.commit(3, 5);
    await h.change(t, 10, 'S', '1', { read: 20 });
    expect(await h.verdict(12)).toBe('found 10');
  });

  test('are pending until the position at which they were read is applied', async () => {
    const h = await history(15);
    const t = await h.track({ baseline: 'pending' });
    await h.change(t, 10, 'S', '1', { read: 20 });
    expect(await h.verdict(12)).toBe('unknown/baseline_pending (not final)');
    expect(await h.verdict(12, '2')).toBe('unknown/baseline_pending (not final)');
    await h.moveHorizon(19);
    expect(await h.verdict(12)).toBe('unknown/baseline_pending (not final)');
    await h.moveHorizon(20);
    expect(await h.verdict(12)).toBe('found 10');
  });

  test.each([
    ['I', 'absent/not_yet_inserted'],
    ['U', 'unknown/before_tracking'],
    ['D', 'unknown/before_tracking'],
  ] as const)('are void when the key has a change %s before they were read', async (op, verdict) => {
    const h = await history(25);
    const t = await h.track({ baseline: 'pending' });
    await h.change(t, 10, 'S', '1', { read: 20 });
    await h.change(t, 20, op);
    expect(await h.verdict(12)).toBe(verdict);
    expect(await h.verdict(20)).toBe(op === 'D' ? 'absent/deleted' : 'found 20');
  });

  test('stand when the change came after they were read', async () => {
    const h = await history();
    const t = await h.track();
    await h.change(t, 10, 'S', '1', { read: 20 });
    await h.change(t, 21, 'U');
    expect(await h.verdict(12)).toBe('found 10');
    expect((await h.answer(timeOf(12))).valid_to).toMatchObject({ lsn: lsnOf(21) });
  });

  test('stand until a TRUNCATE that came before they were read back', async () => {
    const h = await history();
    const t = await h.track({ unseenUnknownBefore: 15 });
    await h.change(t, 10, 'S', '1', { read: 20 });
    await h.truncate(t, 15);
    expect(await h.verdict(14)).toBe('found 10');
    expect(await h.verdict(15)).toBe('absent/deleted');
  });

  test('are not touched by a TRUNCATE in the very commit at which tracking starts', async () => {
    const h = await history();
    const t = await h.track();
    await h.change(t, 10, 'S', '1', { read: 20 });
    await h.truncate(t, 10, { seq: 3 });
    expect(await h.verdict(12)).toBe('found 10');
  });

  test('may still turn up from before a TRUNCATE while they are read', async () => {
    const h = await history();
    const t = await h.track({ baseline: 'pending' });
    await h.truncate(t, 15);
    expect(await h.verdict(16)).toBe('absent/not_yet_inserted (not final)');
  });

  test('read after a TRUNCATE and an insert prove nothing about what was before', async () => {
    const h = await history();
    const t = await h.track({ unseenUnknownBefore: 15 });
    await h.change(t, 10, 'S', '1', { read: 20 });
    await h.truncate(t, 15);
    await h.change(t, 18, 'I');
    expect(await h.verdict(14)).toBe('unknown/before_tracking');
    expect(await h.verdict(15)).toBe('absent/not_yet_inserted');
    expect(await h.verdict(18)).toBe('found 18');
  });
});

describe('without a baseline row', () => {
  test.each([
    ['none', null, 'unknown/before_tracking (not final)'],
    ['none', 'I', 'absent/not_yet_inserted'],
    ['none', 'U', 'unknown/before_tracking'],
    ['none', 'D', 'unknown/before_tracking'],
    ['pending', null, 'unknown/baseline_pending (not final)'],
    ['pending', 'I', 'absent/not_yet_inserted'],
    ['pending', 'U', 'unknown/before_tracking'],
    ['done', null, 'absent/not_yet_inserted'],
    ['done', 'D', 'unknown/before_tracking'],
  ] as const)('baseline %s, first change %s: %s', async (baseline, op, verdict) => {
    const h = await history();
    const t = await h.track({ baseline });
    if (op !== null) await h.change(t, 30, op);
    expect(await h.verdict(20)).toBe(verdict);
  });
});

describe('where history is not complete', () => {
  test('before tracking, and before it has begun at all', async () => {
    const h = await history();
    await h.track({ from: null, baseline: 'pending' });
    expect(await h.verdict(20)).toBe('unknown/baseline_pending (not final)');
    const other = await history();
    await other.track({ from: 30 });
    expect(await other.verdict(29)).toBe('unknown/before_tracking');
    expect((await other.answer(timeOf(29))).as_of.lsn).toBeNull();
  });

  test('inside a gap, its ends excluded', async () => {
    const h = await history();
    const t = await h.track();
    await h.change(t, 20, 'I');
    await h.gap(30, 40);
    await h.gap(50, 60, t);
    await h.gap(70, 80, t + 100_000); // of another relation
    for (const n of [30, 40, 50, 60, 75]) expect(await h.verdict(n)).toBe('found 20');
    for (const n of [31, 39, 51, 59]) expect(await h.verdict(n)).toBe('unknown/in_gap');
    expect(await h.line(timeOf(30, 1))).toBe('unknown/in_gap');
    await h.gap(90, null);
    expect(await h.verdict(99)).toBe('unknown/in_gap');
    expect(await h.line(null)).toBe('unknown/in_gap (not final)');
    expect(await h.answer(timeOf(99))).toMatchObject({
      row: null,
      op: null,
      valid_from: null,
      valid_to: null,
    });
  });

  test('between two periods, and after the last', async () => {
    const h = await history();
    const first = await h.track({ to: 30 }, true);
    const second = await h.track({ from: 50, to: 70 });
    await h.change(first, 20, 'I');
    await h.change(second, 50, 'S', '1', { read: 55 });
    await h.change(second, 60, 'D');
    const verdicts = [];
    for (const n of [9, 20, 30, 31, 49, 50, 60, 70, 71]) verdicts.push(await h.verdict(n));
    expect(verdicts).toEqual([
      'unknown/before_tracking',
      'found 20',
      'found 20',
      'unknown/in_gap',
      'unknown/in_gap',
      'found 50',
      'absent/deleted',
      'absent/deleted',
      'unknown/in_gap',
    ]);
  });

  test('after a pending baseline whose period has ended nothing more can come', async () => {
    const h = await history();
    const t = await h.track({ to: 30, baseline: 'pending' });
    await h.change(t, 10, 'S', '1', { read: 40 });
    expect(await h.verdict(20)).toBe('unknown/before_tracking');
    expect(await h.verdict(20, '2')).toBe('unknown/before_tracking');
  });

  test('LSNs belong to the present LSN space, times to all', async () => {
    const h = await history(20, 2); // LSNs began again: the new space is at commit 20, whose time is late
    const first = await h.track({ from: 30, to: 40 }, true);
    await h.change(first, 35, 'I');
    const second = await h.track({ from: 5, space: 2 });
    await databases.store.query(
      `UPDATE pgtimewarp.tracked_relations SET tracked_from_ts = $2 WHERE relation_id = $1`,
      [second, timeOf(50)],
    );
    await databases.store.query('UPDATE pgtimewarp.wal_checkpoints SET applied_ts = $2 WHERE node_id = $1', [
      h.node,
      timeOf(90),
    ]);
    await databases.store.query(
      `INSERT INTO pgtimewarp.lsn_time_map (node_id, lsn_space, lsn, ts, xid) VALUES ($1, 2, $2, $3, 5)`,
      [h.node, lsnOf(8), timeOf(60)],
    );
    await h.change(second, 8, 'I', '1', { space: 2, row: '{"n":60}' });
    expect(await h.line(timeOf(36))).toBe('found 35');
    expect(await h.line(timeOf(45))).toBe('unknown/in_gap');
    expect(await h.line(timeOf(55))).toBe('absent/not_yet_inserted');
    expect(await h.line(timeOf(60))).toBe('found 60');
    expect(await h.line(lsnOf(7))).toBe('absent/not_yet_inserted');
    expect(await h.line(lsnOf(8))).toBe('found 60');
    expect(await h.line(lsnOf(4))).toBe('unknown/in_gap'); // after everything of the space before
  });
});

test('a reader needs no more than its role, and others cannot ask', async () => {
  const h = await history();
  const t = await h.track();
  await h.change(t, 20, 'I');
  const session = await databases.connect('store');
  await session.query('SET ROLE pgtimewarp_reader');
  const { rows } = await session.query(
    `SELECT status FROM pgtimewarp.asof_answer($1, 'public', 't', '1', now(), NULL, NULL)`,
    [h.node],
  );
  expect(rows).toEqual([{ status: 'found' }]);
  const { rows: each } = await session.query(
    `SELECT status FROM pgtimewarp.asof_each($1, 'public', 't', ARRAY['1', '2']::jsonb[], ARRAY[NULL, NULL]::timestamptz[],
                                             ARRAY['0/1400', '0/1400']::pg_lsn[], ARRAY[NULL, NULL])`,
    [h.node],
  );
  expect(each).toEqual([{ status: 'found' }, { status: 'absent' }]);
  await session.query('SELECT FROM pgtimewarp.row_versions LIMIT 1');
  const { rows: open } = await databases.store.query(
    `SELECT p.oid::regprocedure FROM pg_proc p
      WHERE p.pronamespace = 'pgtimewarp'::regnamespace
        AND EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee = 0)`,
  );
  expect(open).toEqual([]);
});
