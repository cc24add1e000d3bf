/**
 * A run that deletes expired history dies at every statement: before the statement is sent, while it runs, and after it was
 * executed. Every answer is right afterwards, and the next run completes the work. The same for ranges that are too large for a
 * scan under a lock: there a constraint comes first, and is validated without blocking others.
 */
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MODES, mortalSession } from '../support/mortal-session.ts';
import { expected, forgetOnceFree, gist, RetentionTwins } from '../support/retention-twins.ts';
import { type TestDatabases, testDatabases } from '../support/test-databases.ts';

let databases: TestDatabases;

beforeAll(async () => {
  databases = await testDatabases();
});

afterAll(async () => {
  await databases?.[Symbol.asyncDispose]();
});

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
        const run = await mortalSession(databases.storeUrl, { at, mode, large });
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
