/** Questions about many rows at the edges of what is known: positions in gaps, horizons that move between pages, columns that come and go. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ChangesRequest, changes } from '../../../core/query/changes.ts';
import { type FindRequest, findRows } from '../../../core/query/find.ts';
import { NOW, parseInstant } from '../../../core/query/instant.ts';
import {
  type TransactionsRequest,
  transactionChanges,
  transactions,
  xidOf,
} from '../../../core/query/transactions.ts';
import { type TestDatabases, testDatabases } from '../../support/test-databases.ts';
import { lsnOf, StoreHistory, timeOf } from './query-history.ts';

let databases: TestDatabases;
beforeAll(async () => {
  databases = await testDatabases();
});
afterAll(() => databases[Symbol.asyncDispose]());

const ENDS = { table: { schema: 'public', name: 't' }, limit: 100, from: null, to: null };
const ask = (h: StoreHistory, request: Partial<ChangesRequest> = {}) =>
  changes(h.store, { node: h.node, ...ENDS, ...request });
const find = (h: StoreHistory, request: Partial<FindRequest> = {}) =>
  findRows(h.store, { node: h.node, ...ENDS, where: { id: '1' }, at: null, ...request });
const list = (h: StoreHistory, request: Partial<TransactionsRequest> = {}) =>
  transactions(h.store, { node: h.node, limit: 100, from: null, to: null, ...request });

const reasons = ({ unknownText }: { readonly unknownText: string }): string =>
  (JSON.parse(unknownText) as { readonly reason: string }[]).map(({ reason }) => reason).join();

const INTEGER = { type_oid: 23, type_name: 'integer', since_lsn: '0/0' };
const NUMERIC = { type_oid: 1700, type_name: 'numeric', since_lsn: '0/0' };
/** The facts about the columns of a period. */
const columns = (
  h: StoreHistory,
  relation: number,
  facts: readonly object[],
  past = false,
): Promise<unknown> =>
  h.store.query(
    `UPDATE pgtimewarp.${past ? 'past_relations' : 'tracked_relations'} SET columns = $2::jsonb WHERE relation_id = $1`,
    [relation, JSON.stringify(facts.map((each, index) => ({ attnum: index + 1, ...each })))],
  );

/** What each question says is unknown in an interval, asked by time and by position. */
async function expectSameByPosition(h: StoreHistory, places: readonly number[]): Promise<void> {
  const seen: Record<string, string>[] = [{}, {}];
  for (const from of places)
    for (const to of places.filter((each) => each >= from))
      for (const [index, textOf] of [timeOf, lsnOf].entries()) {
        const ends = { from: parseInstant(textOf(from)), to: parseInstant(textOf(to)) };
        const interval = `${from} to ${to}`;
        seen[index]![`changes ${interval}`] = reasons(await ask(h, ends));
        seen[index]![`transactions ${interval}`] = reasons(await list(h, ends));
        seen[index]![`diff ${interval}`] = reasons(
          await h.diff({ fromAt: textOf(from), toAt: textOf(to), key: '1' }),
        );
        if (from === to) seen[index]![`find ${from}`] = reasons(await find(h, { at: ends.from }));
      }
  expect(seen[1]).toEqual(seen[0]);
  expect(new Set(Object.values(seen[0]!))).toContain('in_gap');
}

test('a gap is named whether the ends of the interval are times or positions without a commit', async () => {
  const h = await StoreHistory.create(databases.store);
  const t = await h.track();
  await columns(h, t, [{ name: 'id', ...INTEGER }]);
  await h.change(t, 20, 'I');
  await h.gap(30, 50, t);
  await h.change(t, 70, 'U');
  await expectSameByPosition(h, [10, 25, 30, 31, 49, 50, 55, 70, 100]);
  expect(reasons(await find(h, { at: parseInstant(lsnOf(40)) }))).toBe('in_gap');
  // one end as a time, the other as a position
  const mixed = { from: parseInstant(timeOf(25)), to: parseInstant(lsnOf(40)) };
  expect(reasons(await ask(h, mixed))).toBe('in_gap');
  expect(reasons(await ask(h, { from: parseInstant(lsnOf(40)), to: parseInstant(timeOf(60)) }))).toBe(
    'in_gap',
  );
});

test('likewise where a table was not tracked for a while, and before it was', async () => {
  const h = await StoreHistory.create(databases.store);
  const past = await h.track({ to: 30 }, true);
  await h.change(past, 20, 'I');
  const t = await h.track({ from: 50 });
  await columns(h, t, [{ name: 'id', ...INTEGER }]);
  await h.change(t, 70, 'U');
  await expectSameByPosition(h, [10, 25, 30, 31, 49, 50, 55, 70, 100]);
  expect(reasons(await find(h, { at: parseInstant(lsnOf(5)) }))).toBe('before_tracking');
});

/** All pages of a question; between two of them a run moves the horizon. */
async function pagesWhile<P extends { readonly next: string | null }>(
  askPage: (cursor: string | null) => Promise<P>,
  run: () => Promise<void>,
): Promise<P[]> {
  const first = await askPage(null);
  await run();
  const pages = [first];
  for (let { next } = first; next !== null; next = pages.at(-1)!.next) pages.push(await askPage(next));
  return pages;
}

for (const end of [undefined, timeOf(99), lsnOf(99)])
  test(`every page of an answer is as of the horizon of the first one (to: ${end ?? 'the horizon'})`, async () => {
    const to = end === undefined ? null : parseInstant(end);
    const history = async () => {
      const h = await StoreHistory.create(databases.store, 30);
      const t = await h.track();
      await columns(h, t, [
        { name: 'id', ...INTEGER },
        { name: 'v', ...INTEGER },
      ]);
      for (const id of ['1', '2', '3', '4'])
        await h.change(t, 20 + Number(id), 'I', id, { row: `{"id":${id},"v":1}` });
      const run = async (): Promise<void> => {
        await h.change(t, 40, 'I', '0', { row: '{"id":0,"v":1}' });
        await h.change(t, 41, 'U', '4', { row: '{"id":4,"v":2}' });
        await h.moveHorizon(50);
      };
      return { h, run };
    };
    const before = timeOf(30);
    const last = { to: before, final: true };

    const a = await history();
    const found = await pagesWhile(
      (cursor) => find(a.h, { at: to ?? NOW, where: { v: '1' }, limit: 3, cursor }),
      a.run,
    );
    expect(found.flatMap(({ rows }) => rows.map(({ pkText }) => JSON.parse(pkText).id))).toEqual([
      '1',
      '2',
      '3',
      '4',
    ]);
    expect(found.at(-1)).toMatchObject(last);

    const b = await history();
    const net = await pagesWhile((cursor) => ask(b.h, { net: true, to, limit: 1, cursor }), b.run);
    expect(net.flatMap((page) => page.changes.map(({ afterText }) => JSON.parse(afterText!).v))).toEqual([
      1, 1, 1, 1,
    ]);
    expect(net.at(-1)).toMatchObject(last);

    const c = await history();
    const committed = await pagesWhile((cursor) => list(c.h, { to, limit: 1, cursor }), c.run);
    expect(committed.flatMap((page) => page.transactions.map(({ xid }) => xid))).toEqual([
      '724',
      '723',
      '722',
      '721',
    ]);
    expect(committed.at(-1)).toMatchObject(last);

    const d = await history();
    const changed = await pagesWhile((cursor) => ask(d.h, { to, limit: 1, cursor }), d.run);
    expect(changed.flatMap((page) => page.changes.map(({ op }) => op))).toEqual(['I', 'I', 'I', 'I']);
    expect(changed.at(-1)).toMatchObject(last);
  });

test('a cursor that no page gave is refused, and none leads out of the interval', async () => {
  const h = await StoreHistory.create(databases.store);
  const t = await h.track();
  for (const commit of [58, 60]) await h.change(t, commit, 'I', `${commit}`);
  const read = (cursor: string): string[] => JSON.parse(Buffer.from(cursor, 'base64url').toString());
  const written = (parts: readonly string[]): string =>
    Buffer.from(JSON.stringify(parts)).toString('base64url');
  const refused = { code: 'BAD_FLAGS', message: 'Not a cursor of an earlier page.' };
  const [question, ...ends] = read((await ask(h, { limit: 1 })).next!).slice(0, 4) as [string, ...string[]];
  const place = [`${t}`, '0/1', '1', ''];
  for (const parts of [
    [question, ...ends, '9999999999', '0/1', '1', ''],
    [question, '', '', '2026-01-01T99:00:00.000000Z', ...place],
    [question, 'yesterday', '', '', ...place],
    [question, ...place],
    place,
  ])
    await expect(ask(h, { cursor: written(parts) })).rejects.toMatchObject(refused);
  const listed = read((await list(h, { limit: 1 })).next!).slice(0, 4);
  for (const time of ['9999-99-99T00:00:00.000000Z', '2026-02-30T00:00:00.000000Z'])
    await expect(list(h, { cursor: written([...listed, '1', time, '0/1']) })).rejects.toMatchObject(refused);
  // a place in another table
  await expect(
    ask(h, { cursor: written([question, ...ends, `${t + 1_000_000}`, '0/1', '1', '']) }),
  ).rejects.toMatchObject({ code: 'BAD_FLAGS' });
  expect((await ask(h, { cursor: written([question, ...ends, ...place]) })).changes).toHaveLength(2);
  const late = { from: parseInstant(timeOf(59)) };
  const lateCursor = read((await ask(h, { from: parseInstant(timeOf(30)), limit: 1 })).next!);
  lateCursor[1] = timeOf(59);
  expect(
    (await ask(h, { ...late, cursor: written([...lateCursor.slice(0, 4), ...place]) })).changes,
  ).toHaveLength(1);
});

test('a cursor goes on only with the question that gave it; its instants may be left out', async () => {
  const h = await StoreHistory.create(databases.store);
  const t = await h.track();
  await columns(h, t, [
    { name: 'id', ...INTEGER },
    { name: 'v', ...INTEGER },
  ]);
  for (const id of ['1', '2', '3']) await h.change(t, 20, 'I', id, { row: `{"id":${id},"v":1}` });
  for (const id of ['1', '2', '3'])
    await h.change(t, 30 + Number(id), 'U', id, { row: `{"id":${id},"v":2}` });
  const another = { code: 'BAD_FLAGS', message: 'The cursor is of a page of another question.' };
  const at = (place: number) => parseInstant(timeOf(place));
  const [from, to] = [at(15), at(90)];

  const changed = { from, to, filter: { op: ['U'] }, limit: 1 };
  const { next: cursor } = await ask(h, changed);
  for (const other of [
    { filter: { op: ['U', 'D'] } },
    { filter: { op: ['U'], where: { v: '2' } } },
    { filter: { op: ['U'], by: { who: 'me' } } },
    { filter: { op: ['U'], changed: ['v'] } },
    { from: at(14) },
    { to: at(80) },
    { to: parseInstant(lsnOf(90)) },
    { net: true },
  ])
    await expect(ask(h, { ...changed, ...other, cursor }), Object.keys(other).join()).rejects.toMatchObject(
      'net' in other ? { code: 'BAD_FLAGS' } : another,
    );
  const rest = (await ask(h, { ...changed, limit: 5, cursor })).changes;
  expect(rest.map(({ lsn }) => lsn)).toEqual([lsnOf(32), lsnOf(33)]);
  const short = await ask(h, { filter: { op: ['U'] }, cursor });
  expect([short.changes, short.from, short.to]).toEqual([rest, timeOf(15), timeOf(90)]);
  // the order of values by name, and the spelling of an instant, are no other question
  const both = await ask(h, { filter: { where: { v: '1', id: '1' } }, limit: 1 });
  const turned = { filter: { where: { id: '1', v: '1' } }, cursor: both.next };
  expect((await ask(h, turned)).changes).toHaveLength(1);
  const spelled = parseInstant(timeOf(15).replace('Z', '+00:00'));
  expect((await ask(h, { ...changed, from: spelled, cursor })).changes).toHaveLength(1);

  const net = await ask(h, { net: true, from: at(25), to, limit: 1 });
  await expect(ask(h, { net: true, from: at(31), to, cursor: net.next })).rejects.toMatchObject(another);
  const listed = await list(h, { from, to, limit: 1 });
  await expect(list(h, { from, to, filter: { minRows: 2 }, cursor: listed.next })).rejects.toMatchObject(
    another,
  );
  expect((await list(h, { cursor: listed.next })).transactions).toHaveLength(3);

  const [whole] = (await list(h, { filter: { lsn: lsnOf(20) } })).transactions;
  const one = { node: h.node, transaction: whole!, limit: 1 };
  const first = await transactionChanges(h.store, one);
  await expect(
    transactionChanges(h.store, {
      ...one,
      transaction: { ...whole!, lsn: lsnOf(31) },
      cursor: first.next,
    }),
  ).rejects.toMatchObject(another);

  const found = await find(h, { where: { v: '1' }, from, to, limit: 1 });
  for (const other of [{ where: { v: '2' } }, { at: at(20), from: null, to: null }, { from: at(14) }])
    await expect(
      find(h, { where: { v: '1' }, from, to, ...other, cursor: found.next }),
    ).rejects.toMatchObject(another);
  for (const ends of [{ from, to }, { at: NOW }])
    expect((await find(h, { where: { v: '1' }, ...ends, cursor: found.next })).rows).toHaveLength(2);
  const then = await find(h, { where: { v: '1' }, at: at(25), limit: 1 });
  for (const ends of [{ at: at(26) }, { from, to }])
    await expect(find(h, { where: { v: '1' }, ...ends, cursor: then.next })).rejects.toMatchObject(another);
  expect((await find(h, { where: { v: '1' }, at: NOW, cursor: then.next })).rows).toHaveLength(2);
});

test('an operation that no such answer has is refused', async () => {
  const h = await StoreHistory.create(databases.store);
  await h.track();
  const refused = { code: 'BAD_FLAGS' };
  await expect(list(h, { filter: { op: ['I', 'S'] } })).rejects.toMatchObject({
    ...refused,
    message: 'Transactions have no operation S.',
  });
  for (const op of ['S', 'T'])
    await expect(ask(h, { net: true, filter: { op: [op] } })).rejects.toMatchObject(refused);
  await expect(ask(h, { filter: { op: ['X'] } })).rejects.toMatchObject(refused);
});

test('the number of a transaction may have 64 bits: the log has the lower 32', () => {
  expect(['1', '731', '4294967295', '4294967296', '4294968027', '18446744073709551615'].map(xidOf)).toEqual([
    ...['1', '731', '4294967295', '0', '731', '4294967295'],
  ]);
  expect(
    ['0', '01', '-1', '1.0', '', 'x', '18446744073709551616', '99999999999999999999'].map(xidOf),
  ).toEqual(Array.from({ length: 8 }, () => null));
});

test('a question that takes too long, or has a value that the store cannot hold, says so', async () => {
  const h = await StoreHistory.create(databases.store);
  const t = await h.track();
  await columns(h, t, [{ name: 'id', ...INTEGER }]);
  const unholdable = { code: 'BAD_FLAGS', message: 'The store cannot hold a value of this filter.' };
  for (const question of [
    ask(h, { filter: { where: { id: '1\0' } } }),
    list(h, { filter: { by: { 'a\0': 'x' } } }),
    find(h, { where: { id: '\0' } }),
  ])
    await expect(question).rejects.toMatchObject(unholdable);
  // a name that objects of JavaScript have by themselves
  await expect(ask(h, { filter: { where: Object.fromEntries([['__proto__', '1']]) } })).rejects.toMatchObject(
    { code: 'BAD_FLAGS', message: 'T has no column __proto__.' },
  );

  await databases.store.query(`BEGIN; SET LOCAL statement_timeout = '1ms'`);
  try {
    const asking = async (): Promise<void> => {
      for (let times = 0; times < 50; times++) await list(h, { filter: { by: { a: 'x' } } });
    };
    await expect(asking()).rejects.toMatchObject({ code: 'QUESTION_TOO_LONG' });
  } finally {
    await databases.store.query('ROLLBACK');
  }
});

const KEY = [{ name: 'id', ...INTEGER }];
const rowsWith = async (h: StoreHistory, where: Readonly<Record<string, string>>): Promise<string[]> => {
  const { rows } = await find(h, { from: parseInstant(timeOf(10)), where });
  const listed = (await ask(h, { filter: { where, op: ['I', 'U'] } })).changes;
  expect(listed.map(({ lsn }) => lsn)).toEqual(
    expect.arrayContaining(rows.map((row) => JSON.parse(row.validFromText).lsn)),
  );
  return rows.map(({ rowText }) => rowText);
};

/** A column that took over its name from another one between commits 40 and 50. */
const swapped = (name: string, was: string) => ({
  name,
  ...INTEGER,
  since_lsn: lsnOf(50),
  former_names: [{ name: was, since_lsn: '0/0', until_lsn: lsnOf(40) }],
});

test('columns that took over names: a value is looked for under the name of its time', async () => {
  const h = await StoreHistory.create(databases.store);
  const t = await h.track();
  await columns(h, t, [...KEY, swapped('a', 'b'), swapped('b', 'a')]);
  const [early, between, late] = [
    `{"id":1,"a":10,"b":20}`,
    `{"id":1,"a":30,"b":40}`,
    `{"id":1,"b":11,"a":20}`,
  ];
  await h.change(t, 20, 'I', '1', { row: early });
  await h.change(t, 45, 'U', '1', { row: between });
  await h.change(t, 60, 'U', '1', { row: late });
  expect(await rowsWith(h, { a: '20' })).toEqual([early, late]);
  expect(await rowsWith(h, { a: '10' })).toEqual([]);
  expect(await rowsWith(h, { a: '11' })).toEqual([]);
  expect(await rowsWith(h, { b: '10' })).toEqual([early]);
  expect(await rowsWith(h, { b: '11' })).toEqual([late]);
  // between two runs either column may have had the name
  for (const name of ['a', 'b'])
    for (const value of ['30', '40']) expect(await rowsWith(h, { [name]: value })).toEqual([between]);
});

for (const net of [false, true])
  test(`columns that took over names: a change is one of the column that had the name then${net ? ', net' : ''}`, async () => {
    const h = await StoreHistory.create(databases.store);
    const t = await h.track();
    await columns(h, t, [...KEY, swapped('a', 'b'), swapped('b', 'a')]);
    const row = (key: number, members: string): string => `{"id":${key},${members}}`;
    const history = [
      ['1', 20, '"a":1,"b":1', 25, '"a":1,"b":2'], // the column that is a now
      ['2', 20, '"a":1,"b":1', 25, '"a":2,"b":1'],
      ['3', 55, '"b":1,"a":1', 60, '"b":1,"a":2'],
      ['4', 55, '"b":1,"a":1', 60, '"b":2,"a":1'],
      ['5', 42, '"a":1,"b":1', 45, '"a":1,"b":2'], // between two runs either column may have had the name
      ['6', 25, '"a":1,"b":2', 60, '"b":1,"a":2'], // the names of both rows count
    ] as const;
    for (const [key, inserted, before, updated, after] of history) {
      await h.change(t, inserted, 'I', key, { row: row(Number(key), before) });
      await h.change(t, updated, 'U', key, { row: row(Number(key), after) });
    }
    const changed = async (name: string): Promise<string> => {
      let keys = '';
      for (const [key, inserted, , updated] of history) {
        const ends = { from: parseInstant(timeOf(inserted)), to: parseInstant(timeOf(updated)) };
        const page = await ask(h, { net, ...ends, filter: { changed: [name], op: ['U'] } });
        if (page.changes.some(({ pkText }) => pkText === `{"id":"${key}"}`)) keys += key;
      }
      return keys;
    };
    expect([await changed('a'), await changed('b')]).toEqual(['1356', '2456']);
  });

test('a column that an earlier period lacked, or that had another type, is no reason to refuse', async () => {
  const h = await StoreHistory.create(databases.store);
  const past = await h.track({ to: 30 }, true);
  await columns(h, past, KEY, true);
  await h.change(past, 20, 'I');
  const t = await h.track({ from: 50 });
  await columns(h, t, [...KEY, { name: 'v', ...NUMERIC }]);
  await h.change(t, 60, 'I', '5', { row: '{"id":5,"v":"abc"}' });
  await h.change(t, 61, 'U', '5', { row: '{"id":5,"v":1.0}' });
  expect(await rowsWith(h, { v: '1' })).toEqual(['{"id":5,"v":1.0}']);
  const page = await ask(h, { filter: { changed: ['v'] } });
  expect(page.changes.map(({ op, lsn }) => [op, lsn])).toEqual([['U', lsnOf(61)]]);
  expect((await ask(h, { net: true, filter: { where: { v: '1' } } })).changes).toHaveLength(1);
});

test('a question about a column that has no values in the history is refused, or answers all rows that may have it', async () => {
  const h = await StoreHistory.create(databases.store);
  const t = await h.track();
  await columns(h, t, [...KEY, { name: 'v', ...NUMERIC }, { name: 'secret', ...NUMERIC }]);
  await h.store.query(
    `UPDATE pgtimewarp.tracked_relations SET excluded_columns = '{secret}' WHERE relation_id = $1`,
    [t],
  );
  await h.store.query(
    `INSERT INTO pgtimewarp.virtual_columns (relation_id, column_name, from_lsn, from_ts) VALUES ($1, 'v', '0/0', '2025-01-01Z')`,
    [t],
  );
  await h.change(t, 60, 'I', '5', { row: '{"id":5}' });
  const found = await find(h, { from: parseInstant(timeOf(10)), where: { v: '1' } });
  expect(found.rows).toMatchObject([{ rowText: '{"id":5}', incomplete: ['v'] }]);
  expect((await ask(h, { filter: { where: { v: '1' } } })).changes).toMatchObject([{ incomplete: ['v'] }]);
  for (const net of [false, true])
    for (const filter of [{ where: { secret: '1' } }, { changed: ['secret'] }, { changed: ['nothing'] }])
      await expect(ask(h, { net, filter })).rejects.toMatchObject({ code: 'BAD_FLAGS' });
  await expect(find(h, { at: NOW, where: { secret: '1' } })).rejects.toMatchObject({ code: 'BAD_FLAGS' });
});

test('what is left of expired changes does not count as what a transaction did', async () => {
  const h = await StoreHistory.create(databases.store);
  const t = await h.track();
  for (const id of ['1', '2', '3']) await h.change(t, 20, 'I', id);
  await h.change(t, 30, 'U', '1');
  await h.change(t, 60, 'U', '1');
  await h.store.query(
    `INSERT INTO pgtimewarp.relation_retention (relation_id, retention, expired_before_lsn, expired_before_ts) VALUES ($1, '1 day', $2, $3)`,
    [t, lsnOf(30), timeOf(40)],
  );
  // of commit 20 the rows 2 and 3 are left: the last versions before the cutoff
  await h.store.query(
    `DELETE FROM pgtimewarp.row_changes WHERE relation_id = $1 AND pk = '["1"]' AND valid_from_lsn = $2`,
    [t, lsnOf(20)],
  );
  const page = await list(h);
  expect(page.transactions).toMatchObject([{ lsn: lsnOf(60), rows: '1' }]);
  expect(reasons(page)).toBe('expired');
  const transaction = { ...page.transactions[0]!, lsn: lsnOf(20), ts: timeOf(20) };
  const touched = await transactionChanges(h.store, { node: h.node, transaction, limit: 10 });
  expect([touched.changes, reasons(touched)]).toEqual([[], 'expired']);
});

for (const [what, micros] of [
  ['before', -1],
  ['at', 0],
  ['after', 1],
] as const)
  test(`a commit ${what} the cutoff of retention is listed, or its time is unknown`, async () => {
    const h = await StoreHistory.create(databases.store);
    const t = await h.track();
    await columns(h, t, [{ name: 'id', ...INTEGER }]);
    for (const n of [30, 50, 70]) await h.change(t, n, n === 30 ? 'I' : 'U');
    await h.store.query(
      `INSERT INTO pgtimewarp.relation_retention (relation_id, retention) VALUES ($1, '50 seconds'::interval + make_interval(secs => $2))`,
      [t, micros / 1e6],
    );
    expect((await h.store.query('SELECT pgtimewarp.retention_advance($1) AS moved', [t])).rows).toEqual([
      { moved: true },
    ]);
    const known = ({ unknownText }: { readonly unknownText: string }): number[] => {
      const holes = JSON.parse(unknownText) as { readonly from: string; readonly to: string }[];
      return [30, 50, 70].filter((n) => !holes.some(({ from, to }) => from <= timeOf(n) && timeOf(n) < to));
    };
    const expected = micros < 0 ? [70] : [50, 70];
    const of = (entries: readonly { readonly lsn: string }[]): string[] => entries.map(({ lsn }) => lsn);
    const [all, commits, one] = [await ask(h), await list(h), await h.diff()];
    expect([known(all), known(commits), known(one)]).toEqual([expected, expected, expected]);
    expect(of(all.changes)).toEqual(expected.map(lsnOf));
    expect(of(commits.transactions)).toEqual(expected.map(lsnOf).reverse());
    expect(one.changes.map(({ lsn }) => lsn)).toEqual(expected.map(lsnOf));
    if (micros >= 0) expect(all.changes[0]).toMatchObject({ beforeText: '{"id":1,"n":30}' });
  });

for (const lost of ['a TRUNCATE', 'a gap'])
  test(`net: an insert after ${lost} does not show that the row was absent before`, async () => {
    const h = await StoreHistory.create(databases.store);
    const t = await h.track({ baseline: 'none' });
    await columns(h, t, KEY);
    if (lost === 'a gap') await h.gap(40, 45, t);
    else await h.truncate(t, 40);
    await h.commit(45, 745); // the end of a gap stands in the map
    await h.change(t, 50, 'I', '1');
    await h.change(t, 60, 'I', '2');
    await h.change(t, 70, 'U', '2');
    const net = async (from: number) =>
      (await ask(h, { net: true, from: parseInstant(timeOf(from)) })).changes.map(({ op, beforeText }) => [
        op,
        beforeText,
      ]);
    // the same verdict as about one key
    expect(await h.line(timeOf(30))).toBe('unknown/before_tracking');
    expect(await net(30)).toEqual([
      ['U', null],
      ['U', null],
    ]);
    expect(await h.line(timeOf(48))).toBe('absent/not_yet_inserted');
    expect(await net(48)).toEqual([
      ['I', null],
      ['I', null],
    ]);
  });

test('a column whose value is not known may have changed', async () => {
  const h = await StoreHistory.create(databases.store);
  const t = await h.track();
  await columns(h, t, [...KEY, { name: 'v', ...NUMERIC }, { name: 'w', ...NUMERIC }]);
  const row = { row: '{"id":1,"v":null,"w":1}', incomplete: ['v'] };
  await h.change(t, 20, 'I', '1', row);
  await h.change(t, 30, 'U', '1', row);
  await h.change(t, 40, 'U', '2', { row: '{"id":2,"v":1,"w":1}' });
  const from = parseInstant(timeOf(25));
  for (const net of [false, true]) {
    const answer = async (filter: object) =>
      (await ask(h, { net, from, filter })).changes.map(({ pkText, op, incomplete }) => [
        pkText,
        op,
        incomplete,
      ]);
    expect(await answer({ changed: ['v'] })).toEqual([['{"id":"1"}', 'U', ['v']]]);
    expect(await answer({ changed: ['w'] })).toEqual([]);
    expect(await answer({ where: { id: '1' } })).toEqual([['{"id":"1"}', 'U', ['v']]]);
  }
  // of a row to which nothing happened there is nothing to say
  await h.truncate(t, 50, { leaf: 9 });
  expect((await ask(h, { net: true, from: parseInstant(timeOf(45)) })).changes).toEqual([]);
});

test('an LSN space that begins lower than the one before changes no answer that is asked for by time', async () => {
  const h = await StoreHistory.create(databases.store, 100, 2);
  const past = await h.track({ to: 40 }, true);
  const t = await h.track({ from: 50, space: 2 });
  await columns(h, past, KEY, true);
  await columns(h, t, KEY);
  for (const [n, op, key] of [
    [12, 'I', '1'],
    [14, 'I', '2'],
    [20, 'U', '1'],
    [30, 'D', '2'],
  ] as const)
    await h.change(past, n, op, key);
  await h.change(t, 50, 'S', '1', { read: 52, space: 2 });
  for (const [n, op, key] of [
    [55, 'I', '2'],
    [60, 'U', '1'],
    [70, 'D', '1'],
    [80, 'U', '2'],
  ] as const)
    await h.change(t, n, op, key, { space: 2 });
  await h.gap(40, 50);
  const answers = async (): Promise<unknown[]> => {
    const seen: unknown[] = [];
    const places = [null, 13, 40, 45, 50, 60, 110];
    for (const from of places)
      for (const to of places.filter((each) => each === null || from === null || each >= from)) {
        const instant = (n: number | null) => (n === null ? null : parseInstant(timeOf(n)));
        const ends = { from: instant(from), to: instant(to) };
        const pages = [];
        for (const net of [false, true])
          pages.push(...(await allOf((cursor) => ask(h, { ...ends, net, limit: 2, cursor }))));
        pages.push(...(await allOf((cursor) => list(h, { ...ends, limit: 2, cursor }))));
        pages.push(...(await allOf((cursor) => find(h, { ...ends, limit: 1, cursor }))));
        if (to !== null) pages.push(await find(h, { at: ends.to, where: { id: '2' } }));
        seen.push({ from, to, pages });
      }
    return seen;
  };
  const withoutPositions = (seen: unknown[]): string =>
    JSON.stringify(seen, (name, value) =>
      ['lsn', 'next', 'horizon'].includes(name) ? undefined : value,
    ).replaceAll(/\\"lsn\\": ?\\"[0-9A-F/]+\\"/g, '');
  const before = withoutPositions(await answers());
  await h.store.query(
    `UPDATE pgtimewarp.row_changes SET valid_from_lsn = valid_from_lsn - 12000, read_lsn = read_lsn - 12000 WHERE relation_id = ${t};
     UPDATE pgtimewarp.tracked_relations SET tracked_from_lsn = tracked_from_lsn - 12000 WHERE relation_id = ${t};
     UPDATE pgtimewarp.lsn_time_map SET lsn = lsn - 12000 WHERE node_id = '${h.node}' AND lsn_space = 2;
     UPDATE pgtimewarp.wal_checkpoints SET applied_lsn = applied_lsn - 12000 WHERE node_id = '${h.node}';
     UPDATE pgtimewarp.history_gaps SET to_lsn = to_lsn - 12000 WHERE node_id = '${h.node}'`,
  );
  const after = withoutPositions(await answers());
  expect(JSON.parse(after)).toEqual(JSON.parse(before));
  expect(before).toContain('in_gap');
});

/** Every page of an answer. */
async function allOf<P extends { readonly next: string | null }>(
  askPage: (cursor: string | null) => Promise<P>,
): Promise<P[]> {
  const pages = [await askPage(null)];
  for (let { next } = pages[0]!; next !== null; next = pages.at(-1)!.next) pages.push(await askPage(next));
  return pages;
}
