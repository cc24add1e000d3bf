/**
 * A node whose archived history is dropped, compared with a twin that keeps everything: every question about one row has the same answer,
 * to the letter but for its tier, after every step of dropping. So have questions about the rows of a
 * table, its changes, values, and transactions.
 */
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { archiveRun } from '../../../core/archive/archive-run.ts';
import { archiveReader } from '../../../core/archive/read-archived.ts';
import { TimewarpError } from '../../../core/errors/timewarp-error.ts';
import { type AsOfResult, asOf, asOfMany } from '../../../core/query/as-of.ts';
import { type ChangesPage, changes } from '../../../core/query/changes.ts';
import { diff } from '../../../core/query/diff.ts';
import { type FindPage, findRows } from '../../../core/query/find.ts';
import { parseInstant } from '../../../core/query/instant.ts';
import { keyFromText } from '../../../core/query/key-input.ts';
import { openTable, type TablePage, type TableRow, tablePage } from '../../../core/query/table-rows.ts';
import { transactionChanges, transactions } from '../../../core/query/transactions.ts';
import { archiveTools } from '../../support/archive-tools.ts';
import { openTestArchive } from '../../support/archive-world.ts';
import { MODES, mortalSession } from '../../support/mortal-session.ts';
import { describeNeeding } from '../../support/needs.ts';
import { forgetOnceFree, KEYS, RetentionTwins, random } from '../../support/retention-twins.ts';
import { type Seaweed, startSeaweed } from '../../support/seaweed.ts';
import { type TestDatabases, testDatabases } from '../../support/test-databases.ts';
import { lsnOf, type PeriodOptions, timeOf } from '../query/query-history.ts';

/** Existed at the start, and was removed before a run had read it. */
const UNREAD_KEY = '9';
const ALL_KEYS = [...KEYS, '8', UNREAD_KEY, '77'];
const TABLE = { schema: 'public', name: 't' };
const PERIODS = {
  'a baseline of all rows': { baseline: 'done', baselineRead: 14 },
  'no baseline': { baseline: 'none' },
  'a TRUNCATE while the baseline was read': { baseline: 'done', baselineRead: 14, unseenUnknownBefore: 60 },
} as const;

describeNeeding(archiveTools(), 'answers through the archive', () => {
  let seaweed: Seaweed;
  let databases: TestDatabases;
  beforeAll(async () => {
    seaweed = await startSeaweed();
    Object.assign(process.env, seaweed.env);
    databases = await testDatabases();
  }, 60_000);
  afterAll(async () => {
    await databases?.[Symbol.asyncDispose]();
    await seaweed?.[Symbol.asyncDispose]();
  });

  describe.each(Object.entries(PERIODS))('with %s', (_name, period) => {
    test('are those of a twin that keeps everything, after every step of dropping', async () => {
      const session = await databases.connect('store');
      const world = await ArchivedTwins.create(session, databases.storeUrl, period);
      const pick = random(11);
      for (let round = 0; round < 7; round++) {
        await world.twins.happen(4 + pick(9), pick(3) === 0 ? pick(12) : 0);
        if (round === 2) await world.gap();
        if (round % 2 === 0) await world.archive();
        let steps = pick(3) === 0 ? 1000 : pick(3); // most passes end before the last step
        await world.twins.forget(session, () => steps-- > 0);
        await world.compare(pick, 30);
      }
      await world.archive();
      await world.twins.forget(session);
      await world.compare(pick, 150);
      expect(await world.droppedRows()).toBeGreaterThan(10);
      expect(world.seen.archived).toBeGreaterThan(100);
      expect(world.seen.hot).toBeGreaterThan(20);
      expect(world.seen.wholeArchived).toBeGreaterThan(5);
      if (period === PERIODS['a baseline of all rows']) expect(world.seen.unread).toBeGreaterThan(0);
      expect(world.seen.changesArchived).toBeGreaterThan(10);
      expect(world.seen.findsArchived).toBeGreaterThan(10);
      expect(world.seen.transactionsArchived).toBeGreaterThan(5);
    }, 300_000);
  });

  test('are right whatever ends a run that drops, at each of its statements', async () => {
    const session = await databases.connect('store');
    const period = PERIODS['a baseline of all rows'];
    const world = await ArchivedTwins.create(session, databases.storeUrl, { ...period, hot: '40 seconds' });
    const pick = random(5);
    await world.twins.happen(45);
    let at = 1;
    for (let alive = false; !alive; at++) {
      await world.twins.happen(6);
      await world.archive();
      const run = await mortalSession(databases.storeUrl, { at, mode: MODES[at % 3]!, large: false });
      await world.twins.forget(run.client).catch((error: unknown) => {
        if (!run.died()) throw error;
      });
      alive = !run.died();
      await run.client.end().catch(() => {});
      await world.compare(pick, 5);
      await forgetOnceFree(world.twins, session);
    }
    await world.compare(pick, 60);
    expect(at).toBeGreaterThan(20);
    expect(await world.droppedRows()).toBeGreaterThan(10);
  }, 400_000);
});

class ArchivedTwins {
  readonly seen = {
    ...{
      archived: 0,
      hot: 0,
      wholeArchived: 0,
      changesArchived: 0,
      transactionsArchived: 0,
      findsArchived: 0,
      unread: 0,
    },
  };
  readonly readArchive = archiveReader(() => openTestArchive().objects);

  readonly session: pg.Client;
  readonly storeUrl: string;
  readonly twins: RetentionTwins;

  constructor(session: pg.Client, storeUrl: string, twins: RetentionTwins) {
    this.session = session;
    this.storeUrl = storeUrl;
    this.twins = twins;
  }

  static async create(
    session: pg.Client,
    storeUrl: string,
    { hot = '16 seconds', ...period }: PeriodOptions & { readonly hot?: string },
  ): Promise<ArchivedTwins> {
    const twins = await RetentionTwins.create(session, { ...period, window: 1_000_000, seed: 7 });
    await session.query(
      `INSERT INTO pgtimewarp.archive_settings (node_id, schema_name, table_name, hot, min_rows, drops)
       VALUES ($1, 'public', 't', $2::interval, 1, true)`,
      [twins.forgetting.node, hot],
    );
    await session.query(`UPDATE pgtimewarp.tracked_relations SET status = 'active' WHERE node_id = $1`, [
      twins.forgetting.node,
    ]);
    await session.query(
      'UPDATE pgtimewarp.tracked_relations SET columns = $1::jsonb WHERE node_id = ANY ($2)',
      [
        JSON.stringify(
          ['id', 'n'].map((name, at) => ({
            ...{ name, attnum: at + 1, type_oid: 23, type_name: 'integer', since_lsn: '0/0' },
          })),
        ),
        [twins.forgetting.node, twins.keeping.node],
      ],
    );
    for (const history of [twins.forgetting, twins.keeping]) {
      const { rows } = await session.query<{ id: number }>(
        'SELECT r.relation_id AS id FROM pgtimewarp.tracked_relations AS r WHERE r.node_id = $1',
        [history.node],
      );
      await history.change(rows[0]!.id, 12, 'D', UNREAD_KEY, { seq: 1, leaf: 2 });
    }
    return new ArchivedTwins(session, storeUrl, twins);
  }

  get node(): string {
    return this.twins.forgetting.node;
  }

  async archive(): Promise<void> {
    const result = await archiveRun({ storeUrl: this.storeUrl, node: this.node, target: openTestArchive() });
    expect(result.outcome).toBe('done');
  }

  async gap(): Promise<void> {
    const { now, forgetting, keeping } = this.twins;
    for (const history of [forgetting, keeping]) await history.gap(now - 2, now - 1);
  }

  /** The changes that the twin has and this node has not. */
  async droppedRows(): Promise<number> {
    const { rows } = await this.session.query<{ missing: number }>(
      `SELECT count(*) FILTER (WHERE p.node_id = $2)::int - count(*) FILTER (WHERE p.node_id = $1)::int AS missing
         FROM pgtimewarp.row_changes AS c JOIN pgtimewarp.relation_periods AS p ON p.relation_id = c.relation_id`,
      [this.node, this.twins.keeping.node],
    );
    return rows[0]!.missing;
  }

  /** Asks random questions of both. */
  async compare(pick: (below: number) => number, questions: number): Promise<void> {
    const { now } = this.twins;
    for (let count = 0; count < questions; count++) {
      const [a, b] = [5 + pick(now - 3), 5 + pick(now - 3)];
      const text = (n: number): string => (pick(2) === 0 ? timeOf(n, pick(2)) : lsnOf(n));
      const key = ALL_KEYS[pick(ALL_KEYS.length)]!;
      await this.#compareAsOf(key, text(a));
      const from = pick(5) === 0 ? null : text(Math.min(a, b));
      if (count % 3 === 0) await this.#compareDiff(key, from, text(Math.max(a, b) + 1));
      if (count % 10 === 0) await this.#compareMany(text(a));
      if (count % 5 === 1) await this.#compareTable(text(a));
      const ends = [text(Math.min(a, b)), text(Math.max(a, b) + 1)] as const;
      if (count % 4 === 2) await this.#compareChanges(ends, pick);
      if (count % 4 === 0) await this.#compareFind(ends, pick);
      if (count % 4 === 3) await this.#compareTransactions(ends, pick);
    }
  }

  async #compareAsOf(key: string, at: string): Promise<void> {
    const ask = (node: string): Promise<AsOfResult> =>
      asOf(this.session, {
        ...{ node, table: TABLE, pk: keyFromText(key), at: parseInstant(at) },
        readArchive: this.readArchive,
      });
    const got = await ask(this.node);
    const { plain, tier } = withoutTier(got.answerText);
    this.seen[tier ? 'archived' : 'hot'] += 1;
    expect(plain, `${key} at ${at}`).toBe((await ask(this.twins.keeping.node)).answerText);
  }

  async #compareMany(at: string): Promise<void> {
    const ask = async (node: string): Promise<string[]> => {
      const pks = [...ALL_KEYS, '{"wrong":1}'].map(keyFromText);
      const request = { node, table: TABLE, pks, at: parseInstant(at), maxBytes: 1_000_000 };
      const answers = await asOfMany(this.session, { ...request, readArchive: this.readArchive });
      return answers.map((each) =>
        each instanceof TimewarpError ? each.message : withoutTier(each.answerText).plain,
      );
    };
    expect(await ask(this.node), at).toEqual(await ask(this.twins.keeping.node));
  }

  async #compareDiff(key: string, from: string | null, to: string): Promise<void> {
    const ask = async (node: string): Promise<object> => {
      const request = { node, table: TABLE, pk: keyFromText(key), readArchive: this.readArchive };
      const interval = { from: from === null ? null : parseInstant(from), to: parseInstant(to), limit: 3 };
      const { tier, nextCursor, ...page } = await diff(this.session, { ...request, ...interval });
      if (tier !== undefined) this.seen.archived += 1;
      if (nextCursor === null) return page;
      const { nextCursor: _, ...next } = await diff(this.session, {
        ...request,
        ...interval,
        cursor: nextCursor,
      });
      return { page, next: { ...next, tier: undefined } };
    };
    const got = await ask(this.node).catch(describeError);
    const right = await ask(this.twins.keeping.node).catch(describeError);
    expect(got, `${key} in ${from}..${to}`).toEqual(right);
  }

  /** In small pages: one after the other with one reader, each with a reader of its own, and as a whole with a filter. */
  async #compareTable(at: string): Promise<void> {
    const request = {
      table: TABLE,
      at: parseInstant(at),
      unknown: 'skip',
      readArchive: this.readArchive,
    } as const;
    const rowsOf = async (node: string): Promise<unknown> => {
      const opened = await openTable(this.session, { node, ...request });
      if (opened.archived !== null) this.seen.wholeArchived += 1;
      if (opened.archived !== null && opened.unread === '1') this.seen.unread += 1;
      const inTurn = await allPages(({ after, limit }) =>
        tablePage(this.session, opened, { after, limit, goesOn: true }),
      );
      const oneByOne = await allPages(async (page) =>
        tablePage(this.session, await openTable(this.session, { node, ...request }), page),
      );
      expect(oneByOne).toEqual(inTurn);
      const where = { id: '3' };
      const filtered = await openTable(this.session, { node, ...request, where });
      const some = await allPages((page) => tablePage(this.session, filtered, page));
      const { lsn, through, final, unread, horizon } = opened;
      return { inTurn, some, lsn, through, final, unread, horizon };
    };
    const got = await rowsOf(this.node).catch(describeError);
    expect(got, at).toEqual(await rowsOf(this.twins.keeping.node).catch(describeError));
  }

  /** In pages of several sizes, and with filters. */
  async #compareChanges([at, to]: readonly [string, string], pick: (below: number) => number): Promise<void> {
    const interval = { from: pick(6) === 0 ? null : parseInstant(at), to: parseInstant(to) };
    const limit = 1 + pick(20);
    const net = pick(2) === 0;
    const filter = pick(3) === 0 ? { where: { id: KEYS[pick(KEYS.length)]! } } : {};
    const changesOf = async (node: string): Promise<unknown> => {
      const all: unknown[] = [];
      for (let cursor: string | null = null; ; ) {
        const page: ChangesPage = await changes(this.session, {
          ...{ node, table: TABLE, ...interval, limit, cursor, filter, net, readArchive: this.readArchive },
        });
        if (page.tier !== undefined) this.seen.changesArchived += 1;
        all.push(...page.changes);
        const { from, to: until, final, unknownText } = page;
        if (page.next === null) return { all, from, until, final, unknownText };
        cursor = page.next;
      }
    };
    const got = await changesOf(this.node).catch(describeError);
    expect(got, `${at} to ${to}`).toEqual(await changesOf(this.twins.keeping.node).catch(describeError));
  }

  /** In pages of several sizes. */
  async #compareFind([from, at]: readonly [string, string], pick: (below: number) => number): Promise<void> {
    const instants =
      pick(2) === 0
        ? { at: parseInstant(at), from: null, to: null }
        : { at: null, from: pick(4) === 0 ? null : parseInstant(from), to: parseInstant(at) };
    const where: Readonly<Record<string, string>> =
      pick(2) === 0 ? { id: KEYS[pick(KEYS.length)]! } : { n: `${10 + pick(this.twins.now)}` };
    const limit = 1 + pick(4);
    const foundBy = async (node: string): Promise<unknown> => {
      const all: unknown[] = [];
      for (let cursor: string | null = null; ; ) {
        const page: FindPage = await findRows(this.session, {
          ...{ node, table: TABLE, where, ...instants, limit, cursor },
          readArchive: this.readArchive,
        });
        if (page.tier !== undefined) this.seen.findsArchived += 1;
        all.push(...page.rows);
        if (page.next === null) return { all, unknown: page.unknownText, final: page.final };
        cursor = page.next;
      }
    };
    const got = await foundBy(this.node).catch(describeError);
    expect(got, JSON.stringify([from, at, where, limit])).toEqual(
      await foundBy(this.twins.keeping.node).catch(describeError),
    );
  }

  /** The list of an interval, and every row of one of them. */
  async #compareTransactions(
    [at, to]: readonly [string, string],
    pick: (below: number) => number,
  ): Promise<void> {
    const interval = { from: parseInstant(at), to: parseInstant(to), readArchive: this.readArchive };
    const filter = pick(2) === 0 ? { op: [['I', 'U', 'D', 'T'][pick(4)]!] } : {};
    const limit = 1 + pick(30);
    const choice = pick(30);
    const transactionsOf = async (node: string): Promise<unknown> => {
      const page = await transactions(this.session, { node, ...interval, filter, limit });
      if (page.tier !== undefined) this.seen.transactionsArchived += 1;
      const { transactions: list, unknownText } = page;
      if (list.length === 0) return { list, unknownText };
      const transaction = list[choice % list.length]!;
      const { changes: rows } = await transactionChanges(this.session, {
        ...{ node, transaction, limit: 100, readArchive: this.readArchive },
      });
      return { list, unknownText, rows };
    };
    const got = await transactionsOf(this.node).catch(describeError);
    expect(got, `${at} to ${to}`).toEqual(await transactionsOf(this.twins.keeping.node).catch(describeError));
  }
}

/** Rows and counts of all pages. */
async function allPages(
  read: (page: { after: string | null; limit: number }) => Promise<TablePage>,
): Promise<object> {
  const rows: TableRow[] = [];
  let skipped = 0;
  for (let after: string | null = null; ; ) {
    const page: TablePage = await read({ after, limit: 1 + (rows.length % 3) });
    rows.push(...page.rows);
    skipped += page.skipped;
    if (page.next === null) return { rows, skipped };
    after = page.next;
  }
}

function describeError(error: unknown): string {
  if (error instanceof TimewarpError) return error.code;
  throw error;
}

function withoutTier(answer: string): { plain: string; tier: boolean } {
  const plain = answer.replace(/,"tier":"archive"\}$/, '}');
  return { plain, tier: plain !== answer };
}
