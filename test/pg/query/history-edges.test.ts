/** Questions about many rows at the edges of what is known: positions in gaps, horizons that move between pages, columns that come and go. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ChangesRequest, changes } from '../../../core/query/changes.ts';
import { type FindRequest, findRows } from '../../../core/query/find.ts';
import { parseInstant } from '../../../core/query/instant.ts';
import { type TransactionsRequest, transactions } from '../../../core/query/transactions.ts';
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
