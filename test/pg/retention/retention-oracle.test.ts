/**
 * Retention compared with a twin that keeps everything: inside the window every answer equals the twin's, before it every
 * answer is expired, after every step and while others read.
 */
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatLsn, parseLsn } from '../../../core/types/lsn.ts';
import { EXPIRED, expected, gist, KEYS, RetentionTwins, random } from '../../support/retention-twins.ts';
import { connectForTest } from '../../support/test-client.ts';
import { type TestDatabases, testDatabases } from '../../support/test-databases.ts';
import { timeOf } from '../query/query-history.ts';

let databases: TestDatabases;

beforeAll(async () => {
  databases = await testDatabases();
});

afterAll(async () => {
  await databases?.[Symbol.asyncDispose]();
});

const PERIODS = {
  'a baseline of all rows': { baseline: 'done', baselineRead: 14 },
  'no baseline': { baseline: 'none' },
  'a TRUNCATE while the baseline was read': { baseline: 'done', baselineRead: 14, unseenUnknownBefore: 60 },
} as const;

async function compare(
  twins: RetentionTwins,
  session: pg.Client,
): Promise<{ asked: number; expired: number }> {
  const questions = twins.questions(70);
  const cutoff = await twins.cutoff();
  let expired = 0;
  for (const by of ['ts', 'lsn'] as const) {
    const truth = await twins.truth(questions, by);
    const answers = await twins.answers(session, questions, by);
    for (const [index, question] of questions.entries()) {
      const got = gist(answers[index]!);
      expect(got, `${by} key ${question.key} at ${question.n}, cutoff ${cutoff.ts}`).toBe(
        expected(truth[index]!, question, cutoff, by),
      );
      if (got === EXPIRED) expired++;
    }
  }
  return { asked: questions.length * 2, expired };
}

describe.each(Object.entries(PERIODS))('with %s', (_name, period) => {
  test('after every step, answers inside the window stay and answers before it are expired', async () => {
    const session = await databases.connect('store');
    const twins = await RetentionTwins.create(session, { ...period, window: 25, seed: 7 });
    const pick = random(11);
    let [asked, expired, dropped] = [0, 0, 0];
    for (let round = 0; round < 14; round++) {
      await twins.happen(1 + pick(6), pick(3) === 0 ? pick(12) : 0);
      let steps = pick(4) === 0 ? 1000 : pick(3); // most passes end before the last step
      const result = await twins.forget(session, () => steps-- > 0);
      dropped += result.rangesDropped;
      const compared = await compare(twins, session);
      asked += compared.asked;
      expired += compared.expired;
    }
    await twins.forget(session);
    await compare(twins, session);
    expect(asked).toBeGreaterThan(5_000);
    expect(expired).toBeGreaterThan(500);
    expect(dropped).toBeGreaterThan(2);
  }, 180_000);
});

test('space is freed: versions, events and map entries before the window go, one version per live key stays', async () => {
  const session = await databases.connect('store');
  const twins = await RetentionTwins.create(session, {
    baseline: 'done',
    baselineRead: 14,
    window: 20,
    seed: 3,
  });
  for (let round = 0; round < 40; round++) {
    await twins.happen(5);
    await twins.forget(session);
  }
  const count = async (sql: string, id: unknown): Promise<number> =>
    Number((await session.query<{ count: string }>(sql, [id])).rows[0]!.count);
  const { node } = twins.forgetting;
  expect(
    await count('SELECT count(*) FROM pgtimewarp.row_changes WHERE relation_id = $1', twins.relation),
  ).toBeLessThan(40);
  expect(
    await count('SELECT count(*) FROM pgtimewarp.relation_events WHERE relation_id = $1', twins.relation),
  ).toBeLessThan(5);
  expect(await count('SELECT count(*) FROM pgtimewarp.lsn_time_map WHERE node_id = $1', node)).toBeLessThan(
    30,
  );
  expect(
    await count('SELECT count(*) FROM pgtimewarp.relation_ranges WHERE relation_id = $1', twins.relation),
  ).toBeLessThan(24);
  const bases = await session.query<{ table_name: string }>(
    'SELECT table_name FROM pgtimewarp.relation_ranges WHERE relation_id = $1 AND is_base',
    [twins.relation],
  );
  const inBase = await session.query(
    `SELECT pk, count(*) FROM pgtimewarp.${bases.rows[0]!.table_name} GROUP BY pk HAVING count(*) > 1 OR bool_or(op = 'D')`,
  );
  expect(inBase.rows).toEqual([]);
  await compare(twins, session);
}, 120_000);

test('concurrent readers get the answer or `expired`, never another one', async () => {
  const session = await databases.connect('store');
  const twins = await RetentionTwins.create(session, {
    baseline: 'done',
    baselineRead: 14,
    window: 30,
    seed: 5,
  });
  let stop = false;
  let [asked, expired] = [0, 0];
  const wrong: string[] = [];
  let table = new Map<string, Awaited<ReturnType<RetentionTwins['truth']>>[number]>();
  const read = async (reader: pg.Client, seed: number): Promise<void> => {
    const pick = random(seed);
    while (!stop) {
      const known = table;
      const now = twins.now;
      const batch = Array.from({ length: 40 }, () => ({
        n: 10 + pick(now - 9),
        key: KEYS[pick(KEYS.length)]!,
      }));
      const from = await twins.cutoff(reader); // the cutoff may move while we ask: then `expired` is right as well
      const answers = await twins.answers(reader, batch, 'ts');
      const upto = await twins.cutoff(reader);
      if (known !== table) continue; // the history has continued meanwhile
      for (const [index, question] of batch.entries()) {
        const truth = known.get(`${question.n} ${question.key}`);
        if (truth === undefined) continue;
        const got = gist(answers[index]!);
        const right = new Set([from, upto].map((cutoff) => expected(truth, question, cutoff)));
        asked++;
        if (got === EXPIRED) expired++;
        if (!right.has(got))
          wrong.push(
            `key ${question.key} at ${question.n}, cutoff ${from.ts}..${upto.ts}: ${got}, not ${[...right]}`,
          );
      }
    }
  };
  const clients = [await connectForTest(databases.storeUrl), await connectForTest(databases.storeUrl)];
  const readers = clients.map((client, index) => read(client, 100 + index));
  for (let round = 0; round < 14; round++) {
    table = new Map();
    await twins.happen(8);
    const questions = twins.questions(60);
    const truth = await twins.truth(questions, 'ts');
    table = new Map(
      truth.map((answer, index) => [`${questions[index]!.n} ${questions[index]!.key}`, answer]),
    );
    await twins.forget(session);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  stop = true;
  await Promise.all(readers);
  await Promise.all(clients.map((client) => client.end()));
  expect(wrong).toEqual([]);
  expect(asked).toBeGreaterThan(500);
  expect(expired).toBeGreaterThan(50);
}, 120_000);

test('a reader with an older snapshot sees the same as before, and nothing that it needs is dropped', async () => {
  const session = await databases.connect('store');
  const twins = await RetentionTwins.create(session, {
    baseline: 'done',
    baselineRead: 14,
    window: 20,
    seed: 9,
  });
  await twins.happen(15);
  await twins.forget(session);
  const reader = await databases.connect('store');
  await reader.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
  const questions = twins.questions().filter((question) => question.n >= 10);
  await reader.query('SELECT 1'); // it now has a snapshot, and no lock on our tables
  const before = (await twins.answers(session, questions, 'ts')).map(gist);
  await twins.happen(40);
  let passes = 5;
  const result = await twins.forget(session, () => passes-- > 0);
  expect(result.unfinished).toEqual([twins.relation]);
  expect((await twins.answers(reader, questions, 'ts')).map(gist)).toEqual(before);
  await reader.query('COMMIT');
  expect((await twins.forget(session)).rangesDropped).toBeGreaterThan(0);
  await compare(twins, session);
}, 60_000);

test('diff lists the changes inside the window and reports the rest as expired', async () => {
  const session = await databases.connect('store');
  const twins = await RetentionTwins.create(session, {
    baseline: 'done',
    baselineRead: 14,
    window: 30,
    seed: 13,
  });
  for (let round = 0; round < 12; round++) {
    await twins.happen(7);
    await twins.forget(session);
    const { ts: cutoff, lsn: edge } = await twins.cutoff();
    for (const key of KEYS) {
      for (const [from, to] of [
        [10, twins.now],
        [cutoff, twins.now],
        [twins.now - 10, twins.now],
        [10, Math.max(11, cutoff - 3)],
      ] as const) {
        const ask = { fromAt: timeOf(from), toAt: timeOf(to), key };
        const [kept, all] = [await twins.forgetting.diff(ask), await twins.keeping.diff(ask)];
        const inside = all.changes.filter(
          (change) => parseLsn(change.lsn) > edge && !(change.op === 'S' && cutoff > 10),
        );
        expect(kept.changes, `key ${key} ${from}..${to}, cutoff ${cutoff}`).toEqual(inside);
        const reasons = (JSON.parse(kept.unknownText) as { reason: string }[]).map((hole) => hole.reason);
        expect(reasons.includes('expired'), `${from} ${cutoff} ${kept.unknownText}`).toBe(
          cutoff > 10 && from < cutoff,
        );
      }
    }
  }
}, 60_000);

test('row_versions has no wrong interval at the start of the window', async () => {
  const session = await databases.connect('store');
  const twins = await RetentionTwins.create(session, {
    baseline: 'done',
    baselineRead: 14,
    window: 25,
    seed: 17,
  });
  for (let round = 0; round < 12; round++) {
    await twins.happen(9);
    await twins.forget(session);
  }
  const cutoff = await twins.cutoff();
  const versions = async (node: string): Promise<string[]> => {
    const { rows } = await session.query<{ line: string }>(
      `SELECT concat_ws(' ', v.pk, v.op, v.row_data::text, v.valid_from_lsn, v.valid_to_lsn, v.valid_from_ts, v.xid, v.seq) AS line
         FROM pgtimewarp.row_versions v
        WHERE v.node_id = $1 AND v.op <> 'D' AND (v.valid_to_lsn IS NULL OR v.valid_to_lsn > $2::pg_lsn)
        ORDER BY v.pk, v.valid_from_lsn, v.seq`,
      [node, formatLsn(cutoff.lsn)],
    );
    return rows.map((row) => row.line);
  };
  expect(await versions(twins.forgetting.node)).toEqual(await versions(twins.keeping.node));
}, 60_000);
