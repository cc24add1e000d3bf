/** All rows of a table as of a position: page by page, and every kind of what cannot be known is told. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Queryable } from '../../../core/pg/connection.ts';
import { parseInstant } from '../../../core/query/instant.ts';
import { askTablePage } from '../../../core/query/table-page.ts';
import { openTable, type TableRequest, tablePage, tableRows } from '../../../core/query/table-rows.ts';
import { rowObjectText } from '../../../documents/table-rows.ts';
import { connectForTest } from '../../support/test-client.ts';
import { type TestDatabases, testDatabases } from '../../support/test-databases.ts';
import { lsnOf, StoreHistory, timeOf } from './query-history.ts';

let databases: TestDatabases;
let h: StoreHistory;
beforeAll(async () => {
  databases = await testDatabases();
});
afterAll(() => databases[Symbol.asyncDispose]());
beforeEach(async () => {
  h = await StoreHistory.create(databases.store);
});

interface Asked extends Partial<Omit<TableRequest, 'at'>> {
  readonly at?: string;
}

async function ask(
  n: number,
  asked: Asked = {},
): Promise<{ rows: string[]; skipped: number; unread: string | null; final: boolean; dropped: string[] }> {
  const at = parseInstant(asked.at ?? timeOf(n));
  const table = await openTable(h.store, {
    node: h.node,
    table: { schema: 'public', name: 't' },
    ...asked,
    at,
  });
  const [rows, dropped]: [string[], Set<string>] = [[], new Set()];
  let skipped = 0;
  for await (const page of tableRows(h.store, table)) {
    rows.push(...page.rows.map((row) => rowObjectText(table, row)));
    skipped += page.skipped;
    for (const name of page.dropped) dropped.add(name);
  }
  return { rows, skipped, unread: table.unread, final: table.final, dropped: [...dropped] };
}

/** The rows, or the code and reason of the error; the same by time and by LSN. */
async function told(n: number, asked: Asked = {}): Promise<string> {
  const one = (at: string): Promise<string> =>
    ask(n, { ...asked, at }).then(
      ({ rows, skipped, unread }) =>
        [
          rows.join(' '),
          ...(skipped > 0 ? [`skipped ${skipped}`] : []),
          ...(unread === '0' ? [] : [`unread ${unread}`]),
        ].join(', '),
      ({ code, facts }: { code: string; facts: { reason?: string } }) =>
        `${code} ${facts?.reason ?? ''}`.trim(),
    );
  const [byTime, byLsn] = [await one(timeOf(n)), await one(lsnOf(n))];
  return byTime === byLsn ? byTime : `by time: ${byTime}; by LSN: ${byLsn}`;
}

const column = (attnum: number, name: string, more: object = {}): object => ({
  attnum,
  name,
  type_oid: 23,
  type_name: 'integer',
  since_lsn: '0/0',
  ...more,
});

async function setColumns(relation: number, ...columns: object[]): Promise<void> {
  await h.store.query('UPDATE pgtimewarp.tracked_relations SET columns = $2 WHERE relation_id = $1', [
    relation,
    JSON.stringify(columns),
  ]);
}

describe('rows', () => {
  test('are those of the position, in the order of keys, whatever the size of a page', async () => {
    const t = await h.track();
    await setColumns(t, column(1, 'id'), column(2, 'n'));
    for (let key = 1; key <= 30; key++) await h.change(t, 20, 'I', `${key}`, { seq: key });
    for (let key = 1; key <= 30; key += 2) await h.change(t, 30, 'U', `${key}`, { seq: key });
    for (let key = 1; key <= 30; key += 3) await h.change(t, 40, 'D', `${key}`, { seq: key });
    await h.truncate(t, 50);
    const expected = (n: number, keep: (key: number) => boolean): string[] =>
      Array.from({ length: 30 }, (_, index) => index + 1)
        .sort((a, b) => (`["${a}"]` < `["${b}"]` ? -1 : 1))
        .filter(keep)
        .map((key) => `{"id":${key},"n":${n >= 30 && key % 2 === 1 ? 30 : 20}}`);
    for (const [n, keep] of [
      [19, () => false],
      [20, () => true],
      [30, () => true],
      [40, (key: number) => key % 3 !== 1],
      [50, () => false],
    ] as const) {
      expect((await ask(n)).rows).toEqual(expected(n, keep));
      const at = parseInstant(lsnOf(n));
      const table = await openTable(h.store, { node: h.node, table: { schema: 'public', name: 't' }, at });
      for (const limit of [1, 7]) {
        const rows: string[] = [];
        for (let after: string | null = null; ; ) {
          const page: Awaited<ReturnType<typeof tablePage>> = await tablePage(h.store, table, {
            after,
            limit,
          });
          expect(page.rows.length).toBeLessThanOrEqual(limit);
          rows.push(...page.rows.map((row) => rowObjectText(table, row)));
          if (page.next === null) break;
          after = page.next;
        }
        expect(rows).toEqual(expected(n, keep));
      }
    }
  });

  test('of a page end with the one that fills it', async () => {
    const t = await h.track();
    await setColumns(t, column(1, 'id'), column(2, 'big', { type_oid: 25, type_name: 'text' }));
    for (let key = 1; key <= 5; key++)
      await h.change(t, 20, 'I', `${key}`, {
        seq: key,
        row: `{"id":${key},"big":"${'x'.repeat(1_500_000)}"}`,
      });
    const at = parseInstant(lsnOf(20));
    const table = await openTable(h.store, { node: h.node, table: { schema: 'public', name: 't' }, at });
    expect((await tablePage(h.store, table, { after: null, limit: 100 })).rows).toHaveLength(3);
    expect((await ask(20, { columns: ['id'] })).rows).toHaveLength(5);
  });

  test('of a page are complete although retention removes rows after the position was judged', async () => {
    const t = await h.track();
    await setColumns(t, column(1, 'id'));
    for (let key = 1; key <= 3; key++)
      await h.change(t, 20, 'I', `${key}`, { seq: key, row: `{"id":${key}}` });
    const other = await connectForTest(databases.storeUrl);
    try {
      const store = {
        query: async (...asked: unknown[]) => {
          if ((asked[0] as { name?: string }).name === 'pgtimewarp_table_rows')
            await other.query('DELETE FROM pgtimewarp.row_changes WHERE relation_id = $1', [t]);
          return await (h.store.query as (...all: unknown[]) => Promise<unknown>).apply(h.store, asked);
        },
      } as unknown as Queryable;
      const page = await askTablePage(store, {
        node: h.node,
        table: { schema: 'public', name: 't' },
        at: parseInstant(lsnOf(20)),
        limit: 10,
        cursor: null,
      });
      expect(page.rows).toHaveLength(3);
    } finally {
      await other.end();
    }
  });

  test('cost the same at the end of a table as at its beginning', async () => {
    const t = await h.track();
    await h.store.query(
      `INSERT INTO pgtimewarp.row_changes (relation_id, pk, valid_from_lsn, valid_from_ts, seq, op, row_data)
       SELECT $1, '["' || k || '"]', '0/1400'::pg_lsn + v, '2026-01-01Z', k, 'U', json_build_object('id', k)
         FROM generate_series(1, 4) AS v, generate_series(10000, 19999) AS k`,
      [t],
    );
    await h.store.query('ANALYZE pgtimewarp.row_changes');
    const blocks = async (after: string | null): Promise<number> => {
      const { rows } = await h.store.query<{ 'QUERY PLAN': string }>(
        `EXPLAIN (ANALYZE, BUFFERS, FORMAT json)
         SELECT r.pk FROM pgtimewarp.table_rows(${t}, '0/1500', '0/1500', '{}', ${after === null ? 'NULL' : `'${after}'`}, 100, 1000000) AS r`,
      );
      const [{ Plan: plan }] = JSON.parse(rows[0]!['QUERY PLAN']) as [{ Plan: Record<string, number> }];
      expect(plan['Actual Rows']).toBe(100);
      return plan['Shared Hit Blocks']! + plan['Shared Read Blocks']!;
    };
    await blocks(null); // the catalog is read once
    const [first, last] = [await blocks(null), await blocks('["19800"]')];
    expect(last).toBeLessThan(2 * first);
    expect(first).toBeLessThan(100 * 20);
  });

  test('with values: the next page of few matches begins where it ended', async () => {
    const t = await h.track();
    await setColumns(t, column(1, 'id'), column(2, 'n'));
    for (let key = 1; key <= 40; key++)
      await h.change(t, 20, 'I', `${key}`, { seq: key, row: `{"id":${key},"n":${key % 13}}` });
    expect((await ask(20, { where: { n: '5' }, columns: ['id'] })).rows).toEqual([
      '{"id":18}',
      '{"id":31}',
      '{"id":5}',
    ]);
  });
});

describe('what is not known', () => {
  test('before tracking, after its end, in a gap, expired', async () => {
    const t = await h.track({ from: 10, to: 60 });
    await setColumns(t, column(1, 'id'));
    await h.change(t, 20, 'I');
    await h.gap(30, 40, t);
    expect(await told(9)).toBe('ROWS_UNKNOWN before_tracking');
    expect(await told(20)).toBe('{"id":1}');
    expect(await told(35)).toBe('ROWS_UNKNOWN in_gap');
    expect(await told(50)).toBe('{"id":1}');
    expect(await told(70)).toBe('ROWS_UNKNOWN in_gap');
    await h.store.query(
      'INSERT INTO pgtimewarp.relation_retention (relation_id, expired_before_lsn, expired_before_ts) VALUES ($1, $2, $3)',
      [t, lsnOf(25), timeOf(25)],
    );
    expect(await told(20)).toBe('ROWS_UNKNOWN expired');
    expect(await told(25)).toBe('{"id":1}');
    // nothing is known, so nothing can be left out
    for (const n of [9, 20, 35, 70]) expect(await told(n, { unknown: 'skip' })).toContain('ROWS_UNKNOWN');
  });

  test('a table whose tracking has not begun', async () => {
    await h.track({ from: null, baseline: 'pending' });
    expect(await told(20)).toBe('ROWS_UNKNOWN baseline_pending');
  });

  test('a baseline that is being read, or that nobody read', async () => {
    const t = await h.track({ baseline: 'pending' });
    await setColumns(t, column(1, 'id'));
    await h.change(t, 20, 'I');
    await h.change(t, 10, 'S', '2', { read: 200 });
    expect(await told(20)).toBe('ROWS_UNKNOWN baseline_pending');
    expect(await told(20, { unknown: 'skip' })).toBe('{"id":1}, skipped 1, unread null');
    expect((await ask(20, { unknown: 'skip' })).final).toBe(false);
    await h.store.query(
      `UPDATE pgtimewarp.tracked_relations SET baseline_state = 'none' WHERE relation_id = $1`,
      [t],
    );
    expect(await told(20)).toBe('ROWS_UNKNOWN before_tracking');
    expect(await told(20, { unknown: 'skip' })).toBe('{"id":1}, skipped 1, unread null');
  });

  test('a row that was changed before anybody had read it', async () => {
    const t = await h.track({ baselineRead: 30 });
    await setColumns(t, column(1, 'id'));
    await h.change(t, 10, 'S', '1', { read: 30 });
    await h.change(t, 20, 'U', '2');
    await h.change(t, 22, 'U', '2');
    await h.change(t, 21, 'D', '3');
    await h.change(t, 23, 'I', '4');
    await h.change(t, 24, 'U', '4');
    expect(await told(10)).toBe('ROWS_UNKNOWN before_tracking');
    expect(await told(10, { unknown: 'skip' })).toBe('{"id":1}, unread 2');
    expect(await told(20, { unknown: 'skip' })).toBe('{"id":1} {"id":2}, unread 1');
    expect(await told(21)).toBe('{"id":1} {"id":2}');
  });

  test('a row that was read after it had changed', async () => {
    const t = await h.track({ baselineRead: 30 });
    await setColumns(t, column(1, 'id'));
    await h.change(t, 10, 'S', '1', { read: 30 });
    await h.change(t, 20, 'U', '1');
    expect(await told(10)).toBe('ROWS_UNKNOWN before_tracking');
    expect(await told(10, { unknown: 'skip' })).toBe(', skipped 1');
    expect(await told(20)).toBe('{"id":1}');
  });

  test('a row that was read and that the log has not reached yet', async () => {
    const t = await h.track();
    await setColumns(t, column(1, 'id'));
    await h.change(t, 50, 'S', '1', { read: 200 });
    await h.commit(55, 755);
    expect(await told(60)).toBe('ROWS_UNKNOWN before_tracking');
    await h.moveHorizon(300);
    expect(await told(60)).toBe('{"id":1}');
  });

  test('rows that a TRUNCATE removed while the baseline was read', async () => {
    const t = await h.track({ baselineRead: 30, unseenUnknownBefore: 25 });
    await setColumns(t, column(1, 'id'));
    await h.truncate(t, 25);
    await h.change(t, 28, 'I');
    expect(await told(24)).toBe('ROWS_UNKNOWN before_tracking');
    expect(await told(24, { unknown: 'skip' })).toBe(', unread null');
    expect(await told(28)).toBe('{"id":1}');
  });

  test('a value that the row lacks; not of other columns', async () => {
    const t = await h.track();
    await setColumns(t, column(1, 'id'), column(2, 'n'), column(3, 'x'));
    await h.change(t, 20, 'I', '1', { incomplete: ['x'] });
    await h.change(t, 20, 'I', '2', { seq: 1 });
    expect(await told(20)).toBe('VALUES_UNKNOWN');
    expect(await told(20, { columns: ['id', 'n'] })).toBe('{"id":1,"n":20} {"id":2,"n":20}');
    expect(await told(20, { unknown: 'skip' })).toBe('{"id":2,"n":20,"x":null}, skipped 1');
  });

  test('a value that decides whether a row is asked for', async () => {
    const t = await h.track();
    await setColumns(t, column(1, 'id'), column(2, 'n'), column(3, 'x'));
    await h.change(t, 20, 'I', '1', { incomplete: ['n'] });
    await h.change(t, 20, 'I', '2', { seq: 1 });
    for (const n of ['20', '7']) {
      expect(await told(20, { columns: ['id'], where: { n } })).toBe('VALUES_UNKNOWN');
      expect(await told(20, { columns: ['id'], where: { n, id: '2' } })).not.toContain('UNKNOWN');
    }
    expect(await told(20, { columns: ['id'], where: { n: '20' }, unknown: 'skip' })).toBe(
      '{"id":2}, skipped 1',
    );
    await h.store.query(
      `INSERT INTO pgtimewarp.virtual_columns (relation_id, column_name, from_lsn, from_ts) VALUES ($1, 'x', $2, $3)`,
      [t, lsnOf(15), timeOf(15)],
    );
    expect(await told(20, { columns: ['id'], where: { x: '1' } })).toBe('VALUES_UNKNOWN');
  });

  test('a virtual column has no values', async () => {
    const t = await h.track();
    await setColumns(t, column(1, 'id'), column(2, 'v'));
    await h.change(t, 20, 'I');
    await h.store.query(
      `INSERT INTO pgtimewarp.virtual_columns (relation_id, column_name, from_lsn, from_ts) VALUES ($1, 'v', $2, $3)`,
      [t, lsnOf(15), timeOf(15)],
    );
    expect(await told(20, { columns: ['v'] })).toBe('VALUES_UNKNOWN');
    expect(await told(20)).toBe('{"id":1}');
  });

  test('a value whose column is uncertain', async () => {
    const t = await h.track();
    const was = (name: string, since: number, until: number): object => ({
      name,
      since_lsn: since === 0 ? '0/0' : lsnOf(since),
      until_lsn: lsnOf(until),
    });
    // renamed between the runs at 30 and 40; another one dropped, and a new one of that name added
    await setColumns(
      t,
      column(1, 'id'),
      column(2, 'new', { since_lsn: lsnOf(30), former_names: [was('old', 0, 40)] }),
      column(4, 'again', { since_lsn: lsnOf(50) }),
    );
    await h.change(t, 20, 'I', '1', { row: '{"id":1,"old":2,"gone":3}' });
    await h.change(t, 60, 'I', '2', { row: '{"id":2,"new":4,"again":5}' });
    expect(await told(20)).toBe('{"id":1,"new":2,"again":null}');
    expect((await ask(20)).dropped).toEqual(['gone']);
    expect(await told(60)).toBe('{"id":1,"new":2,"again":null} {"id":2,"new":4,"again":5}');
    // a value under a name that another column had then
    await h.change(t, 45, 'U', '1', { row: '{"id":1,"new":2,"again":3}' });
    expect(await told(45)).toBe('VALUES_UNKNOWN');
    expect(await told(45, { columns: ['id', 'new'] })).toBe('{"id":1,"new":2}');
    expect(await told(45, { unknown: 'skip' })).toBe(', skipped 1');
  });
});

test('a JSON null is no NULL, also of a column that was renamed', async () => {
  const t = await h.track();
  const json = { type_oid: 114, type_name: 'json' };
  await setColumns(
    t,
    column(1, 'id'),
    column(2, 'doc', {
      ...json,
      since_lsn: lsnOf(30),
      former_names: [{ name: 'raw', since_lsn: '0/0', until_lsn: lsnOf(30) }],
    }),
  );
  await h.change(t, 20, 'I', '1', { row: '{"id":1,"raw":null}', jsonNulls: ['raw'] });
  await h.change(t, 20, 'I', '2', { seq: 1, row: '{"id":2,"raw":null}' });
  await h.change(t, 40, 'I', '3', { row: '{"id":3,"doc": null }', jsonNulls: ['doc'] });
  const table = await openTable(h.store, {
    node: h.node,
    table: { schema: 'public', name: 't' },
    at: parseInstant(lsnOf(40)),
  });
  const { rows } = await tablePage(h.store, table, { after: null, limit: 10 });
  expect(rows.map(({ cells }) => cells[1])).toEqual(['null', null, ' null ']);
});
