/** Counts in intervals of equal length: each counts what the transactions of its interval say. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TableName } from '../../../core/pg/identifiers.ts';
import { type Activity, type ActivityRequest, activity } from '../../../core/query/activity.ts';
import { type Instant, parseInstant } from '../../../core/query/instant.ts';
import { transactions } from '../../../core/query/transactions.ts';
import { type TestDatabases, testDatabases } from '../../support/test-databases.ts';
import { lsnOf, StoreHistory, timeOf } from './query-history.ts';

let databases: TestDatabases;
beforeAll(async () => {
  databases = await testDatabases();
});
afterAll(() => databases[Symbol.asyncDispose]());

const ask = (h: StoreHistory, request: Partial<ActivityRequest> = {}): Promise<Activity> =>
  activity(h.store, { node: h.node, from: null, to: null, buckets: 10, ...request });

const COUNTS = ['inserts', 'updates', 'deletes', 'truncates'] as const;
type Counts = Readonly<Record<(typeof COUNTS)[number] | 'commits' | 'largest', number>>;

/** What the list of transactions says of an interval. */
async function listed(
  h: StoreHistory,
  ends: { readonly from: Instant | null; readonly to: Instant | null },
  only: readonly TableName[] | null,
): Promise<Counts> {
  const page = await transactions(h.store, { node: h.node, ...ends, only, limit: 1000 });
  expect(page.next).toBeNull();
  const tables = page.transactions.flatMap(
    (each) => JSON.parse(each.tablesText) as Record<(typeof COUNTS)[number], number>[],
  );
  const sums = COUNTS.map((name) => [name, tables.reduce((sum, each) => sum + each[name], 0)]);
  const largest = Math.max(0, ...page.transactions.map(({ rows }) => Number(rows)));
  return { ...(Object.fromEntries(sums) as Counts), commits: page.transactions.length, largest };
}

/** Fails unless every interval counts what its transactions say, and all of them what the whole interval says. */
async function expectCounted(h: StoreHistory, request: Partial<ActivityRequest>): Promise<Activity> {
  const { from = null, to = null, only = null } = request;
  const answer = await ask(h, request);
  expect(answer.buckets).toHaveLength(request.buckets ?? 10);
  const sum: Record<keyof Counts, number> = { ...(await listed(h, { from, to }, only)) };
  for (const [index, bucket] of answer.buckets.entries()) {
    if (index > 0) expect(bucket.from).toBe(answer.buckets[index - 1]!.to);
    const { from: start, to: end, ...texts } = bucket;
    const counts = Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, Number(text)]));
    const ends = {
      from: index === 0 ? from : parseInstant(start),
      to: index === answer.buckets.length - 1 ? to : parseInstant(end),
    };
    expect(counts, `${start} to ${end}`).toEqual(await listed(h, ends, only));
    for (const name of [...COUNTS, 'commits'] as const) sum[name] -= counts[name]!;
  }
  expect(sum).toMatchObject({ commits: 0, inserts: 0, updates: 0, deletes: 0, truncates: 0 });
  return answer;
}

/** Commits 11 to 60 of a table, every seventh a TRUNCATE, some of several rows; rows that were read count nowhere. */
async function history(): Promise<{ h: StoreHistory; relation: number }> {
  const h = await StoreHistory.create(databases.store, 80);
  const relation = await h.track();
  for (let n = 11; n <= 60; n++) {
    if (n % 7 === 0) await h.truncate(relation, n);
    else {
      const op = (['I', 'U', 'D'] as const)[n % 3]!;
      for (let row = 0; row <= n % 4; row++) await h.change(relation, n, op, `${row}`, { seq: row });
    }
  }
  await h.change(relation, 20, 'S', '77', { read: 21 });
  return { h, relation };
}

test('every interval counts what its transactions say, asked by time and by position', async () => {
  const { h } = await history();
  for (const buckets of [1, 7, 60]) await expectCounted(h, { buckets });
  for (const textOf of [timeOf, lsnOf])
    for (const [from, to] of [
      [10, 80],
      [13, 14],
      [20, 20],
      [33, 47],
    ] as const)
      for (const buckets of [1, 3, 14])
        await expectCounted(h, {
          buckets,
          from: parseInstant(textOf(from)),
          to: parseInstant(textOf(to)),
        });
});

test('an interval includes its end and not its beginning, to the microsecond', async () => {
  const { h } = await history();
  const [from, to] = [parseInstant(timeOf(12)), parseInstant(timeOf(14))];
  const { buckets } = await ask(h, { from, to, buckets: 2 });
  expect(buckets.map((each) => [each.from, each.to, each.commits])).toEqual([
    [timeOf(12), timeOf(13), '1'],
    [timeOf(13), timeOf(14), '1'],
  ]);
  const late = await ask(h, {
    from: parseInstant(timeOf(12, -1)),
    to: parseInstant(timeOf(14, -1)),
    buckets: 2,
  });
  expect(late.buckets.map(({ commits }) => commits)).toEqual(['1', '1']);
  // an interval of nine thousand years has ends to the microsecond, too
  const wide = {
    from: parseInstant('0001-01-01T00:00:00Z'),
    to: parseInstant('9999-12-31T23:59:59.999999Z'),
  };
  const ages = await ask(h, { ...wide, buckets: 3 });
  expect([ages.buckets[0]!.from, ages.buckets[2]!.to]).toEqual(
    [wide.from, wide.to].map((each) => each.kind === 'time' && each.requested.replace('00Z', '00.000000Z')),
  );
  expect(ages.buckets[0]!.commits).toBe('50');
});

test('what is not known is said, and later runs change only what is not final', async () => {
  const { h } = await history();
  await h.gap(40, 50);
  const ends = { from: parseInstant(timeOf(5)), to: parseInstant(timeOf(80)) };
  const answer = await ask(h, ends);
  expect(JSON.parse(answer.unknownText)).toMatchObject([
    { from: timeOf(5), to: timeOf(10), reason: 'before_tracking' },
    { from: timeOf(40), to: timeOf(50), reason: 'in_gap', tables: [{ schema: 'public', table: 't' }] },
  ]);
  expect(answer).toMatchObject({ final: true, horizon: { lsn: lsnOf(80), ts: timeOf(80) } });
  expect(await ask(h, { ...ends, to: parseInstant(timeOf(81)) })).toMatchObject({ final: false });
});

test('expired changes do not count, and changes of another server behind the node do', async () => {
  const { h, relation } = await history();
  await h.store.query(
    `INSERT INTO pgtimewarp.relation_retention (relation_id, retention, expired_before_lsn, expired_before_ts)
     VALUES ($1, '30 s', $2, $3)`,
    [relation, lsnOf(30), timeOf(30)],
  );
  expect((await expectCounted(h, {})).buckets[0]!.commits).toBe('0');
  await h.store.query(
    `UPDATE pgtimewarp.tracked_relations SET tracked_to_lsn = $2, tracked_to_ts = $3 WHERE relation_id = $1`,
    [relation, lsnOf(70), timeOf(70)],
  );
  await h.moveHorizon(90, 2);
  await h.store.query(`UPDATE pgtimewarp.tracked_relations SET table_name = 'old' WHERE relation_id = $1`, [
    relation,
  ]);
  const next = await h.track({ from: 75, space: 2 });
  for (const n of [76, 80]) await h.change(next, n, 'I', `${n}`, { space: 2 });
  for (const [from, to] of [
    [31, 90],
    [60, 78],
    [50, 60],
  ] as const)
    await expectCounted(h, { from: parseInstant(timeOf(from)), to: parseInstant(timeOf(to)), buckets: 9 });
  // a position is one of the present server
  await expectCounted(h, { from: parseInstant(lsnOf(76)), buckets: 3 });
  await expectCounted(h, { to: parseInstant(lsnOf(78)), buckets: 3 });
});

test('only some tables: as if there were no others', async () => {
  const { h, relation } = await history();
  await h.store.query(`UPDATE pgtimewarp.tracked_relations SET table_name = 'other' WHERE relation_id = $1`, [
    relation,
  ]);
  const mine = await h.track();
  for (const n of [15, 16]) await h.change(mine, n, 'U', '9', { seq: 50 });
  const all = await expectCounted(h, {});
  const own = await expectCounted(h, { only: [{ schema: 'public', name: 't' }] });
  const total = ({ buckets }: Activity): number =>
    buckets.reduce((sum, { commits }) => sum + Number(commits), 0);
  expect([total(all), total(own)]).toEqual([50, 2]);
  expect((await ask(h, { only: [] })).buckets).toEqual([]);
});

test('without a table there are no intervals, without the node there is no answer', async () => {
  const h = await StoreHistory.create(databases.store, 80);
  expect(await ask(h)).toMatchObject({ buckets: [], final: false });
  await expect(activity(h.store, { node: 'nobody', from: null, to: null, buckets: 1 })).rejects.toMatchObject(
    { code: 'NODE_UNKNOWN' },
  );
});

test('where no table was tracked, the intervals are empty', async () => {
  const { h } = await history();
  const [from, to] = [parseInstant('1969-01-01T00:00:00Z'), parseInstant('1969-12-31T23:59:59.951Z')];
  await expectCounted(h, { to }); // they have no length: tracking began later
  const { buckets } = await expectCounted(h, { from, to, buckets: 3 });
  expect(buckets.map(({ commits }) => commits)).toEqual(['0', '0', '0']);
  await expectCounted(h, { from, to: parseInstant(lsnOf(60)), only: [{ schema: 'no', name: 'no' }] });
});
