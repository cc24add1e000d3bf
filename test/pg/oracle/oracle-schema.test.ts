/**
 * The history against an oracle while the tables themselves change: partitions are added, removed and truncated, rows move
 * between them, columns and tables are added, rewritten, renamed and dropped. Known answers are right, and only what the log
 * does not contain is unknown. ORACLE_SEED repeats a workload, ORACLE_SCHEMA_TRANSACTIONS makes it longer.
 */
import fc from 'fast-check';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TimewarpError } from '../../../core/errors/timewarp-error.ts';
import { parseLsn } from '../../../core/types/lsn.ts';
import { Follower } from '../../support/follower.ts';
import { compareSchemaNode } from '../../support/oracle/compare-schema.ts';
import { type OracleRun, runWorkload, TABLES_LOCK } from '../../support/oracle/run-workload.ts';
import { eventsOf, heardThrough, ignoranceOf, type Span } from '../../support/oracle/schema-model.ts';
import {
  SCHEMA_ORACLE_SQL,
  SCHEMA_TABLES,
  STATE_SQL,
  schemaSteps,
} from '../../support/oracle/schema-tables.ts';
import { transactions } from '../../support/oracle/workload.ts';
import { needOf, PLUGINS } from '../../support/plugins.ts';
import { type TestDatabases, testDatabases } from '../../support/test-databases.ts';

const TRANSACTIONS = Number.parseInt(process.env.ORACLE_SCHEMA_TRANSACTIONS ?? '150', 10);
/** The default is one of the first seeds, all of which have passed before. */
const SEEDS = 20;
const SEED = Number.parseInt(process.env.ORACLE_SEED ?? `${1 + Math.floor(Math.random() * SEEDS)}`, 10);
/**
 * How followers poll. `apart`: never while a transaction that changes a table is open, so it is known which changes a run has
 * seen.
 */
const FOLLOWERS = [
  { suffix: 'beside', maxChanges: 7, apart: false },
  { suffix: 'apart', maxChanges: 100, apart: true },
];
/** After so many runs a table with a gap is read again. */
const RUNS_WITH_A_GAP = 3;
/** The pause between the runs of a follower that waits for changes to end. */
const PAUSE_SECONDS = 0.25;
const TIMEOUT_MS = 120_000 + TRANSACTIONS * 1_000;

let databases: TestDatabases;
let run: OracleRun;
const watched: Watched[] = [];

describe(`an oracle over ${TRANSACTIONS} transactions that change tables too (ORACLE_SEED=${SEED})`, () => {
  beforeAll(async () => {
    databases = await testDatabases({
      tables: [...SCHEMA_TABLES.map((table) => table.create), SCHEMA_ORACLE_SQL].join('\n'),
    });
    for (const { name } of SCHEMA_TABLES.slice(1))
      await databases.source.query(`INSERT INTO ${name} SELECT i, 'old', i FROM generate_series(1, 2) AS i`);
    for (const plugin of PLUGINS.filter((each) => needOf(each).met)) {
      for (const { suffix, maxChanges, apart } of FOLLOWERS) {
        const follower = await Follower.open(databases, plugin, `${plugin}_${suffix}`);
        await follower.track(SCHEMA_TABLES);
        const each = new Watched(follower, maxChanges, apart ? await databases.connect('source') : null);
        await each.step();
        watched.push(each);
      }
    }
    const started = performance.now();
    let writing = true;
    const following = watched.map(async (each) => {
      do await each.step();
      while (writing);
    });
    run = await runWorkload({
      tables: SCHEMA_TABLES,
      stateSql: STATE_SQL,
      transactions: fc.sample(transactions(SCHEMA_TABLES, schemaSteps()), {
        seed: SEED,
        numRuns: TRANSACTIONS,
      }),
      connect: () => databases.connect('source'),
    }).finally(() => {
      writing = false;
    });
    const wroteMs = performance.now() - started;
    await Promise.all(following);
    await databases.source.query('ALTER TABLE IF EXISTS remade_away RENAME TO remade').catch(() => {});
    await Promise.all(watched.map((each) => each.finish()));
    const { rolledBack, failedStatements, prepared } = run;
    console.log(
      `schema oracle: seed ${SEED}, ${run.commits.length} commits (${prepared} prepared), ${rolledBack} rolled back, ` +
        `${failedStatements} failed statements; written in ${seconds(wroteMs)}, followed in ${seconds(performance.now() - started)}`,
    );
  }, TIMEOUT_MS);

  afterAll(async () => {
    for (const { follower } of watched) await follower[Symbol.asyncDispose]();
    await databases?.[Symbol.asyncDispose]();
  });

  test(
    'as of each commit, by LSN and by time, known answers are right, and only what the log lacks is unknown',
    async () => {
      const events = SCHEMA_TABLES.map((_, place) => eventsOf(run, place));
      const untold = events.map((each) =>
        each.filter(({ kind }) => kind === 'silent' || kind === 'attached'),
      );
      console.log(
        `schema oracle: silent changes ${SCHEMA_TABLES.map(({ name }, place) => `${name} ${untold[place]!.length}`).join(', ')}`,
      );
      for (const { follower, spans, rebaselines } of watched) {
        const result = await compareSchemaNode({
          store: databases.store,
          node: follower.node,
          tables: SCHEMA_TABLES,
          run,
          ignorance: events.map((each, place) =>
            ignoranceOf(spans, place, heardThrough(follower.plugin, each)),
          ),
        });
        console.log(
          `schema oracle: ${follower.node} ${spans.length} runs, ${rebaselines} rebaselines, ${JSON.stringify(result)}`,
        );
        expect(result.found + result.absent).toBeGreaterThan(result.unknown / 10);
      }
    },
    TIMEOUT_MS,
  );
});

/** A follower, and what each of its runs saw. */
class Watched {
  readonly follower: Follower;
  readonly spans: Span[] = [];
  rebaselines = 0;
  readonly #maxChanges: number | undefined;
  readonly #gate: pg.Client | null;
  readonly #runsWithGap = new Map<number, number>();
  #horizon = 0n;

  /** @param gate a session that prevents changes of the tables during every run; null: tables may change */
  constructor(follower: Follower, maxChanges: number | undefined, gate: pg.Client | null) {
    this.follower = follower;
    this.#maxChanges = maxChanges;
    this.#gate = gate;
  }

  /** Makes a run, or reads a table again that has had a gap for some time. @returns whether all is stored and no gap is left */
  async step(maxChanges = this.#maxChanges): Promise<boolean> {
    // the pause lets several changes pass between two runs
    await this.#gate?.query(`SELECT pg_sleep(${PAUSE_SECONDS}), pg_advisory_lock_shared(${TABLES_LOCK})`);
    try {
      const begun = await this.#position();
      const asked = [...this.#runsWithGap].find(([, runs]) => runs >= RUNS_WITH_A_GAP)?.[0] ?? null;
      const caughtUp = await (asked === null ? this.#poll(maxChanges) : this.#rebaseline(asked));
      await this.#note(begun, { caughtUp, several: asked !== null, repaired: caughtUp ? asked : null });
      return caughtUp && this.#runsWithGap.size === 0;
    } finally {
      await this.#gate?.query(`SELECT pg_advisory_unlock_shared(${TABLES_LOCK})`);
    }
  }

  /** Runs until nothing is left to store or to repair. */
  async finish(): Promise<void> {
    for (let quiet = 0; quiet < 2; ) quiet = (await this.step(undefined)) ? quiet + 1 : 0;
  }

  /** @returns whether the run reached the end of WAL; it may not have if a table changed during it */
  async #poll(maxChanges: number | undefined): Promise<boolean> {
    try {
      return (await this.follower.poll(maxChanges)).caughtUp;
    } catch (error) {
      if (codeOf(error) !== 'TABLE_CHANGING') throw error;
      return false;
    }
  }

  async #rebaseline(place: number): Promise<boolean> {
    this.#runsWithGap.set(place, 0);
    try {
      await this.follower.rebaseline(SCHEMA_TABLES[place]!);
      this.rebaselines++;
      return true;
    } catch (error) {
      // the table is away, or has changed again: it stays as it is until the next request
      expect(['TABLE_UNKNOWN', 'TABLE_CHANGING', 'RELATION_GAP']).toContain(codeOf(error));
      return false;
    }
  }

  async #note(begun: bigint, how: Pick<Span, 'caughtUp' | 'several' | 'repaired'>): Promise<void> {
    const { rows } = await databases.store.query<{ horizon: string; name: string; status: string }>(
      `SELECT c.applied_lsn AS horizon, r.table_name AS name, r.status
         FROM pgtimewarp.wal_checkpoints AS c JOIN pgtimewarp.tracked_relations AS r USING (node_id)
        WHERE node_id = $1::text`,
      [this.follower.node],
    );
    const horizon = parseLsn(rows[0]!.horizon) as bigint;
    const whole = new Set<number>();
    for (const { name, status } of rows) {
      const place = SCHEMA_TABLES.findIndex((table) => table.name === name);
      if (status === 'active') {
        whole.add(place);
        this.#runsWithGap.delete(place);
      } else this.#runsWithGap.set(place, (this.#runsWithGap.get(place) ?? 0) + 1);
    }
    const ended = await this.#position();
    this.spans.push({ begun, ended, horizonBefore: this.#horizon, horizon, whole, ...how });
    this.#horizon = horizon;
  }

  async #position(): Promise<bigint> {
    const { rows } = await databases.source.query<{ lsn: string }>(
      'SELECT pg_current_wal_insert_lsn() AS lsn',
    );
    return parseLsn(rows[0]!.lsn) as bigint;
  }
}

function codeOf(error: unknown): string {
  if (!(error instanceof TimewarpError)) throw error;
  return error.code;
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
