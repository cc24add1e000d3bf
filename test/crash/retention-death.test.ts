/**
 * A run that deletes expired history dies at every statement: before the statement is sent, while it runs, and after it was
 * executed. Every answer is right afterwards, and the next run completes the work. The same for ranges that are too large for a
 * scan under a lock: there a constraint comes first, and is validated without blocking others.
 */
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expected, gist, RetentionTwins } from '../support/retention-twins.ts';
import { connectForTest } from '../support/test-client.ts';
import { type TestDatabases, testDatabases } from '../support/test-databases.ts';

let databases: TestDatabases;

beforeAll(async () => {
  databases = await testDatabases();
});

afterAll(async () => {
  await databases?.[Symbol.asyncDispose]();
});

const MODES = ['before it is sent', 'while it runs', 'after it was carried out'] as const;

class Death extends Error {}

/** The error of the server if a split takes too long under its lock. */
const TOO_SLOW = 'DO $$ BEGIN RAISE query_canceled; END $$';

interface Mortal {
  readonly client: pg.Client;
  died(): boolean;
  /** Whether the split failed because of a large range, and the range was then validated. */
  validated(): boolean;
}

/**
 * A session that ends at its statement number `at`.
 * @param large every split takes too long until its range has been validated
 */
async function mortal(
  url: string,
  at: number,
  mode: (typeof MODES)[number],
  large: boolean,
): Promise<Mortal> {
  const client = await connectForTest(url);
  const query = client.query.bind(client) as (...args: unknown[]) => Promise<unknown>;
  let [count, dead, checked, validated] = [0, false, false, false];
  const die = (): never => {
    dead = true;
    (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
    throw new Death();
  };
  const dying = async (...args: unknown[]): Promise<unknown> => {
    if (dead) throw new Death();
    const text = String(args[0]);
    if (text.includes('retention_validate(')) [checked, validated] = [true, true];
    else if (large && text.includes('retention_split(')) {
      if (!checked) args.splice(0, args.length, TOO_SLOW);
      checked = false;
    }
    if (++count !== at) return query(...args);
    if (mode === 'before it is sent') return die();
    const sent = query(...args);
    sent.catch(() => {});
    if (mode === 'after it was carried out') await sent.catch(() => {});
    else await new Promise((resolve) => setImmediate(resolve));
    return die();
  };
  client.query = dying as unknown as typeof client.query;
  return { client, died: () => dead, validated: () => validated };
}

async function expectRight(twins: RetentionTwins, session: pg.Client, where: string): Promise<void> {
  const questions = twins.questions(24);
  const truth = await twins.truth(questions, 'ts');
  const cutoff = await twins.cutoff(session);
  const answers = await twins.answers(session, questions, 'ts');
  for (const [index, question] of questions.entries()) {
    expect(gist(answers[index]!), `${where}: key ${question.key} at ${question.n}, cutoff ${cutoff.ts}`).toBe(
      expected(truth[index]!, question, cutoff),
    );
  }
}

/** The claim of the dead session ends with the session, a moment later. */
async function forgetOnceFree(twins: RetentionTwins, session: pg.Client): Promise<number> {
  for (let attempt = 0; ; attempt++) {
    try {
      return (await twins.forget(session)).rangesDropped;
    } catch (error) {
      if (attempt > 200 || !(error as Error).message.includes('holds the node')) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

describe.each(MODES)('a run that deletes history dies %s', (mode) => {
  test.each([
    ['at every statement', false],
    ['at every statement where ranges are large', true],
  ])(
    '%s',
    async (_, large) => {
      const session = await databases.connect('store');
      const twins = await RetentionTwins.create(session, {
        baseline: 'done',
        baselineRead: 14,
        window: 12,
        seed: 23,
      });
      await twins.happen(20);
      let dropped = await forgetOnceFree(twins, session);
      let validated = false;
      let at = 1;
      for (let alive = false; !alive; at++) {
        await twins.happen(5); // so that some history expires
        const run = await mortal(databases.storeUrl, at, mode, large);
        await twins.forget(run.client).catch((error: unknown) => {
          if (!run.died()) throw error;
        });
        alive = !run.died();
        validated ||= run.validated();
        await run.client.end().catch(() => {});
        await expectRight(twins, session, `dead at ${at}`);
        dropped += await forgetOnceFree(twins, session);
        if (at % 4 === 0) await expectRight(twins, session, `healed after ${at}`);
      }
      expect(at).toBeGreaterThan(20);
      expect(dropped).toBeGreaterThan(10);
      expect(validated).toBe(large);
      const { rows: promises } = await session.query(
        `SELECT conrelid::regclass FROM pg_constraint WHERE conname = 'pgtimewarp_closing'`,
      );
      expect(promises).toEqual([]);
      const left = await session.query(
        `SELECT c.relname FROM pg_class c
        WHERE c.relnamespace = 'pgtimewarp'::regnamespace AND c.relname ~ ('^row_changes_r' || $1 || '_') AND c.relkind = 'r'
          AND NOT EXISTS (SELECT FROM pgtimewarp.relation_ranges g WHERE g.table_name = c.relname AND g.state = 'attached')`,
        [twins.relation],
      );
      expect(left.rows).toEqual([]);
    },
    280_000,
  );
});
