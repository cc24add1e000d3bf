/** Questions that are asked together: the same answers and errors as alone, in fewer statements, and none waits for another. */
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openReadPool, type ReadPool } from '../../../cli/serve/read-pool.ts';
import type { TimewarpError } from '../../../core/errors/timewarp-error.ts';
import type { Queryable } from '../../../core/pg/connection.ts';
import { type AsOfRequest, asOf } from '../../../core/query/as-of.ts';
import type { WithStore } from '../../../core/query/await-horizon.ts';
import { gatheredAsOf } from '../../../core/query/gathered-as-of.ts';
import { parseInstant } from '../../../core/query/instant.ts';
import { keyFromText } from '../../../core/query/key-input.ts';
import { startServe } from '../../support/serve.ts';
import { type TestDatabases, testDatabases } from '../../support/test-databases.ts';
import { lsnOf, StoreHistory, timeOf } from './query-history.ts';

let databases: TestDatabases;
let pool: ReadPool;
let history: StoreHistory;
let relation: number;

beforeAll(async () => {
  databases = await testDatabases();
  pool = openReadPool(databases.storeUrl);
  history = await StoreHistory.create(databases.store);
  relation = await history.track();
  for (let key = 1; key <= 20; key++) {
    await history.change(relation, 20 + key, 'I', String(key));
    await history.change(relation, 60 + key, 'U', String(key));
  }
});
afterAll(async () => {
  await pool?.[Symbol.asyncDispose]();
  await databases[Symbol.asyncDispose]();
});

const asked = (pk: string, at: string | null = lsnOf(50), name = 't', node = history.node): AsOfRequest => ({
  ...{ node, table: { schema: 'public', name } },
  ...{ pk: keyFromText(pk), at: parseInstant(at) },
});

/** A pool that counts the loans and the statements, and lends the first session only when told to. */
function lending(): {
  withStore: WithStore;
  loans: () => number;
  statements: () => number;
  begin: () => void;
} {
  let begin = (): void => {};
  const held = new Promise<void>((resolve) => {
    begin = resolve;
  });
  let loans = 0;
  let statements = 0;
  return {
    withStore: async <T>(ask: (store: Queryable) => Promise<T>): Promise<T> => {
      if (++loans === 1) await held;
      return await pool.withStore((session) => ask(counted(session, () => (statements += 1))));
    },
    loans: () => loans,
    statements: () => statements,
    begin: () => begin(),
  };
}

function counted(session: Queryable, count: () => void): Queryable {
  return new Proxy(session, {
    get: (target, name) => {
      if (name === 'query') count();
      const member: unknown = Reflect.get(target, name);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}

/** The answer, or the error as a caller sees it. */
async function outcome(answer: Promise<unknown>): Promise<unknown> {
  return await answer.catch(({ code, message, remedy }: TimewarpError) => ({ code, message, remedy }));
}

test('right questions: the answers of each alone, in a few statements', async () => {
  const { withStore, statements, begin } = lending();
  const ask = gatheredAsOf(withStore);
  const instants = [lsnOf(50), timeOf(70), lsnOf(90), null, lsnOf(5)]; // "now" is told in `as_of`, so that it comes last
  const requests = Array.from({ length: 40 }, (_, n) =>
    asked(String(1 + (n % 25)), instants[n % 3 === 0 ? 0 : n % 5]!),
  );
  const answers = requests.map(ask);
  begin();
  const seen = await Promise.all(answers);
  for (const [place, request] of requests.entries()) {
    const { answerText, ...alone } = await asOf(databases.store, request);
    expect(seen[place]).toMatchObject(alone);
    const lasting = (text: string): string =>
      request.at.kind === 'now' ? text.replace(/"requested":"[^"]*"/, '') : text;
    expect(lasting(seen[place]!.answerText)).toBe(lasting(answerText));
  }
  expect(statements()).toBeLessThanOrEqual(1 + Math.ceil(39 / 16));
});

test('wrong ones among right ones: each has its own error, and the others their answers', async () => {
  const { withStore, begin } = lending();
  const ask = gatheredAsOf(withStore);
  const hostile = ['abc', '{"no":1}', '9'.repeat(20), '{"id":"\\u0000"}', '{"id":[1]}', '[', '1; SELECT 1'];
  const requests = [
    ...Array.from({ length: 10 }, (_, n) => asked(String(n + 1))),
    ...hostile.map((key) => asked(key)),
    ...[asked('1', lsnOf(50), 'other'), asked('1', lsnOf(50), 't', 'nobody')],
    asked('20'),
  ];
  const answers = requests.map((request) => outcome(ask(request)));
  begin();
  const alone = await Promise.all(
    requests.map((request) => outcome(pool.withStore((store) => asOf(store, request)))),
  );
  expect(await Promise.all(answers)).toEqual(alone);
  expect(alone.filter((each) => (each as { code?: string }).code === 'BAD_KEY')).toHaveLength(hostile.length);
});

test('a question alone is asked at once; a slow statement holds up nobody for long', async () => {
  const { withStore, loans, begin } = lending();
  const ask = gatheredAsOf(withStore);
  const slow = ask(asked('1'));
  expect(loans()).toBe(1);
  const others = [2, 3, 4].map((key) => ask(asked(String(key))));
  expect((await Promise.all(others)).map(({ status }) => status)).toEqual(['found', 'found', 'found']);
  expect(loans()).toBe(2);
  begin();
  expect((await slow).status).toBe('found');
  expect((await ask(asked('5'))).status).toBe('found');
  expect(loans()).toBe(3);
});

test('questions without an end about one table leave the only session to another table', async () => {
  const other = await StoreHistory.create(databases.store);
  await other.change(await other.track(), 20, 'I');
  let lent: Promise<unknown> = Promise.resolve();
  const ask = gatheredAsOf((question) => {
    const loan = lent.then(() => pool.withStore(question));
    lent = loan.catch(() => {});
    return loan;
  });
  let isStopped = false;
  let asks = 0;
  const endless = Array.from({ length: 8 }, async () => {
    while (!isStopped) asks += Number((await ask(asked('1'))).status === 'found');
  });
  while (asks < 100) await sleep(1);
  expect((await ask(asked('1', lsnOf(50), 't', other.node))).status).toBe('found');
  isStopped = true;
  await Promise.all(endless);
});

test('the next statement is under way before the answers to the one before it are handled', async () => {
  const events: string[] = [];
  const ask = gatheredAsOf((question) =>
    pool.withStore((session) => question(counted(session, () => events.push('statement')))),
  );
  const answers = [1, 2, 3].map((key) => ask(asked(String(key))).then(() => events.push('answer')));
  await Promise.all(answers);
  expect(events).toEqual(['statement', 'statement', 'answer', 'answer', 'answer']);
});

test('a slow statement about one table holds up questions about no other', async () => {
  const other = await StoreHistory.create(databases.store);
  await other.change(await other.track(), 20, 'I');
  const { withStore, loans, begin } = lending();
  const ask = gatheredAsOf(withStore);
  const slow = [1, 2].map((key) => ask(asked(String(key))));
  const free = ask(asked('1', lsnOf(50), 't', other.node));
  expect(loans()).toBe(2);
  expect((await free).status).toBe('found');
  begin();
  expect((await Promise.all(slow)).map(({ status }) => status)).toEqual(['found', 'found']);
});

test('what was given up together is not asked once more', async () => {
  const { withStore, loans, begin } = lending();
  const blocker = await lockHistory();
  const ask = gatheredAsOf((question) =>
    withStore(async (store) => {
      await store.query('SET statement_timeout = 200');
      return await question(store);
    }),
  );
  const answers = [1, 2, 3].map((key) => outcome(ask(asked(String(key)))));
  begin();
  const [one, ...others] = await Promise.all(answers);
  expect(one).toMatchObject({ code: 'DATABASE_ERROR', message: expect.stringContaining('57014') });
  expect(others).toEqual([one, one]);
  expect(loans()).toBe(2);
  await blocker.query('COMMIT');
});

test('sessions that the server ends in the middle of a statement: the questions are asked again', async () => {
  const blocker = await lockHistory();
  const ask = gatheredAsOf(pool.withStore);
  const answers = Array.from({ length: 9 }, (_, n) => outcome(ask(asked(String(n + 1)))));
  await expect.poll(blocked, { timeout: 10_000 }).toBe(2); // the first alone, the others together
  await databases.store.query(`SELECT pg_terminate_backend(pid) ${BLOCKED}`);
  await blocker.query('COMMIT');
  const [first, ...others] = await Promise.all(answers);
  expect(first).toMatchObject({ code: 'STORE_UNREACHABLE' }); // as ever: it was asked alone
  expect(others).toMatchObject(others.map(() => ({ status: 'found' })));
  expect(await ask(asked('1'))).toMatchObject({ status: 'found' });
});

test('serve that is stopped while questions wait answers them', async () => {
  await using server = await startServe(['--every', '1h'], databases.env);
  const url = `${server.url}/v1/nodes/${history.node}/tables/public.t/asof?at=${lsnOf(50)}&pk=`;
  const blocker = await lockHistory();
  const answers = [1, 2, 3, 4].map(async (key) => (await fetch(url + key)).status);
  await expect.poll(blocked, { timeout: 10_000 }).toBeGreaterThanOrEqual(2);
  const stopped = server.stop();
  await sleep(100);
  await blocker.query('COMMIT');
  expect(await Promise.all(answers)).toEqual([200, 200, 200, 200]);
  expect((await stopped).code).toBe(130);
});

const BLOCKED = `FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;

/** Sessions that wait for a lock. */
async function blocked(): Promise<unknown> {
  const { rows } = await databases.store.query<{ n: number }>(`SELECT count(*)::int AS n ${BLOCKED}`);
  return rows[0]?.n;
}

/** Until the session commits, nobody reads the history. */
async function lockHistory(): Promise<pg.Client> {
  const session = await databases.connect('store');
  await session.query(`BEGIN; LOCK TABLE pgtimewarp.row_changes_r${relation}`);
  return session;
}
