/** Where an instant lies in the history of a table: the position, the period, why the table is not known there, and whether that is final. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type TestDatabases, testDatabases } from '../../support/test-databases.ts';
import { lsnOf, StoreHistory, timeOf } from './query-history.ts';

let databases: TestDatabases;
beforeAll(async () => {
  databases = await testDatabases();
});
afterAll(() => databases[Symbol.asyncDispose]());

interface Place {
  readonly relation_id: number;
  readonly has_begun: boolean;
  readonly is_open: boolean;
  readonly through: string | null;
  readonly lsn_space: number | null;
  readonly lsn: string | null;
  readonly reason: string | null;
  readonly final: boolean;
  readonly horizon_lsn: string;
  readonly expired_before_lsn: string | null;
}

/** @param at a time, an LSN, or null: now */
async function place(h: StoreHistory, at: string | null, table = 't'): Promise<Place> {
  const byLsn = at?.includes('/') ?? false;
  const { rows } = await h.store.query<Place>(
    `SELECT (p.period).relation_id, p.has_begun, p.is_open, p.through, p.lsn_space, p.lsn, p.reason, p.final, p.horizon_lsn,
            p.expired_before_lsn
       FROM pgtimewarp.position_at($1, 'public', $2, $3::timestamptz, $4::pg_lsn) AS p`,
    [h.node, table, byLsn ? null : at, byLsn ? at : null],
  );
  return rows[0]!;
}

const numberOf = (lsn: string | null): string =>
  lsn === null ? '-' : String(Number.parseInt(lsn.slice(2), 16) / 256);

/** `position[ reason][ (not final)]`, the same whether asked by time or by LSN. */
async function line(h: StoreHistory, n: number): Promise<string> {
  const told: string[] = [];
  for (const at of [timeOf(n), lsnOf(n)]) {
    const { lsn, reason, final } = await place(h, at);
    told.push(
      [numberOf(lsn), ...(reason === null ? [] : [reason]), ...(final ? [] : ['(not final)'])].join(' '),
    );
  }
  const [byTime, byLsn] = told;
  return byTime === byLsn ? byTime! : `by time: ${byTime}; by LSN: ${byLsn}`;
}

async function lines(h: StoreHistory, ...numbers: number[]): Promise<Record<number, string>> {
  const found: Record<number, string> = {};
  for (const n of numbers) found[n] = await line(h, n);
  return found;
}

const history = (horizon?: number, space?: number) => StoreHistory.create(databases.store, horizon, space);

async function expire(relation: number, n: number): Promise<void> {
  await databases.store.query(
    `INSERT INTO pgtimewarp.relation_retention (relation_id, retention, expired_before_lsn, expired_before_ts)
     VALUES ($1, '1 day', $2, $3)`,
    [relation, lsnOf(n), timeOf(n)],
  );
}

describe('one period', () => {
  test('is known from its start to the horizon, at the last commit before the instant', async () => {
    const h = await history();
    const t = await h.track();
    for (const n of [20, 40]) await h.change(t, n, n === 20 ? 'I' : 'U');
    expect(await lines(h, 9, 10, 19, 20, 39, 40, 100)).toEqual({
      9: '- before_tracking',
      10: '10',
      19: '10',
      20: '20',
      39: '20',
      40: '40',
      100: '40',
    });
    expect(await place(h, timeOf(20, -1))).toMatchObject({ lsn: lsnOf(10) });
    expect(await place(h, timeOf(50))).toEqual({
      relation_id: t,
      has_begun: true,
      is_open: true,
      through: lsnOf(100),
      lsn_space: 1,
      lsn: lsnOf(40),
      reason: null,
      final: true,
      horizon_lsn: lsnOf(100),
      expired_before_lsn: null,
    });
  });

  test('beyond the horizon nothing is final, nor is now', async () => {
    const h = await history();
    const t = await h.track();
    await h.change(t, 20, 'I');
    expect(await place(h, timeOf(100, 1))).toMatchObject({ lsn: lsnOf(100), reason: null, final: false });
    expect(await place(h, lsnOf(101))).toMatchObject({ lsn: lsnOf(20), reason: null, final: false });
    expect(await place(h, null)).toMatchObject({ lsn: lsnOf(100), reason: null, final: false });
  });

  test('commits that share a time count together', async () => {
    const h = await history();
    const t = await h.track();
    await h.change(t, 20, 'I');
    await databases.store.query(
      'INSERT INTO pgtimewarp.lsn_time_map (node_id, lsn, ts, xid) VALUES ($1, $2, $3, 1)',
      [h.node, lsnOf(21), timeOf(20)],
    );
    expect(await place(h, timeOf(20))).toMatchObject({ lsn: lsnOf(21) });
    expect(await place(h, lsnOf(20))).toMatchObject({ lsn: lsnOf(20) });
  });

  test('that has not begun is pending, and may begin anywhere', async () => {
    const h = await history();
    await h.track({ from: null });
    expect(await line(h, 50)).toBe('- baseline_pending (not final)');
    expect(await place(h, timeOf(50))).toMatchObject({ has_begun: false });
  });

  test('that has ended is known up to and including its end', async () => {
    const h = await history();
    const t = await h.track({ to: 60 });
    for (const n of [20, 40]) await h.change(t, n, n === 20 ? 'I' : 'U');
    expect(await lines(h, 60, 61)).toEqual({ 60: '40', 61: '40 in_gap' });
    expect(await place(h, timeOf(60))).toMatchObject({ is_open: false, through: lsnOf(60) });
    // tracked again, it may begin right there
    expect(await line(h, 100)).toBe('by time: 40 in_gap; by LSN: 40 in_gap (not final)');
  });

  test('a partition that has yet to be judged makes what comes after it not final', async () => {
    const h = await history();
    const t = await h.track();
    await databases.store.query(
      `INSERT INTO pgtimewarp.relation_leaves (relation_id, schema_name, table_name, checked, seen_after_lsn, seen_after_ts)
       VALUES ($1, 'public', 't_1', false, $2, $3)`,
      [t, lsnOf(50), timeOf(50)],
    );
    expect(await lines(h, 50, 51)).toEqual({ 50: '10', 51: '10 (not final)' });
    await databases.store.query(
      'UPDATE pgtimewarp.relation_leaves SET attached = false WHERE relation_id = $1',
      [t],
    );
    expect(await line(h, 51)).toBe('10');
  });

  test('what has expired is not known; the cutoff is, whatever the map has forgotten', async () => {
    const h = await history();
    const t = await h.track();
    await h.change(t, 20, 'I');
    await expire(t, 50);
    expect(await lines(h, 9, 49, 50, 60)).toEqual({
      9: '- before_tracking',
      49: '20 expired',
      50: '50',
      60: '50',
    });
    expect(await place(h, timeOf(49))).toMatchObject({ expired_before_lsn: lsnOf(50) });
    await databases.store.query('DELETE FROM pgtimewarp.lsn_time_map WHERE node_id = $1', [h.node]);
    expect(await line(h, 60)).toBe('50');
  });
});

describe('a gap', () => {
  test.each([['of the table'], ['of the node']])('%s leaves out its ends, which are known', async (whose) => {
    const h = await history();
    const t = await h.track();
    await h.gap(30, 50, whose === 'of the table' ? t : null);
    expect(await lines(h, 30, 31, 49, 50)).toEqual({ 30: '10', 31: '- in_gap', 49: '- in_gap', 50: '10' });
  });

  test('of another table changes nothing', async () => {
    const h = await history();
    await h.track();
    await h.gap(30, null, -1);
    expect(await lines(h, 40, 100)).toEqual({ 40: '10', 100: '10' });
  });

  test('that is open may end at the position of the horizon', async () => {
    const h = await history();
    const t = await h.track();
    await h.gap(30, null, t);
    expect(await lines(h, 30, 31, 99)).toEqual({ 30: '10', 31: '- in_gap', 99: '- in_gap' });
    expect(await line(h, 100)).toBe('by time: - in_gap; by LSN: - in_gap (not final)');
  });

  test('that begins at the horizon may end there as well', async () => {
    const h = await history();
    const t = await h.track();
    await h.gap(100, null, t);
    expect(await line(h, 99)).toBe('10');
    expect(await line(h, 100)).toBe('by time: 10; by LSN: 10 (not final)');
    await h.moveHorizon(101);
    expect(await line(h, 100)).toBe('10');
  });
});

describe('several periods', () => {
  test('the one that had begun last holds the instant; between them nothing is known', async () => {
    const h = await history();
    const first = await h.track({ to: 30 }, true);
    const second = await h.track({ from: 50 });
    await h.change(first, 20, 'I');
    await h.change(second, 60, 'I');
    expect(await lines(h, 9, 10, 30, 31, 49, 50, 60)).toEqual({
      9: '- before_tracking',
      10: '10',
      30: '20',
      31: '20 in_gap',
      49: '20 in_gap',
      50: '50',
      60: '60',
    });
    for (const at of [timeOf, lsnOf]) {
      for (const n of [10, 30, 49]) {
        expect(await place(h, at(n))).toMatchObject({
          relation_id: first,
          is_open: false,
          through: lsnOf(30),
        });
      }
      expect(await place(h, at(50))).toMatchObject({
        relation_id: second,
        is_open: true,
        through: lsnOf(100),
      });
      // before all of them: the present one, so that its key is asked for
      expect(await place(h, at(9))).toMatchObject({ relation_id: second, has_begun: false });
    }
  });

  test('an LSN belongs to the present LSN space, a time to either', async () => {
    const h = await history(100, 2);
    const first = await h.track({ to: 60, space: 1 }, true);
    const second = await h.track({ from: 70, space: 2 });
    await h.change(first, 40, 'I', '1', { space: 1 });
    expect(await place(h, timeOf(50))).toMatchObject({
      relation_id: first,
      lsn_space: 1,
      lsn: lsnOf(40),
      reason: null,
    });
    expect(await place(h, lsnOf(50))).toMatchObject({ relation_id: first, lsn: null, reason: 'in_gap' });
    expect(await place(h, timeOf(65))).toMatchObject({ relation_id: first, reason: 'in_gap' });
    // no entry of the map is as late as the start of the second
    for (const at of [timeOf(80), lsnOf(80)]) {
      expect(await place(h, at)).toMatchObject({
        relation_id: second,
        lsn_space: 2,
        lsn: lsnOf(70),
        reason: null,
        final: true,
      });
    }
  });

  test('one that begins where another ended leaves the answer there to that one', async () => {
    const h = await history();
    const first = await h.track({ to: 30 }, true);
    await h.track({ from: 30, to: 30 }, true);
    const last = await h.track({ from: 30 });
    await h.change(first, 20, 'U', '1', { row: '{"id":1}' });
    await h.change(last, 30, 'S', '1', { row: '{"id":1}', read: 35 });
    for (const at of [timeOf, lsnOf]) {
      expect(await place(h, at(30))).toMatchObject({ relation_id: first, reason: null, final: true });
      expect(await place(h, at(31))).toMatchObject({ relation_id: last, reason: null });
      const { rows } = await databases.store.query<{ op: string }>(
        `SELECT e.answer::json ->> 'op' AS op
           FROM pgtimewarp.asof_each($1, 'public', 't', '{1}', ARRAY[$2::timestamptz], ARRAY[$3::pg_lsn], '{x}') AS e`,
        [h.node, at === timeOf ? at(30) : null, at === lsnOf ? at(30) : null],
      );
      expect(rows).toEqual([{ op: 'U' }]);
    }
  });

  test('one that begins where another ended answers there if that one ended in a gap', async () => {
    const h = await history();
    const first = await h.track({ to: 30 }, true);
    const last = await h.track({ from: 30 });
    await h.gap(20, 30, first);
    for (const at of [timeOf(30), lsnOf(30)])
      expect(await place(h, at)).toMatchObject({ relation_id: last, reason: null, final: true });
  });

  test('the present one is pending: what the one before knew stays', async () => {
    const h = await history();
    const first = await h.track({ to: 30 }, true);
    await h.track({ from: null });
    expect(await place(h, timeOf(30))).toMatchObject({ relation_id: first, reason: null, final: true });
    expect(await place(h, timeOf(40))).toMatchObject({ relation_id: first, reason: 'in_gap', final: true });
  });
});

test('a table that is not tracked and a node that is not known are errors of their own', async () => {
  const h = await history();
  await h.track();
  await expect(place(h, null, 'other')).rejects.toMatchObject({ code: 'TW001' });
  await expect(
    databases.store.query(`SELECT pgtimewarp.position_at('nobody', 'public', 't', NULL, NULL)`),
  ).rejects.toMatchObject({ code: 'TW003' });
});
