/**
 * A node whose archived history is dropped, compared with a twin that keeps everything: every question about one row has the same answer,
 * to the letter but for its tier, after every step of dropping. Other questions have the same answer or are refused.
 */
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { archiveRun } from '../../../core/archive/archive-run.ts';
import { archiveReader } from '../../../core/archive/read-archived.ts';
import { TimewarpError } from '../../../core/errors/timewarp-error.ts';
import { type AsOfResult, asOf, asOfMany } from '../../../core/query/as-of.ts';
import { changes } from '../../../core/query/changes.ts';
import { diff } from '../../../core/query/diff.ts';
import { parseInstant } from '../../../core/query/instant.ts';
import { keyFromText } from '../../../core/query/key-input.ts';
import { openTable, tablePage } from '../../../core/query/table-rows.ts';
import { archiveTools } from '../../support/archive-tools.ts';
import { openTestArchive } from '../../support/archive-world.ts';
import { MODES, mortalSession } from '../../support/mortal-session.ts';
import { describeNeeding } from '../../support/needs.ts';
import { forgetOnceFree, KEYS, RetentionTwins, random } from '../../support/retention-twins.ts';
import { type Seaweed, startSeaweed } from '../../support/seaweed.ts';
import { type TestDatabases, testDatabases } from '../../support/test-databases.ts';
import { lsnOf, type PeriodOptions, timeOf } from '../query/query-history.ts';

const ALL_KEYS = [...KEYS, '8', '77'];
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
      await world.compare(pick, 200);
      expect(await world.droppedRows()).toBeGreaterThan(10);
      expect(world.seen.archived).toBeGreaterThan(100);
      expect(world.seen.hot).toBeGreaterThan(20);
      expect(world.seen.refused).toBeGreaterThan(5);
      expect(world.seen.whole).toBeGreaterThan(2);
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
  readonly seen = { archived: 0, hot: 0, refused: 0, whole: 0 };
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
      if (count % 10 === 1) await this.#compareTable(text(a));
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

  /** Whole tables and changes do not read the archive: they are right or refused. */
  async #compareTable(at: string): Promise<void> {
    const rowsOf = async (node: string): Promise<unknown> => {
      const opened = await openTable(this.session, {
        node,
        table: TABLE,
        at: parseInstant(at),
        unknown: 'skip',
      });
      return tablePage(this.session, opened, { after: null, limit: 100 });
    };
    const changesOf = async (node: string): Promise<unknown> => {
      const page = await changes(this.session, {
        ...{
          node,
          table: TABLE,
          from: parseInstant(at),
          to: parseInstant(timeOf(this.twins.now)),
          limit: 500,
        },
      });
      return page.changes;
    };
    for (const ask of [rowsOf, changesOf]) {
      const got = await ask(this.node).catch(describeError);
      if (got === 'ARCHIVED') this.seen.refused += 1;
      else {
        this.seen.whole += 1;
        expect(got, at).toEqual(await ask(this.twins.keeping.node).catch(describeError));
      }
    }
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
