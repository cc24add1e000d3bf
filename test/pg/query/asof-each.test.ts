/**
 * Many as-of questions in one statement: each has the answer that asof_answer() gives it alone, to the letter, and those that
 * are plain have it without asof_answer().
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type TestDatabases, testDatabases } from '../../support/test-databases.ts';
import { lsnOf, StoreHistory, timeOf } from './query-history.ts';

let databases: TestDatabases;
beforeAll(async () => {
  databases = await testDatabases();
});
afterAll(() => databases[Symbol.asyncDispose]());

interface Question {
  readonly pk: string;
  readonly ts: string | null;
  readonly lsn: string | null;
}

/** Every key at every instant: at commits and between them, by time and by LSN, beyond the horizon, and now. */
function questions(keys: readonly string[]): Question[] {
  const at = [5, 9, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 99, 100, 101];
  return keys.flatMap((pk) => [
    ...at.flatMap((n) => [
      { pk, ts: timeOf(n), lsn: null },
      { pk, ts: timeOf(n, 1), lsn: null },
      { pk, ts: null, lsn: lsnOf(n) },
      { pk, ts: null, lsn: `0/${(n * 256 + 1).toString(16)}` },
    ]),
    { pk, ts: null, lsn: null },
  ]);
}

const EACH = `pgtimewarp.asof_each($1, 'public', 't', $2::jsonb[], $3::timestamptz[], $4::pg_lsn[], $5::text[])`;

function parameters({ node }: StoreHistory, asked: readonly Question[]): unknown[] {
  const requested = asked.map((_, place) => `no ${place}`);
  return [node, ...(['pk', 'ts', 'lsn'] as const).map((part) => asked.map((each) => each[part])), requested];
}

/** How many questions there were of each verdict. Fails unless both ways of asking say the same. */
async function compare(history: StoreHistory, keys: readonly string[]): Promise<Record<string, number>> {
  const asked = questions(keys);
  const { rows: alone } = await databases.store.query<{ status: string; reason: string | null }>(
    `SELECT a.status, a.reason, a.final, a.answer::text AS answer
       FROM unnest($2::jsonb[], $3::timestamptz[], $4::pg_lsn[], $5::text[]) WITH ORDINALITY AS q (pk, ts, lsn, said, place)
      CROSS JOIN LATERAL pgtimewarp.asof_answer($1, 'public', 't', q.pk, q.ts, q.lsn, q.said) AS a
      ORDER BY q.place`,
    parameters(history, asked),
  );
  const { rows: together } = await databases.store.query(
    `SELECT e.* FROM ${EACH} AS e`,
    parameters(history, asked),
  );
  expect(together).toEqual(alone);
  const counts: Record<string, number> = {};
  for (const { status, reason } of alone) counts[reason ?? status] = (counts[reason ?? status] ?? 0) + 1;
  return counts;
}

/** Whether asof_answer() is not needed. */
async function isPlain(
  history: StoreHistory,
  pk: string,
  at: { ts?: string; lsn?: string },
): Promise<boolean> {
  const asked = [{ pk, ts: at.ts ?? null, lsn: at.lsn ?? null }];
  const session = await databases.connect('store');
  await session.query(`
    BEGIN;
    CREATE OR REPLACE FUNCTION pgtimewarp.asof_answer(
      p_node_id text, p_schema text, p_table text, p_pk jsonb, p_at_ts timestamptz, p_at_lsn pg_lsn, p_requested text,
      p_archived json DEFAULT NULL)
    RETURNS TABLE (status text, reason text, final boolean, answer json) LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION 'the long way' USING ERRCODE = 'XX999';
    END $$`);
  try {
    const { rows } = await session.query<{ status: string }>(
      `SELECT e.status FROM ${EACH} AS e`,
      parameters(history, asked),
    );
    return rows[0]!.status === 'found';
  } catch (error) {
    expect(error).toMatchObject({ code: 'XX999' });
    return false;
  } finally {
    await session.query('ROLLBACK');
    await session.end();
  }
}

/** Rows that were inserted, updated, deleted, truncated away, there from the beginning, and never there. */
async function eventful(
  options: { readonly gap?: readonly [number, number | null] } = {},
): Promise<StoreHistory> {
  const h = await StoreHistory.create(databases.store);
  const t = await h.track();
  await h.change(t, 20, 'I');
  await h.change(t, 40, 'U', '1', { incomplete: ['n'] });
  await h.change(t, 40, 'U', '1', { seq: 1, row: '{"n":41}' });
  await h.change(t, 60, 'D');
  await h.change(t, 10, 'S', '2', { read: 15 });
  await h.change(t, 50, 'U', '2');
  await h.change(t, 10, 'S', '3', { read: 30 }); // read after it had changed
  await h.change(t, 25, 'U', '3');
  await h.change(t, 10, 'S', '4', { read: 200 }); // read beyond the horizon
  await h.change(t, 30, 'I', '5', { seq: 1 });
  await h.change(t, 30, 'U', '5', { seq: 2 });
  await h.truncate(t, 35, { seq: 3 });
  await h.change(t, 35, 'I', '6', { seq: 2 });
  await h.change(t, 35, 'I', '7', { seq: 4 });
  await h.change(t, 45, 'I', '5');
  await h.change(t, 120, 'U', '5'); // not applied yet
  if (options.gap !== undefined) await h.gap(...options.gap);
  return h;
}

const KEYS = ['1', '2', '3', '4', '5', '6', '7', '8'];

describe('each answer is that of the question alone', () => {
  test('rows of every fate', async () => {
    const counts = await compare(await eventful(), KEYS);
    expect(Object.keys(counts).sort()).toEqual([
      'baseline_pending',
      'before_tracking',
      'deleted',
      'found',
      'not_yet_inserted',
    ]);
  });

  test.each([
    ['a gap that has ended', [42, 52] as const],
    ['a gap from the start of tracking', [10, 20] as const],
    ['an open gap', [55, null] as const],
  ])('%s', async (_, gap) => {
    expect((await compare(await eventful({ gap }), KEYS)).in_gap).toBeGreaterThan(0);
  });

  test('a window, whose edge lies between commits', async () => {
    const h = await StoreHistory.create(databases.store);
    const t = await h.track();
    for (const n of [20, 40, 60]) await h.change(t, n, n === 20 ? 'I' : 'U');
    await h.change(t, 20, 'I', '2');
    await h.change(t, 40, 'D', '2');
    await databases.store.query(
      `INSERT INTO pgtimewarp.relation_retention (relation_id, retention, expired_before_lsn, expired_before_ts)
       VALUES ($1, '50 s', $2, $3)`,
      [t, lsnOf(50), timeOf(50)],
    );
    await compare(h, ['1', '2']);
    await databases.store.query('DELETE FROM pgtimewarp.lsn_time_map WHERE node_id = $1 AND lsn < $2', [
      h.node,
      lsnOf(50),
    ]);
    const counts = await compare(h, ['1', '2']);
    expect(Object.keys(counts).sort()).toEqual(['before_tracking', 'expired', 'found', 'not_in_window']);
  });

  test('a table that was tracked before, a partition not yet judged, an LSN space that is over', async () => {
    const h = await StoreHistory.create(databases.store);
    const first = await h.track({ to: 30 }, true);
    await h.change(first, 20, 'I');
    const second = await h.track({ from: 40 });
    await h.change(second, 40, 'S', '1', { read: 45 });
    await h.change(second, 60, 'U');
    await compare(h, ['1']);
    await databases.store.query(
      `INSERT INTO pgtimewarp.relation_leaves (relation_id, schema_name, table_name, checked, seen_after_lsn, seen_after_ts)
       VALUES ($1, 'public', 'new', false, $2, $3)`,
      [second, lsnOf(65), timeOf(65)],
    );
    await compare(h, ['1']);
    await h.moveHorizon(100, 2);
    expect((await compare(h, ['1'])).in_gap).toBeGreaterThan(0);
  });

  test('an LSN that was a commit in the space before as well', async () => {
    const h = await StoreHistory.create(databases.store, 100, 2);
    const t = await h.track({ space: 2 });
    await databases.store.query(
      `INSERT INTO pgtimewarp.lsn_time_map (node_id, lsn_space, lsn, ts, xid)
       SELECT $1, 1, '0/0'::pg_lsn + n * 256, '2025-01-01Z'::timestamptz + n * interval '1 s', n FROM generate_series(1, 100) n`,
      [h.node],
    );
    await databases.store.query(
      `INSERT INTO pgtimewarp.history_gaps (node_id, lsn_space, from_lsn, from_ts, to_lsn, to_ts, reason)
       VALUES ($1, 1, $2, '2025-01-01T00:01:20Z', $3, '2025-01-01T00:01:30Z', 'test')`,
      [h.node, lsnOf(80), lsnOf(90)],
    );
    await h.change(t, 20, 'I', '1', { space: 2 });
    await h.change(t, 40, 'U', '1', { space: 2 });
    expect(await isPlain(h, '1', { lsn: lsnOf(40) })).toBe(true);
    expect((await compare(h, ['1'])).found).toBeGreaterThan(0);
  });

  test('tracking that has not begun, has ended, or whose node is not read', async () => {
    const pending = await StoreHistory.create(databases.store);
    await pending.change(await pending.track({ from: null, baseline: 'pending' }), 20, 'I');
    await pending.gap(12, 15);
    expect(Object.keys(await compare(pending, ['1']))).toEqual(['baseline_pending']);
    const ended = await StoreHistory.create(databases.store);
    await ended.change(await ended.track({ to: 70 }), 20, 'I');
    await compare(ended, ['1']);
    const unread = await StoreHistory.create(databases.store);
    await unread.change(await unread.track(), 20, 'I');
    await databases.store.query('DELETE FROM pgtimewarp.wal_checkpoints WHERE node_id = $1', [unread.node]);
    await compare(unread, ['1']);
  });

  test.each([
    ['int4', '7', ['7', '"7"', '{"id":7}', '{"id":"7"}', '"007"', '7e0', '2147483647']],
    ['int8', '9007199254740993', ['9007199254740993', '"+9007199254740993"', '"9223372036854775807"']],
    ['numeric', '1.1', ['1.10', '"1.100"']],
    ['bool', 'true', ['true', '"t"']],
    [
      'text',
      'a"b\\c\u00e9\n',
      [JSON.stringify('a"b\\c\u00e9\n'), '{"id":"a\\"b\\\\c\\u00e9\\n"}', '""', '5', 'true'],
    ],
    ['text', '{"id": "7"}', ['{"id":"7"}', '"{\\"id\\": \\"7\\"}"']], // a text that looks like an object
    ['bpchar', 'ab', ['"ab  "', '"ab"']],
    [
      'uuid',
      'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
      ['"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"', '"{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}"'],
    ],
  ])('keys of kind %s', async (kind, key, given) => {
    const h = await StoreHistory.create(databases.store);
    const t = await h.track({ kinds: [kind] });
    await h.change(t, 20, 'I', JSON.stringify([key]), { row: '{"n":20}' });
    expect((await compare(h, given)).found).toBeGreaterThan(0);
  });

  test('keys of two columns, with names and values to be escaped; what the application said', async () => {
    const h = await StoreHistory.create(databases.store);
    const t = await h.track({ columns: ['re"gion', 'id'], kinds: ['text', 'int4'] });
    await h.change(t, 20, 'I', '["e\\"u","7"]', { row: '{"n":20}' });
    await databases.store.query(
      `INSERT INTO pgtimewarp.transaction_contexts (node_id, lsn, context) VALUES ($1, $2, '{"user": 1.0}')`,
      [h.node, lsnOf(20)],
    );
    expect((await compare(h, ['{"id":7,"re\\"gion":"e\\"u"}'])).found).toBeGreaterThan(0);
  });

  test('a wrong key fails them all, as it fails alone', async () => {
    const h = await eventful();
    for (const [pk, code] of [
      ['"abc"', 'TW002'],
      ['99999999999', 'TW002'],
      ['{"no":1}', 'TW002'],
      ['null', 'TW002'],
    ]) {
      const asked = [...questions(['1']), { pk: pk!, ts: timeOf(20), lsn: null }];
      const failure = databases.store.query(`SELECT FROM ${EACH}`, parameters(h, asked));
      await expect(failure, pk).rejects.toMatchObject({ code });
    }
    const nowhere = { node: 'nowhere' } as StoreHistory;
    await expect(
      databases.store.query(`SELECT FROM ${EACH}`, parameters(nowhere, questions(['1']))),
    ).rejects.toMatchObject({ code: 'TW003' });
  });

  test('no question, no answer', async () => {
    const { rows } = await databases.store.query(`SELECT FROM ${EACH}`, parameters(await eventful(), []));
    expect(rows).toEqual([]);
  });
});

describe('what is plain', () => {
  test('a row that was there', async () => {
    const h = await eventful({ gap: [12, 14] });
    expect(await isPlain(h, '1', { ts: timeOf(45) })).toBe(true);
    expect(await isPlain(h, '1', { lsn: lsnOf(40) })).toBe(true);
    expect(await isPlain(h, '1', { lsn: '0/2801' })).toBe(true); // between commits
    expect(await isPlain(h, '2', { ts: timeOf(55) })).toBe(true);
    expect(await isPlain(h, '5', { ts: timeOf(50) })).toBe(true);
    expect(await isPlain(h, '5', {})).toBe(true); // now
    expect(await isPlain(h, '5', { lsn: lsnOf(110) })).toBe(true); // not final
    expect(await isPlain(h, '"5"', { lsn: lsnOf(50) })).toBe(true);
    expect(await isPlain(h, '{"id":"5"}', { lsn: lsnOf(50) })).toBe(true);
    const unchanged = await StoreHistory.create(databases.store);
    const relation = await unchanged.track();
    await unchanged.change(relation, 10, 'S', '1', { read: 15 });
    expect(await isPlain(unchanged, '1', { ts: timeOf(12) })).toBe(true);
    // of other tables, and of a partition that has been judged
    await unchanged.gap(11, null, relation + 100_000);
    await databases.store.query(
      `INSERT INTO pgtimewarp.relation_leaves (relation_id, schema_name, table_name, checked, seen_after_lsn, seen_after_ts)
       VALUES ($1, 'public', 'new', true, $2, $3)`,
      [relation, lsnOf(11), timeOf(11)],
    );
    expect(await isPlain(unchanged, '1', { ts: timeOf(12) })).toBe(true);
  });

  test('not a row that was not, nor what needs a verdict', async () => {
    const h = await eventful({ gap: [12, 14] });
    expect(await isPlain(h, '1', { ts: timeOf(60) })).toBe(false); // deleted
    expect(await isPlain(h, '1', { ts: timeOf(19) })).toBe(false); // not yet inserted
    expect(await isPlain(h, '5', { ts: timeOf(32) })).toBe(false); // before a TRUNCATE
    expect(await isPlain(h, '1', { ts: timeOf(13) })).toBe(false); // in a gap
    expect(await isPlain(h, '8', { ts: timeOf(50) })).toBe(false);
  });
});

test('nothing but the index of the table itself is looked into, however many tables there are', async () => {
  const h = await eventful();
  const own = (
    await databases.store.query<{ id: number }>(
      'SELECT relation_id AS id FROM pgtimewarp.tracked_relations WHERE node_id = $1',
      [h.node],
    )
  ).rows[0]!.id;
  const reads = async (): Promise<Record<string, number>> => {
    await databases.store.query('SELECT pg_stat_force_next_flush()');
    const { rows } = await databases.store.query<{ relname: string; reads: number }>(
      `SELECT relname, (coalesce(idx_scan, 0) + coalesce(seq_scan, 0))::int AS reads
         FROM pg_stat_user_tables WHERE relname LIKE 'row\\_changes\\_r%'`,
    );
    return Object.fromEntries(rows.map((row) => [row.relname, row.reads]));
  };
  const before = await reads();
  for (let times = 0; times < 10; times++) {
    await databases.store.query(
      `SELECT FROM ${EACH}`,
      parameters(h, [{ pk: '5', ts: timeOf(50), lsn: null }]),
    );
  }
  const after = await reads();
  const read = Object.entries(after).filter(([name, count]) => count > (before[name] ?? 0));
  expect(read.map(([name]) => name)).toEqual([`row_changes_r${own}`]);
  expect(Object.keys(after).length).toBeGreaterThan(5);
});
