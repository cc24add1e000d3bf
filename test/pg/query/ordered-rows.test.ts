/** A whole table in the order of columns, page by page, forwards and backwards: PostgreSQL itself sorts what is expected. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parseInstant } from '../../../core/query/instant.ts';
import { askTablePage, type TablePageRequest } from '../../../core/query/table-page.ts';
import { type TestDatabases, testDatabases } from '../../support/test-databases.ts';
import { lsnOf, type PeriodOptions, StoreHistory } from './query-history.ts';

let databases: TestDatabases;
let h: StoreHistory;
beforeAll(async () => {
  databases = await testDatabases();
});
afterAll(() => databases[Symbol.asyncDispose]());
beforeEach(async () => {
  h = await StoreHistory.create(databases.store);
});

interface Column {
  readonly name: string;
  readonly type: string;
  readonly since?: string;
  readonly former?: readonly {
    readonly name: string;
    readonly since_lsn: string;
    readonly until_lsn: string;
  }[];
}

async function track(columns: readonly Column[], period: PeriodOptions = {}): Promise<number> {
  const t = await h.track(period);
  await h.store.query(
    `UPDATE pgtimewarp.tracked_relations SET columns = (
       SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('attnum', c.n, 'name', c.facts ->> 'name', 'type_oid', (c.facts ->> 'type')::regtype::oid::int,
                                           'type_name', c.facts ->> 'type', 'since_lsn', coalesce(c.facts ->> 'since', '0/0'), 'former_names', c.facts -> 'former')))
         FROM jsonb_array_elements($2::jsonb) WITH ORDINALITY AS c (facts, n)) WHERE relation_id = $1`,
    [t, JSON.stringify(columns)],
  );
  return t;
}

/** Rows that commit 20 inserted; `id` is the key. */
async function write(t: number, rows: readonly (object | string)[]): Promise<void> {
  await h.commit(20, 720);
  await h.store.query(
    `INSERT INTO pgtimewarp.row_changes (relation_id, pk, valid_from_lsn, valid_from_ts, seq, op, xid, row_data)
     SELECT $1, json_build_array(r.row ->> 'id')::text, $2, '2026-01-01T00:00:20Z', r.n, 'I', 720, r.row
       FROM json_array_elements($3::json) WITH ORDINALITY AS r (row, n)`,
    [t, lsnOf(20), `[${rows.map((row) => (typeof row === 'string' ? row : JSON.stringify(row))).join(',')}]`],
  );
}

/** All pages of this size. */
async function ask(
  order: TablePageRequest['order'],
  { limit = 7, where = {}, at = lsnOf(90) } = {},
): Promise<string[]> {
  const rows: string[] = [];
  for (let cursor: string | null = null; ; ) {
    const page: Awaited<ReturnType<typeof askTablePage>> = await askTablePage(h.store, {
      ...{ node: h.node, table: { schema: 'public', name: 't' }, columns: ['id'], order: order ?? null },
      ...{ at: parseInstant(at), where, limit, cursor },
    });
    rows.push(...page.rows.map((row) => String(row.cells[0]).replaceAll('"', '')));
    if (page.next === null) return rows;
    cursor = page.cursorAfter(page.next);
  }
}

const up = (...columns: string[]) => ({ columns, descending: false });
const down = (...columns: string[]) => ({ columns, descending: true });

describe('the order of a key that is a whole number', () => {
  /** Of every length and sign, some of them close together. */
  const NUMBERS = [
    ...Array.from({ length: 60 }, (_, n) => BigInt(n - 20)),
    ...Array.from({ length: 19 }, (_, n) => 10n ** BigInt(n)),
    ...Array.from({ length: 18 }, (_, n) => -(10n ** BigInt(n + 1)) + 1n),
    ...[9223372036854775807n, -9223372036854775808n, 12n, 123n, 1234n, 12345n, 129n, 1299n, 13n],
  ];
  const keys = [...new Set(NUMBERS)].sort((a, b) => (a < b ? -1 : 1)).map(String);

  test('is that of numbers, both ways, whatever the size of a page', async () => {
    const t = await track(
      [
        { name: 'id', type: 'bigint' },
        { name: 'n', type: 'integer' },
      ],
      { kinds: ['int8'] },
    );
    await write(
      t,
      keys.map((id) => ({ id, n: 1 })),
    );
    const gone = keys.filter((_, n) => n % 5 === 3);
    for (const [n, key] of gone.entries()) await h.change(t, 30, 'D', key, { seq: n });
    const left = keys.filter((key) => !gone.includes(key));
    for (const limit of [1, 7, 1000]) {
      expect(await ask(up('id'), { limit })).toEqual(left);
      expect(await ask(down('id'), { limit })).toEqual(left.toReversed());
    }
    expect(await ask(up('id'), { at: lsnOf(20) })).toEqual(keys);
    // a filter makes the other way of finding them
    expect(await ask(up('id'), { where: { n: '1' } })).toEqual(left);
    expect(await ask(down('id'), { where: { n: '1' } })).toEqual(left.toReversed());
  });

  test('is found by few look-ups, and by reading the table where they would be many', async () => {
    const t = await track([{ name: 'id', type: 'bigint' }], { kinds: ['int8'] });
    await h.commit(30, 730);
    await h.store.query(
      `INSERT INTO pgtimewarp.row_changes (relation_id, pk, valid_from_lsn, valid_from_ts, seq, op, xid, row_data)
       SELECT $1, '["' || k || '"]', '0/1400'::pg_lsn + v, '2026-01-01Z', 0, 'U', 1, ('{"id":' || k || '}')::json
         FROM generate_series(1, 4) AS v, generate_series(1, 9999) AS k`,
      [t],
    );
    await h.store.query('ANALYZE pgtimewarp.row_changes');
    const walked = async (after: string | null, budget: number): Promise<[string[] | null, number]> => {
      const text = `SELECT pgtimewarp.keys_by_number(${t}, '0/9000', ${after === null ? 'NULL' : `'["${after}"]'`}, false, 100, ${budget})`;
      const { rows: found } = await h.store.query<{ keys_by_number: string[] | null }>(text);
      const { rows } = await h.store.query<{ 'QUERY PLAN': string }>(
        `EXPLAIN (ANALYZE, BUFFERS, FORMAT json) ${text}`,
      );
      const [{ Plan: plan }] = JSON.parse(rows[0]!['QUERY PLAN']) as [{ Plan: Record<string, number> }];
      return [found[0]!.keys_by_number, plan['Shared Hit Blocks']! + plan['Shared Read Blocks']!];
    };
    for (const after of [null, '95', '5000']) {
      const [found, blocks] = await walked(after, 1_000);
      expect(found).toEqual(Array.from({ length: 100 }, (_, n) => `["${n + 1 + Number(after ?? 0)}"]`));
      expect(blocks).toBeLessThan(100 * 10);
    }
    expect((await walked(null, 50))[0]).toBeNull();
    // 5 digits each, but for the greatest: after them no number of 6 to 18 digits is there, and look-ups would go from one to the next
    await h.store.query(
      `INSERT INTO pgtimewarp.row_changes (relation_id, pk, valid_from_lsn, valid_from_ts, seq, op, xid, row_data)
       SELECT $1, '["' || k || '"]', '0/1500', '2026-01-01Z', 0, 'I', 1, ('{"id":' || k || '}')::json
         FROM (SELECT 1000000000000000000 + i * 800000000000037 AS k FROM generate_series(1, 9999) AS i) AS b`,
      [t],
    );
    const all = await ask(up('id'), { limit: 1000 });
    expect(all.slice(9_998, 10_001)).toEqual(['9999', '1000800000000000037', '1001600000000000074']);
    expect(all).toHaveLength(2 * 9_999);
  });

  test('a row that is not known is not lost when look-ups are given up before it', async () => {
    const t = await track([{ name: 'id', type: 'bigint' }], { kinds: ['int8'] });
    await h.commit(20, 720);
    await h.store.query(
      `INSERT INTO pgtimewarp.row_changes (relation_id, pk, valid_from_lsn, valid_from_ts, seq, op, xid)
       SELECT $1, '["' || k || '"]', $2, '2026-01-01T00:00:20Z', k, 'D', 720 FROM generate_series(1, 3000) AS k`,
      [t, lsnOf(20)],
    );
    await h.change(t, 10, 'S', '9000', { read: 50 });
    await h.change(t, 40, 'U', '9000');
    await expect(ask(up('id'), { at: lsnOf(30) })).rejects.toMatchObject({ code: 'ROWS_UNKNOWN' });
    await expect(ask(up('id'), { at: lsnOf(30), limit: 1000 })).rejects.toMatchObject({
      code: 'ROWS_UNKNOWN',
    });
    expect(await ask(up('id'), { at: lsnOf(60) })).toEqual(['9000']);
  });
});

describe('the order of a column', () => {
  const VALUES: Readonly<Record<string, readonly string[]>> = {
    integer: ['10', '9', '-1', '-10', '0', '2147483647'],
    numeric: ['10', '9.50', '9.5', '-0.001', '1e30', '12345678901234567890.1', 'NaN'],
    'double precision': ['1e-300', '1e+300', '-2.5', 'Infinity', '-Infinity', 'NaN', '10', '9'],
    date: [
      '2026-01-31',
      '10000-01-01',
      '300000-01-01',
      '5874897-12-31',
      '0044-03-15 BC',
      'infinity',
      '-infinity',
      '0999-12-31',
    ],
    'timestamp with time zone': [
      '2026-01-31 10:00:00+00',
      '2026-01-31 10:00:00.5+00',
      '2026-01-31 09:00:00-05',
      'infinity',
      '10000-01-01 00:00:00+00',
    ],
    'timestamp without time zone': [
      '2026-01-31 10:00:00',
      '2026-01-31 10:00:00.000001',
      '-infinity',
      '2025-12-31 23:59:59',
    ],
    interval: ['1 day', '25:00:00', '1 mon', '29 days', '-1 year', '00:00:00.5'],
    money: ['$10.00', '$9.99', '-$1,000.00', '$1,000.00'],
    pg_lsn: ['A/0', '9/FFFFFFFF', '10/0'],
    boolean: ['t', 'f'],
    text: ['b', 'a', 'B', 'a b', 'a!', 'ä', '', 'a"', 'a\\', '\u{1F600}', '10', '9'],
    uuid: ['b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
    bytea: ['\\x00', '\\xff', '\\x0001'],
  };
  for (const [type, values] of Object.entries(VALUES)) {
    test(`${type}: as PostgreSQL orders it`, async () => {
      const given = [...values, null, values[0]!];
      const t = await track([
        { name: 'id', type: 'integer' },
        { name: 'v', type },
      ]);
      const { rows } = await h.store.query<{ row: string }>(
        `SELECT format('{"id":%s,"v":%s}', n, coalesce(to_json(v::${type})::text, 'null')) AS row FROM unnest($1::text[]) WITH ORDINALITY AS u (v, n)`,
        [given],
      );
      await write(
        t,
        rows.map(({ row }) => row),
      );
      for (const [order, sql] of [
        [up('v'), 'ASC'],
        [down('v'), 'DESC'],
      ] as const) {
        const { rows: sorted } = await h.store.query<{ id: string }>(
          `SELECT n::text AS id FROM unnest($1::text[]) WITH ORDINALITY AS u (v, n)
            ORDER BY v::${type} ${type === 'text' ? 'COLLATE "C"' : ''} ${sql}, json_build_array(n::text)::text COLLATE "C" ${sql}`,
          [given],
        );
        expect(await ask(order, { limit: 3 }), sql).toEqual(sorted.map(({ id }) => id));
      }
    });
  }

  test.each([
    ['date', '2026-02-01', ['2026-13-45', '9999999-01-01', 'today']],
    ['timestamp without time zone', '2026-02-01 00:00:00', ['2026-02-30', '300000-01-01', 'now']],
    ['numeric', '7', ['1e999999', 'seven']],
  ])('%s: texts that the column held before come last', async (type, value, texts) => {
    const t = await track([
      { name: 'id', type: 'integer' },
      { name: 'v', type },
    ]);
    await write(
      t,
      [...texts, value].map((v, n) => ({ id: n + 1, v })),
    );
    const [first, ...others] = await ask(up('v'));
    expect(first).toBe(String(texts.length + 1));
    expect(others).toHaveLength(texts.length);
    expect(await ask(down('v'))).toEqual([first, ...others].toReversed());
  });

  test('of a table that takes too long is refused', async () => {
    const t = await track([
      { name: 'id', type: 'integer' },
      { name: 'v', type: 'integer' },
    ]);
    await write(
      t,
      Array.from({ length: 20_000 }, (_, n) => ({ id: n, v: 1 })),
    );
    await h.store.query(`SET statement_timeout = '100ms'`);
    try {
      await expect(ask(up('v'))).rejects.toMatchObject({ code: 'QUESTION_TOO_LONG' });
    } finally {
      await h.store.query('RESET statement_timeout');
    }
  });

  test('of two columns, and of a key of two, which is not that of its text', async () => {
    const t = await track(
      [
        { name: 'id', type: 'text' },
        { name: 'k', type: 'integer' },
        { name: 'v', type: 'integer' },
      ],
      {
        columns: ['id', 'k'],
        kinds: ['text', 'int4'],
      },
    );
    const rows = ['a', 'a b'].flatMap((id) => [10, 9, -1].map((k) => ({ id, k, v: k === 10 ? 1 : 2 })));
    for (const [n, row] of rows.entries())
      await h.change(t, 20, 'I', JSON.stringify([row.id, `${row.k}`]), { seq: n, row: JSON.stringify(row) });
    const keys = async (order: TablePageRequest['order']): Promise<string> => {
      const page = await askTablePage(h.store, {
        ...{
          node: h.node,
          table: { schema: 'public', name: 't' },
          at: parseInstant(lsnOf(90)),
          limit: 9,
          cursor: null,
        },
        ...{ columns: ['id', 'k'], order: order ?? null },
      });
      return page.rows.map((row) => row.cells.join('/')).join(' ');
    };
    expect(await keys(up('id', 'k'))).toBe('"a"/-1 "a"/9 "a"/10 "a b"/-1 "a b"/9 "a b"/10');
    expect(await keys(down('v', 'k'))).toBe('"a"/9 "a b"/9 "a"/-1 "a b"/-1 "a"/10 "a b"/10');
  });

  test('goes on after a row that is no longer there, and a cursor belongs to its order', async () => {
    const t = await track([
      { name: 'id', type: 'integer' },
      { name: 'v', type: 'integer' },
    ]);
    await write(
      t,
      [3, 1, 2].map((v, n) => ({ id: n + 1, v })),
    );
    const asked = { node: h.node, table: { schema: 'public', name: 't' }, at: null, limit: 1 };
    const first = await askTablePage(h.store, { ...asked, order: up('v'), cursor: null });
    const cursor = first.cursorAfter(first.rows[0]!.key);
    await h.change(t, 110, 'D', '2');
    await h.moveHorizon(120);
    const second = await askTablePage(h.store, { ...asked, order: up('v'), cursor });
    expect(second.rows[0]!.cells).toEqual(['3', '2']);
    for (const order of [null, down('v'), up('id')])
      await expect(askTablePage(h.store, { ...asked, order, cursor })).rejects.toMatchObject({
        code: 'BAD_FLAGS',
      });
  });

  test('follows a column that was renamed', async () => {
    const t = await track([
      { name: 'id', type: 'integer' },
      {
        name: 'now',
        type: 'integer',
        since: lsnOf(50),
        former: [{ name: 'was', since_lsn: '0/0', until_lsn: lsnOf(50) }],
      },
    ]);
    await write(
      t,
      [30, 10, 20].map((was, n) => ({ id: n + 1, was })),
    );
    await h.change(t, 60, 'U', '1', { row: '{"id":1,"now":15}' });
    expect(await ask(up('now'))).toEqual(['2', '1', '3']);
    expect(await ask(down('now'), { at: lsnOf(40) })).toEqual(['1', '3', '2']);
  });

  test('a row whose value is not known is told with the first page', async () => {
    const t = await track([
      { name: 'id', type: 'integer' },
      { name: 'v', type: 'integer' },
      { name: 'w', type: 'integer' },
    ]);
    await write(
      t,
      [1, 2, 3].map((id) => ({ id, v: id, w: id })),
    );
    await h.change(t, 30, 'U', '3', { row: '{"id":3,"v":0}', incomplete: ['w'] });
    for (const order of [up('w'), down('w')])
      await expect(ask(order, { limit: 1 })).rejects.toMatchObject({ code: 'VALUES_UNKNOWN' });
    expect(await ask(up('v'), { limit: 1 })).toEqual(['3', '1', '2']);
    // the value of then may be that of another column that had this name
    await h.store.query(
      `UPDATE pgtimewarp.tracked_relations SET columns = jsonb_set(columns, '{1,since_lsn}', to_jsonb($2::text)) WHERE relation_id = $1`,
      [t, lsnOf(25)],
    );
    await expect(ask(down('v'), { limit: 1 })).rejects.toMatchObject({ code: 'VALUES_UNKNOWN' });
    await expect(ask(up('none'))).rejects.toMatchObject({ code: 'BAD_FLAGS' });
  });

  test('a row of which a run has read too late is told with the first page', async () => {
    const t = await track([
      { name: 'id', type: 'integer' },
      { name: 'v', type: 'integer' },
    ]);
    await write(
      t,
      [1, 2].map((id) => ({ id, v: id })),
    );
    await h.change(t, 10, 'S', '3', { read: 50, row: '{"id":3,"v":3}' });
    await h.change(t, 40, 'U', '3', { row: '{"id":3,"v":4}' });
    await expect(ask(up('v'), { limit: 1, at: lsnOf(30) })).rejects.toMatchObject({ code: 'ROWS_UNKNOWN' });
    expect(await ask(down('v'), { limit: 1, at: lsnOf(60) })).toEqual(['3', '2', '1']);
  });
});
