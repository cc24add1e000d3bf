/**
 * Tracking of a table begins while it is written to at full speed: with savepoints, two-phase and asynchronous commits,
 * truncates and keys that move, beside runs of the poller. A witness on the source records the rows at some instants.
 * Afterwards the history of every key must equal them, or be unknown where it cannot know. BASELINE_RUNS repeats it (1),
 * BASELINE_ROWS sets the size (5,000), BASELINE_SECONDS the time of the load (4).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { expect, test } from 'vitest';
import { describeNeeding } from '../../../support/needs.ts';
import { needOf, PLUGINS } from '../../../support/plugins.ts';
import { type TrackedNode, trackedNode } from '../../../support/tracked-node.ts';

const RUNS = Number(process.env.BASELINE_RUNS ?? '1');
const ROWS = Number(process.env.BASELINE_ROWS ?? '5000');
const SECONDS = Number(process.env.BASELINE_SECONDS ?? '4');
const WRITERS = 4;
const TRUNCATED_EVERY = 400;

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `baseline under load (${plugin})`, () => {
    for (let run = 1; run <= RUNS; run++) {
      test(`history is right as of any instant: run ${run}`, async () => {
        await using node = await trackedNode({
          plugin,
          tables: `CREATE TABLE t (id int PRIMARY KEY, v int NOT NULL, note text);
                   INSERT INTO t SELECT i, 0, repeat('x', 50) FROM generate_series(1, ${ROWS}) AS i`,
        });
        const load = new Load(node, run);
        await load.start();
        let polling = true;
        const polls = (async () => {
          while (polling) await node.poll().catch(() => sleep(20)); // one of the two runs is busy
        })();
        const tracked = await node.track('t');
        polling = false;
        await polls;
        const witnessed = [await load.witness()];
        for (let i = 0; i < 10; i++) {
          await sleep((SECONDS * 1000) / 10);
          witnessed.push(await load.witness());
          await node.catchUp().catch(() => {});
        }
        await load.stop();
        await node.catchUp();
        expect(tracked.baseline).toBe('done');
        expect(load.transactions).toBeGreaterThan(20);
        witnessed.push(await load.witness());
        await node.catchUp();
        for (const [index, { at, rows }] of witnessed.entries()) {
          const { wrong, unknown } = await compare(node, at, rows);
          expect.soft({ index, wrong }).toEqual({ index, wrong: [] });
          expect.soft(unknown, `instant ${index} lies after every read`).toBe(0);
        }
        const start = await unknownAtStart(node);
        expect
          .soft(start.unexplained, 'unknown at the start without a change while rows were read')
          .toBe('0');
        console.log(
          `${plugin} run ${run}: ${load.transactions} transactions, ${witnessed.length} instants right, ${start.unknown} keys unknown at the start`,
        );
      }, 300_000);
    }
  });
}

/** Writers of every kind, and a gate that stops them while the witness records an instant. */
class Load {
  transactions = 0;
  readonly #node: TrackedNode;
  readonly #seed: number;
  #going = true;
  #workers: Promise<void>[] = [];
  #witness!: pg.Client;

  constructor(node: TrackedNode, seed: number) {
    this.#node = node;
    this.#seed = seed;
  }

  async start(): Promise<void> {
    this.#witness = await this.#node.connect('source');
    for (let i = 0; i < WRITERS; i++) {
      const session = await this.#node.connect('source');
      if (i === 1) await session.query('SET synchronous_commit = off');
      this.#workers.push(this.#write(session, i));
    }
  }

  async stop(): Promise<void> {
    this.#going = false;
    await Promise.all(this.#workers);
  }

  /** All rows at an instant without writers: the lock waits for running writers, and new ones wait for it. */
  async witness(): Promise<{ at: string; rows: Map<string, string> }> {
    await this.#witness.query('BEGIN; LOCK TABLE t IN EXCLUSIVE MODE');
    const { rows } = await this.#witness.query<{ at: string; pk: string; row: string }>(
      'SELECT clock_timestamp() AS at, json_build_array(id::text)::text AS pk, to_json(t)::text AS row FROM t',
    );
    const clock = await this.#witness.query<{ at: string }>('SELECT clock_timestamp() AS at');
    await sleep(3);
    await this.#witness.query('COMMIT');
    return { at: clock.rows[0]!.at, rows: new Map(rows.map(({ pk, row }) => [pk, row])) };
  }

  async #write(session: pg.Client, worker: number): Promise<void> {
    const random = generator(this.#seed * 100 + worker);
    const id = (): number => 1 + Math.floor(random() * ROWS);
    for (let i = 0; this.#going; i++) {
      try {
        await this.#transaction(session, { worker, i, random, id });
        this.transactions++;
      } catch {
        await session.query('ROLLBACK').catch(() => {}); // a key was taken, or a deadlock
      }
    }
  }

  async #transaction(
    session: pg.Client,
    { worker, i, random, id }: { worker: number; i: number; random: () => number; id: () => number },
  ): Promise<void> {
    await session.query('BEGIN');
    for (let n = 1 + Math.floor(random() * 4); n > 0; n--) await session.query(...statement(random(), id));
    await session.query('SAVEPOINT s');
    await session.query(...statement(random(), id));
    await session.query(random() < 0.5 ? 'ROLLBACK TO s' : 'RELEASE s');
    if (worker === 3 && i % TRUNCATED_EVERY === TRUNCATED_EVERY - 1) {
      await session.query('TRUNCATE t');
      await session.query('INSERT INTO t SELECT i, -1 FROM generate_series(1, 500) AS i');
    }
    if (worker === 2 && random() < 0.5) {
      const gid = `${this.#node.node}-${i}`;
      await session.query(`PREPARE TRANSACTION '${gid}'`);
      await sleep(random() * 10);
      await session.query(`COMMIT PREPARED '${gid}'`);
    } else {
      await session.query('COMMIT');
    }
  }
}

function statement(kind: number, id: () => number): [string, number[]] {
  if (kind < 0.5) return ['UPDATE t SET v = v + 1 WHERE id = $1', [id()]];
  if (kind < 0.65) return ['DELETE FROM t WHERE id = $1', [id()]];
  if (kind < 0.85)
    return ['INSERT INTO t VALUES ($1, 0) ON CONFLICT (id) DO UPDATE SET v = t.v + 100', [id()]];
  return ['UPDATE t SET id = $2 WHERE id = $1 AND NOT EXISTS (SELECT FROM t WHERE id = $2)', [id(), id()]];
}

/** Answers for every key of witness or history, by the function that answers all questions. */
async function compare(
  node: TrackedNode,
  at: string,
  live: ReadonlyMap<string, string>,
): Promise<{ wrong: string[]; unknown: number }> {
  const { rows } = await node.store.query<{ pk: string; status: string; row: string | null }>(
    `SELECT k.pk, v.status, v.row_data::text AS row
       FROM pgtimewarp.relation_periods AS p
       JOIN pgtimewarp.wal_checkpoints AS c ON c.node_id = p.node_id
      CROSS JOIN LATERAL (SELECT m.lsn FROM pgtimewarp.lsn_time_map AS m WHERE m.ts <= $1::timestamptz ORDER BY m.ts DESC LIMIT 1) AS m
      CROSS JOIN LATERAL (SELECT DISTINCT pk FROM pgtimewarp.row_changes) AS k
      CROSS JOIN LATERAL pgtimewarp.version_at(p, k.pk, greatest(m.lsn, p.tracked_from_lsn), 2147483647, c.applied_lsn, true) AS v
      WHERE p.tracked_from_ts <= $1::timestamptz`,
    [at],
  );
  const wrong: string[] = [];
  let unknown = 0;
  const seen = new Set<string>();
  for (const { pk, status, row } of rows) {
    seen.add(pk);
    const there = live.get(pk) ?? null;
    if (status === 'unknown') unknown++;
    else if ((status === 'found') !== (there !== null) || (row ?? null) !== there) {
      wrong.push(`${pk}: ${status} ${row}, was ${there}`);
    }
  }
  for (const pk of live.keys()) if (!seen.has(pk)) wrong.push(`${pk}: never seen`);
  return { wrong: wrong.slice(0, 5), unknown };
}

/** At the start a key may be unknown only if it changed, or its table was truncated, while rows were read. */
async function unknownAtStart(node: TrackedNode): Promise<{ unknown: string; unexplained: string }> {
  const { rows } = await node.store.query<{ unknown: string; unexplained: string }>(
    `SELECT count(*) AS unknown,
            count(*) FILTER (WHERE NOT EXISTS (
              SELECT FROM pgtimewarp.row_changes AS c
               WHERE c.pk = k.pk AND c.op <> 'S' AND c.valid_from_lsn <= p.baseline_lsn)
              AND p.unseen_unknown_before_lsn IS NULL) AS unexplained
       FROM pgtimewarp.relation_periods AS p
       JOIN pgtimewarp.wal_checkpoints AS c ON c.node_id = p.node_id
      CROSS JOIN LATERAL (SELECT DISTINCT pk FROM pgtimewarp.row_changes) AS k
      CROSS JOIN LATERAL pgtimewarp.version_at(p, k.pk, p.tracked_from_lsn, 2147483647, c.applied_lsn, true) AS v
      WHERE v.status = 'unknown'`,
  );
  return rows[0]!;
}

function generator(seed: number): () => number {
  let state = seed * 2_654_435_761;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 2_246_822_519) + 374_761_393) >>> 0;
    return state / 2 ** 32;
  };
}
