/**
 * The history against an oracle: after any concurrent transactions, the history holds, as of each of their commits, what the
 * tables held. Both plugins follow the same source while it is written to, by runs of one change, of a hundred, and without a
 * limit. ORACLE_SEED repeats a workload, ORACLE_TRANSACTIONS makes it longer.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Follower } from '../../support/follower.ts';
import { askByCommand, askEngine, askInSql } from '../../support/oracle/ask.ts';
import { type Comparison, compareNode } from '../../support/oracle/compare.ts';
import { compareContexts, contextLogSql, SAYING } from '../../support/oracle/contexts.ts';
import type { OracleTable } from '../../support/oracle/oracle-table.ts';
import { type OracleRun, runWorkload } from '../../support/oracle/run-workload.ts';
import { ORACLE_TABLES } from '../../support/oracle/tables.ts';
import { transactions } from '../../support/oracle/workload.ts';
import { needOf, PLUGINS } from '../../support/plugins.ts';
import { type SqlSource, sqlSource } from '../../support/sql-source.ts';
import { type TestDatabases, testDatabases } from '../../support/test-databases.ts';

const TRANSACTIONS = Number.parseInt(process.env.ORACLE_TRANSACTIONS ?? '2000', 10);
const SEED = Number.parseInt(process.env.ORACLE_SEED ?? `${Math.floor(Math.random() * 2 ** 31)}`, 10);
const POLL_SIZES = [1, 100, undefined];
/** Until then runs read one change each; afterwards they alternate with runs of ODD_SIZE, or the test would take too long. */
const SINGLE_RUNS = Number.parseInt(process.env.ORACLE_SINGLE_RUNS ?? '300', 10);
const ODD_SIZE = 97;
const TIMEOUT_MS = 180_000 + TRANSACTIONS * 200;

interface Bounded {
  readonly follower: Follower;
  readonly maxChanges: number | undefined;
}

let databases: TestDatabases;
let run: OracleRun;
let sql: SqlSource;
const followers: Bounded[] = [];

describe(`an oracle over ${TRANSACTIONS} transactions (ORACLE_SEED=${SEED})`, () => {
  beforeAll(async () => {
    databases = await testDatabases({ tables: ORACLE_TABLES.map((table) => table.create).join('\n') });
    await databases.source.query(contextLogSql(ORACLE_TABLES));
    await fillTables(ORACLE_TABLES);
    for (const plugin of PLUGINS.filter((each) => needOf(each).met)) {
      for (const maxChanges of POLL_SIZES) {
        const follower = await Follower.open(databases, plugin, `${plugin}_${maxChanges ?? 'all'}`);
        followers.push({ follower, maxChanges });
        await follower.track(ORACLE_TABLES);
      }
    }
    const scripts = fc.sample(transactions(ORACLE_TABLES, [SAYING]), { seed: SEED, numRuns: TRANSACTIONS });

    let writing = true;
    const started = performance.now();
    const following = followers.map(async (each) => {
      do {
        const caughtUp = await runOnce(each);
        if (caughtUp) await new Promise((resolve) => setTimeout(resolve, 200));
      } while (writing);
    });
    run = await runWorkload({
      tables: ORACLE_TABLES,
      transactions: scripts,
      connect: () => databases.connect('source'),
    }).finally(() => {
      writing = false;
    });
    const wroteMs = performance.now() - started;
    await Promise.all(following);
    await Promise.all(
      followers.map(async (each) => {
        while (!(await runOnce(each)));
      }),
    );
    sql = await sqlSource({ ...databases, node: followers[0]!.follower.node });
    const { rolledBack, failedStatements, prepared } = run;
    console.log(
      `oracle: seed ${SEED}, ${run.commits.length} commits (${prepared} prepared), ${rolledBack} rolled back, ` +
        `${failedStatements} failed statements; written in ${seconds(wroteMs)}, followed in ${seconds(performance.now() - started)}; ` +
        `runs: ${followers.map(({ follower, maxChanges }) => `${follower.plugin}/${maxChanges ?? 'all'} ${follower.runs}`).join(', ')}`,
    );
  }, TIMEOUT_MS);

  afterAll(async () => {
    for (const { follower } of followers) await follower[Symbol.asyncDispose]();
    await databases?.[Symbol.asyncDispose]();
    await sql?.[Symbol.asyncDispose]();
  });

  test(
    'as of each commit, by LSN and by time, every key and every column is as in the source',
    async () => {
      expect(run.commits.length).toBeGreaterThan(TRANSACTIONS / 2);
      for (const { follower, maxChanges } of followers) {
        const result: Comparison = await compareNode({
          source: databases.source,
          store: databases.store,
          node: follower.node,
          tables: ORACLE_TABLES,
          run,
          mayBeIncomplete: (_table, _column, text) =>
            follower.plugin === 'wal2json' && (text === null || /^(NaN|-?Infinity)$/.test(text)),
        });
        console.log(
          `oracle: ${follower.plugin}/${maxChanges ?? 'all'} ${JSON.stringify({ ...result, sample: result.sample.length })}`,
        );
        expect(result.commits).toBeGreaterThan(TRANSACTIONS / 3);
        await askEngine(databases.store, follower.node, ORACLE_TABLES, result.sample);
        await askInSql(databases.source, follower.node, ORACLE_TABLES, result.sample);
        if (maxChanges === undefined)
          await askByCommand(databases.env, follower.node, ORACLE_TABLES, result.sample);
      }
    },
    TIMEOUT_MS,
  );

  test('each change carries the last message before it, or else the first of its transaction', async () => {
    for (const { follower } of followers) {
      const compared = await compareContexts({
        ...{ source: databases.source, store: databases.store },
        ...{ node: follower.node, tables: ORACLE_TABLES },
      });
      expect(compared).toBeGreaterThan(TRANSACTIONS);
    }
  });
});

async function fillTables(tables: readonly OracleTable[]): Promise<void> {
  const filler = transactions(tables).map(({ steps }) =>
    steps.filter((step) => step.kind === 'sql' && /^INSERT/.test(step.sql)),
  );
  for (const steps of fc.sample(filler, { seed: SEED + 1, numRuns: 100 })) {
    for (const step of steps) if (step.kind === 'sql') await databases.source.query(step.sql).catch(() => {});
  }
}

/** @returns whether the run reached the end of WAL */
async function runOnce({ follower, maxChanges }: Bounded): Promise<boolean> {
  const alternates = maxChanges === 1 && follower.runs > SINGLE_RUNS && follower.runs % 2 === 0;
  return (await follower.poll(alternates ? ODD_SIZE : maxChanges)).caughtUp;
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
