/**
 * Two nodes of one database share one clock: a transaction has one time in both, and final answers of one node do not
 * contradict those of the other. Replication origins forge timestamps, commits interleave, and the nodes run in any order and
 * at once. CLOCK_SEED repeats a history, CLOCK_HISTORIES is the number of histories.
 */

import type pg from 'pg';
import { describe, expect, test } from 'vitest';
import { parseTableName } from '../../../core/pg/identifiers.ts';
import type { StoreTransaction } from '../../../core/pg/transaction.ts';
import { type PollResult, poll } from '../../../core/poll.ts';
import { asOf } from '../../../core/query/as-of.ts';
import { parseInstant } from '../../../core/query/instant.ts';
import { keyFromText } from '../../../core/query/key-input.ts';
import { rebaselineNode } from '../../../core/rebaseline-node.ts';
import { init } from '../../../core/setup/init.ts';
import { requireAgreement } from '../../../core/store/node/agreement.ts';
import { claimNode } from '../../../core/store/node/claim.ts';
import { placeHorizon, readClockPage, readLineage } from '../../../core/store/node/lineage.ts';
import { track } from '../../../core/track.ts';
import {
  type CommitTime,
  formatCommitTime,
  nextMicrosecond,
  parseCommitTime,
} from '../../../core/types/commit-time.ts';
import type { Lsn } from '../../../core/types/lsn.ts';
import type { Plugin } from '../../../core/types/plugin.ts';
import { describeNeeding, wal2json } from '../../support/needs.ts';
import { runMeanwhile } from '../../support/run-meanwhile.ts';
import { type TestDatabases, testDatabases } from '../../support/test-databases.ts';

const SEED = Number.parseInt(process.env.CLOCK_SEED ?? '1', 10);
const HISTORIES = Number.parseInt(process.env.CLOCK_HISTORIES ?? '1', 10);
const STEPS = 40;
const KEYS = ['1', '2', '3'];
const TABLES = { a: ['shared', 'of_a'], b: ['shared', 'of_b'] } as const;
const FORGED = [
  "clock_timestamp() - interval '1 hour'",
  "clock_timestamp() - interval '5 ms'",
  "clock_timestamp() - interval '200 us'",
  "clock_timestamp() + interval '1 s'",
  "'2001-01-01 00:00:00+00'",
  "'9999-12-31 23:59:59+00'",
];

type Which = 'a' | 'b';
const BOTH: readonly Which[] = ['a', 'b'];

/** In the source, a session that creates a slot. */
const CREATING_SLOT = `
  SELECT FROM pg_stat_activity
   WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid()
     AND query LIKE '%pg_create_logical_replication_slot%' AND wait_event_type = 'Lock'`;

/** mulberry32: the same numbers for the same seed. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** A database with two nodes, and sessions that write to it. */
class TwoNodes {
  readonly databases: TestDatabases;
  readonly #writers: pg.Client[] = [];
  readonly #origins: string[] = [];
  #value = 0;

  private constructor(databases: TestDatabases) {
    this.databases = databases;
  }

  static async make(plugins: Readonly<Record<Which, Plugin>>): Promise<TwoNodes> {
    const databases = await testDatabases({
      tables: ['shared', 'of_a', 'of_b']
        .map(
          (table) =>
            `CREATE TABLE ${table} (id int PRIMARY KEY, n int); INSERT INTO ${table} SELECT i, 0 FROM generate_series(1, 3) AS i;`,
        )
        .join('\n'),
    });
    const nodes = new TwoNodes(databases);
    try {
      for (const which of BOTH) {
        await init({ ...nodes.urls(which), plugin: plugins[which], slotName: null, version: 'test' });
        for (const table of TABLES[which])
          await track({
            ...nodes.urls(which),
            table: parseTableName(table),
            baseline: true,
            exclude: [],
            retention: null,
            shared: true,
          });
      }
      for (let index = 0; index < 4; index++) nodes.#writers.push(await databases.connect('source'));
      for (const writer of nodes.#writers.slice(2)) {
        const origin = `${databases.node}_${nodes.#origins.length}`;
        await writer.query(`SELECT pg_replication_origin_create('${origin}')`);
        await writer.query(`SELECT pg_replication_origin_session_setup('${origin}')`);
        nodes.#origins.push(origin);
      }
      return nodes;
    } catch (error) {
      await nodes[Symbol.asyncDispose]();
      throw error;
    }
  }

  urls(which: Which): { sourceUrl: string; storeUrl: string; node: string } {
    const { sourceUrl, storeUrl, node } = this.databases;
    return { sourceUrl, storeUrl, node: `${node}_${which}` };
  }

  /** One of four writers; the last two replicate from elsewhere. */
  writer(index: number): pg.Client {
    return this.#writers[index]!;
  }

  poll(which: Which, maxChanges?: number): Promise<PollResult> {
    return poll({ ...this.urls(which), ...(maxChanges === undefined ? {} : { maxChanges }) });
  }

  /** Up to four transactions, open at once, commit in any order. */
  async write(random: (below: number) => number): Promise<void> {
    const open: { writer: pg.Client; sql: string }[] = [];
    const keys = [...KEYS];
    for (let index = 0; index < this.#writers.length && keys.length > 0; index++) {
      if (random(3) === 0) continue;
      const writer = this.#writers[index]!;
      const key = keys.splice(random(keys.length), 1)[0]!; // no two of them wait for each other
      const tables = ['shared', 'of_a', 'of_b'].filter(() => random(2) === 0);
      if (tables.length === 0) tables.push(['shared', 'of_a', 'of_b'][random(3)]!);
      const value = ++this.#value;
      await writer.query('BEGIN');
      for (const table of tables) await writer.query(`UPDATE ${table} SET n = ${value} WHERE id = ${key}`);
      const forged = FORGED[random(FORGED.length)]!;
      if (index >= 2)
        await writer.query(`SELECT pg_replication_origin_xact_setup('0/${value.toString(16)}', ${forged})`);
      open.push({ writer, sql: 'COMMIT' });
    }
    if (random(2) === 0) await Promise.all(open.map(({ writer, sql }) => writer.query(sql)));
    else
      while (open.length > 0) {
        const [next] = open.splice(random(open.length), 1);
        await next!.writer.query(next!.sql);
      }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const [index, origin] of this.#origins.entries()) {
      await this.#writers[index + 2]!.query('SELECT pg_replication_origin_session_reset()');
      await this.#writers[index + 2]!.query(`SELECT pg_replication_origin_drop('${origin}')`);
    }
    await this.databases[Symbol.asyncDispose]();
  }
}

interface Entry {
  readonly lsn: bigint;
  readonly xid: string;
  readonly ts: string;
}

/** The answers of the nodes, compared with each other and with their earlier answers. */
class Witness {
  readonly #nodes: TwoNodes;
  readonly #answers = new Map<string, string>();

  constructor(nodes: TwoNodes) {
    this.#nodes = nodes;
  }

  async check(random: (below: number) => number): Promise<void> {
    const entries = { a: await this.entries('a'), b: await this.entries('b') };
    const times = new Map(entries.a.map(({ xid, ts }) => [xid, ts]));
    for (const { xid, ts } of entries.b) expect(`${xid} ${times.get(xid) ?? ts}`).toBe(`${xid} ${ts}`);
    const horizons = { a: await this.horizon('a'), b: await this.horizon('b') };
    for (let count = 0; count < 4; count++) {
      const at = await this.#instant(random);
      if (at === null) continue;
      const final = BOTH.filter((which) => at <= horizons[which]);
      for (const which of final) await this.#ask(which, at);
      if (final.length === 2) this.#compare(entries, at);
    }
  }

  /** Asks everything again that was ever answered as final. */
  async askAgain(): Promise<void> {
    for (const [question, answer] of this.#answers) {
      const [node, table, key, at] = question.split(' ') as [string, string, string, string];
      expect(await this.#answer(node, table, key, at), question).toBe(answer);
    }
    // both nodes give the same answer about a shared table
    for (const [question, answer] of this.#answers) {
      const other = question.replace(/_a shared/, '_b shared');
      if (other !== question && this.#answers.has(other))
        expect(this.#answers.get(other), other).toBe(answer);
    }
  }

  get count(): number {
    return this.#answers.size;
  }

  /** Checks that the commits that count as of the instant are a prefix of one order. */
  #compare(entries: Readonly<Record<Which, readonly Entry[]>>, at: string): void {
    let last = { lsn: 0n, xid: '' };
    let next = { lsn: 1n << 64n, xid: '' };
    for (const entry of BOTH.flatMap((which) => entries[which])) {
      if (entry.ts <= at && entry.lsn > last.lsn) last = entry;
      if (entry.ts > at && entry.lsn < next.lsn) next = entry;
    }
    expect(next.lsn > last.lsn, `as of ${at} ${last.xid} counts and ${next.xid}, before it, does not`).toBe(
      true,
    );
  }

  async #ask(which: Which, at: string): Promise<void> {
    for (const table of TABLES[which]) {
      for (const key of KEYS) {
        const question = `${this.#nodes.urls(which).node} ${table} ${key} ${at}`;
        const answer = await this.#answer(this.#nodes.urls(which).node, table, key, at);
        expect(this.#answers.get(question) ?? answer, question).toBe(answer);
        this.#answers.set(question, answer);
      }
    }
  }

  async #answer(node: string, table: string, key: string, at: string): Promise<string> {
    const { answerText } = await asOf(this.#nodes.databases.store, {
      node,
      table: { schema: 'public', name: table },
      pk: keyFromText(key),
      at: parseInstant(at),
    });
    const { status, reason, row, valid_from, final } = JSON.parse(answerText) as Record<string, unknown>;
    expect(final, `${node} ${at}`).toBe(true);
    // a baseline row is valid from the start of its table's tracking, which differs between the nodes
    const xid = (valid_from as { xid: string | null } | null)?.xid ?? null;
    return JSON.stringify({
      status,
      reason,
      row,
      xid,
      ts: xid === null ? null : (valid_from as { ts: string }).ts,
    });
  }

  async entries(which: Which): Promise<Entry[]> {
    const { rows } = await this.#nodes.databases.store.query<{ lsn: string; xid: string; ts: string }>(
      `SELECT (lsn - '0/0')::text AS lsn, xid::text AS xid, to_char(ts AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS ts
         FROM pgtimewarp.lsn_time_map WHERE node_id = $1 AND xid IS NOT NULL ORDER BY lsn`,
      [this.#nodes.urls(which).node],
    );
    return rows.map(({ lsn, xid, ts }) => ({ lsn: BigInt(lsn), xid, ts }));
  }

  /** The answer about the first row of a table, and whether it is final. */
  async say(which: Which, table: string, at: string): Promise<{ n: number; final: boolean }> {
    const { answerText } = await asOf(this.#nodes.databases.store, {
      ...{ node: this.#nodes.urls(which).node, table: { schema: 'public', name: table } },
      ...{ pk: keyFromText('1'), at: parseInstant(at) },
    });
    const { row, final } = JSON.parse(answerText) as { row: { n: number }; final: boolean };
    return { n: row.n, final };
  }

  async horizon(which: Which): Promise<string> {
    const { rows } = await this.#nodes.databases.store.query<{ ts: string }>(
      `SELECT to_char(applied_ts AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS ts
         FROM pgtimewarp.wal_checkpoints WHERE node_id = $1`,
      [this.#nodes.urls(which).node],
    );
    return rows[0]!.ts;
  }

  /** An instant at, or a microsecond before or after, a point of the clock; late points are more likely. */
  async #instant(random: (below: number) => number): Promise<string | null> {
    const { rows } = await this.#nodes.databases.store.query<{ ts: string }>(
      `SELECT to_char((ts + $2::int * interval '1 microsecond') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS ts
         FROM (SELECT ts FROM pgtimewarp.lsn_time_map UNION SELECT applied_ts FROM pgtimewarp.wal_checkpoints) AS m
        WHERE ts >= (SELECT max(tracked_from_ts) FROM pgtimewarp.tracked_relations)
        ORDER BY ts DESC OFFSET $1::int LIMIT 1`,
      [random(30), random(3) - 1],
    );
    return rows[0]?.ts ?? null;
  }
}

/** One history: commits and runs in random order. */
async function follow(plugins: Readonly<Record<Which, Plugin>>, seed: number): Promise<number> {
  const random = randomOf(seed);
  await using nodes = await TwoNodes.make(plugins);
  const witness = new Witness(nodes);
  const bound = (): number | undefined => (random(3) === 0 ? 1 + random(4) : undefined);
  for (let step = 0; step < STEPS; step++) {
    for (let count = random(3); count >= 0; count--) await nodes.write(random);
    const kind = random(5);
    if (kind === 0) await nodes.poll('a', bound());
    else if (kind === 1) await nodes.poll('b', bound());
    else if (kind === 2) await Promise.all([nodes.poll('a', bound()), nodes.poll('b', bound())]);
    else if (kind === 3) await Promise.all([nodes.write(random), nodes.poll('a'), nodes.poll('b', bound())]);
    if (kind < 4) await witness.check(random);
  }
  for (const which of [...BOTH, ...BOTH])
    expect(await nodes.poll(which), which).toMatchObject({ outcome: 'done', caughtUp: true });
  await witness.check(random);
  await witness.askAgain();
  return witness.count;
}

const PAIRS: readonly Readonly<Record<Which, Plugin>>[] = [
  { a: 'pgoutput', b: 'wal2json' },
  { a: 'pgoutput', b: 'pgoutput' },
];

for (const plugins of PAIRS) {
  const need = plugins.b === 'wal2json' ? wal2json() : { what: 'pgoutput', met: true, remedy: '' };
  describeNeeding(need, `one clock, through ${plugins.a} and ${plugins.b}`, () => {
    describe.each(Array.from({ length: HISTORIES }, (_, index) => SEED + index))('CLOCK_SEED=%i', (seed) => {
      test('a transaction has one time in all nodes, and final answers agree', {
        timeout: 240_000,
      }, async () => {
        expect(await follow(plugins, seed)).toBeGreaterThan(50);
      });
    });
  });
}

describe('if commits of another node leave no microsecond', () => {
  const pair = { a: 'pgoutput', b: 'pgoutput' } as const;
  const forged = async (nodes: TwoNodes, sql: string): Promise<void> => {
    const writer = nodes.writer(2);
    await writer.query('BEGIN');
    await writer.query(sql);
    await writer.query(`SELECT pg_replication_origin_xact_setup('0/1', '2001-01-01 00:00:00+00')`);
    await writer.query('COMMIT');
  };

  test('commits share a time, and none of them counts before all of them are stored', async () => {
    for (let tries = 0; !(await isShownByOne()); tries++) expect(tries).toBeLessThan(5);
  });

  /** Whether a commit of `b` got a time one microsecond after the horizon of `a`. A horizon of `b` in between leaves more room. */
  async function isShownByOne(): Promise<boolean> {
    await using nodes = await TwoNodes.make(pair);
    const witness = new Witness(nodes);
    // to the end of WAL, which transactions of other tests may delay: then the horizon of `a` would be earlier than that of `b`
    const reach = (one: 'a' | 'b'): Promise<void> =>
      expect.poll(async () => (await nodes.poll(one)).caughtUp, { timeout: 20_000 }).toBe(true);
    await reach('b');
    await reach('a');
    const before = await witness.horizon('a');
    for (let n = 1; n <= 5; n++) await nodes.writer(0).query(`UPDATE of_a SET n = ${n} WHERE id = 1`);
    await forged(nodes, 'UPDATE of_b SET n = 1 WHERE id = 1'); // a microsecond after `before`
    await nodes.writer(0).query('UPDATE shared SET n = 1 WHERE id = 1');
    await reach('b');
    const own = (await witness.entries('b'))[0]!;
    expect(own.ts > before).toBe(true);
    if (parseCommitTime(own.ts) !== nextMicrosecond(parseCommitTime(before))) return false;
    await nodes.poll('a', 2);
    expect(await witness.horizon('a')).toBe(before);
    expect(await witness.say('a', 'of_a', before)).toEqual({ n: 0, final: true });
    expect((await witness.say('a', 'of_a', own.ts)).final).toBe(false);
    await reach('a');
    expect((await witness.entries('a')).map(({ ts }) => ts).slice(0, 5)).toEqual(Array(5).fill(own.ts));
    expect(await witness.say('a', 'of_a', before)).toEqual({ n: 0, final: true });
    expect(await witness.say('a', 'of_a', own.ts)).toEqual({ n: 5, final: true });
    expect(await witness.say('b', 'of_b', own.ts)).toEqual({ n: 1, final: true });
    expect(await witness.say('b', 'of_b', before)).toEqual({ n: 0, final: true });
    return true;
  }

  test('the horizon stays where it is', async () => {
    await using nodes = await TwoNodes.make(pair);
    const witness = new Witness(nodes);
    await nodes.poll('a');
    await nodes.poll('b');
    await runMeanwhile(nodes.urls('a'), 'DECLARE pgtimewarp_peek', async () => {
      await forged(nodes, 'UPDATE shared SET n = 1 WHERE id = 1');
      await nodes.poll('b');
    });
    const [commit] = await witness.entries('b');
    expect((await witness.horizon('a')) < commit!.ts).toBe(true);
    expect(await nodes.poll('a')).toMatchObject({ caughtUp: true });
    expect(await witness.entries('a')).toEqual([commit]);
  });
});

describe('a node that begins while another one waits to be read', () => {
  const urlsOf = (nodes: TwoNodes): Parameters<typeof rebaselineNode>[0] => ({
    ...nodes.urls('b'),
    version: 'test',
  });

  test.for([
    [
      'a new node',
      (nodes: TwoNodes) =>
        init({ ...urlsOf(nodes), node: `${nodes.urls('b').node}_new`, plugin: 'pgoutput', slotName: null }),
    ],
    ['a node that is read again', (nodes: TwoNodes) => rebaselineNode(urlsOf(nodes))],
  ] as const)('does not move the commits of the other one: %s', async ([, begin]) => {
    await using nodes = await TwoNodes.make({ a: 'pgoutput', b: 'pgoutput' });
    const { source, connect } = nodes.databases;
    const open = await connect('source'); // the new slot waits for this transaction
    await open.query('BEGIN; SELECT txid_current()');
    const begun = begin(nodes);
    await expect
      .poll(() => source.query(CREATING_SLOT).then(({ rowCount }) => rowCount), { timeout: 10_000 })
      .toBe(1);
    const moments: { n: number; at: string }[] = [];
    for (let n = 1; n <= 5; n++) {
      await source.query('UPDATE of_a SET n = $1 WHERE id = 1', [n]);
      const { rows } = await source.query<{ at: string }>(
        'SELECT clock_timestamp()::text AS at, pg_sleep(0.05)',
      );
      moments.push({ n, at: formatCommitTime(parseCommitTime(rows[0]!.at)) });
    }
    await open.query('COMMIT');
    await begun;
    await expect.poll(async () => (await nodes.poll('a')).caughtUp, { timeout: 20_000 }).toBe(true);
    const witness = new Witness(nodes);
    for (const { n, at } of moments) expect(await witness.say('a', 'of_a', at)).toEqual({ n, final: true });
  });
});

test('the points of other nodes are looked up by index, and only the needed ones', async () => {
  await using nodes = await TwoNodes.make({ a: 'pgoutput', b: 'pgoutput' });
  const { store } = nodes.databases;
  await nodes.poll('b');
  await nodes.poll('a');
  await store.query(
    `INSERT INTO pgtimewarp.lsn_time_map (node_id, lsn_space, lsn, ts, commit_ts, xid)
     SELECT c.node_id, c.lsn_space, c.applied_lsn + 1000 * i, c.applied_ts + i * interval '1 s', c.applied_ts, i
       FROM pgtimewarp.wal_checkpoints AS c CROSS JOIN generate_series(1, 60000) AS i WHERE c.node_id = $1`,
    [nodes.urls('b').node],
  );
  await store.query(
    `UPDATE pgtimewarp.wal_checkpoints SET applied_lsn = applied_lsn + 1000 * 60000, applied_ts = clock_timestamp() WHERE node_id = $1`,
    [nodes.urls('b').node],
  );
  await store.query('ANALYZE');
  const plans: string[] = [];
  const explaining = {
    query: async (text: string, values: unknown[]) => {
      const { rows } = await store.query<Record<string, string>>(
        `EXPLAIN (ANALYZE, TIMING off) ${text}`,
        values,
      );
      plans.push(rows.map((row) => row['QUERY PLAN']).join('\n'));
      return store.query(text, values);
    },
  } as unknown as pg.Client;
  const claim = (await claimNode(store, nodes.urls('a').node, 60))!;
  const { before, promises } = await readLineage(explaining, claim);
  expect([before.length, promises.length]).toEqual([2, 1]);
  const page = await readClockPage(explaining, claim, claim.horizon.lsn, 100);
  expect([page.points.length, page.upto]).toEqual([100, page.points.at(-1)!.lsn]);
  const horizon = { lsn: (claim.horizon.lsn + 1n) as Lsn, time: (claim.horizon.time + 1n) as CommitTime };
  await requireAgreement(explaining as StoreTransaction, claim, horizon, null);
  await placeHorizon(explaining as StoreTransaction, {
    nodeId: claim.nodeId,
    ...horizon,
    wanted: horizon.time,
    promised: claim.horizon.time,
  });
  expect(plans).toHaveLength(5);
  for (const plan of plans) {
    expect(plan).not.toMatch(/Seq Scan on lsn_time_map/);
    for (const [, rows] of plan.matchAll(/lsn_time_map.*actual rows=(\d+)/g))
      expect(Number(rows), plan).toBeLessThanOrEqual(100);
  }
});
