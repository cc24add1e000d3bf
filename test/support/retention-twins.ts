/**
 * One random history, written twice into a store: under a node with retention, and under one that keeps everything and so knows
 * every right answer.
 */
import type pg from 'pg';
import { keepRetention, type RetentionResult } from '../../core/retention/keep-retention.ts';
import { type Claim, claimNode, releaseClaim } from '../../core/store/node/claim.ts';
import { parseCommitTime } from '../../core/types/commit-time.ts';
import { LSN_ZERO, type Lsn, parseLsn } from '../../core/types/lsn.ts';
import { type Answer, lsnOf, type PeriodOptions, StoreHistory, timeOf } from '../pg/query/query-history.ts';

export const KEYS = ['1', '2', '3', '4', '5', '6', '7'];
/** Existed at the start, is changed and deleted at once, and never comes back. */
const QUIET_KEY = '8';
const START = 10;
const LEAVES = [null, 1, 2];

const leafOf = (key: string): number => 1 + (Number.parseInt(key, 10) % 2);

/** A small deterministic generator, so that a failure can be repeated. */
export function random(seed: number): (below: number) => number {
  let state = (seed * 2654435761) % 2147483647 || 1;
  return (below) => {
    state = (state * 48271) % 2147483647;
    return state % below;
  };
}

export interface Question {
  readonly n: number;
  readonly key: string;
}

export class RetentionTwins {
  readonly forgetting: StoreHistory;
  readonly keeping: StoreHistory;
  readonly relation: number;
  readonly #keepingRelation: number;
  readonly #pick: (below: number) => number;
  readonly #present = new Map<string, boolean>();
  #now = START;

  private constructor(histories: [StoreHistory, StoreHistory], ids: [number, number], seed: number) {
    [this.forgetting, this.keeping] = histories;
    [this.relation, this.#keepingRelation] = ids;
    this.#pick = random(seed);
  }

  /** Tracks from commit 10 with a window of this many commits, one every second. */
  static async create(
    store: pg.Client,
    options: PeriodOptions & { readonly window: number; readonly seed: number },
  ): Promise<RetentionTwins> {
    const histories = [await StoreHistory.create(store, START), await StoreHistory.create(store, START)] as [
      StoreHistory,
      StoreHistory,
    ];
    const ids = [await histories[0].track(options), await histories[1].track(options)] as [number, number];
    await store.query(
      `UPDATE pgtimewarp.tracked_relations SET retention = make_interval(secs => $2::int) WHERE relation_id = $1::int`,
      [ids[0], options.window],
    );
    const twins = new RetentionTwins(histories, ids, options.seed);
    for (const key of [...KEYS.filter((_, index) => index % 2 === 0), QUIET_KEY]) {
      if (options.baseline === 'done') {
        await twins.#both((history, id) =>
          history.change(id, START, 'S', key, { read: START + 4, leaf: leafOf(key) }),
        );
      }
      twins.#present.set(key, true);
    }
    return twins;
  }

  get now(): number {
    return this.#now;
  }

  /** Makes this many commits, then moves the horizon past them (further if `idle`). */
  async happen(commits: number, idle = 0): Promise<void> {
    for (let i = 0; i < commits; i++) {
      this.#now++;
      await this.#oneCommit(this.#now);
    }
    this.#now += idle;
    await this.#both((history) => history.moveHorizon(this.#now));
  }

  async #oneCommit(n: number): Promise<void> {
    if (n > START + 2 && this.#pick(25) === 0) {
      const leaf = LEAVES[this.#pick(3)];
      await this.#both((history, id) => history.truncate(id, n, leaf == null ? {} : { leaf }));
      for (const key of KEYS) if (leaf == null || leafOf(key) === leaf) this.#present.delete(key);
      return;
    }
    const quiet = n === START + 1 ? 'U' : n === START + 2 ? 'D' : null;
    if (quiet !== null) {
      await this.#both((history, id) => history.change(id, n, quiet, QUIET_KEY, { leaf: leafOf(QUIET_KEY) }));
      return;
    }
    const key = KEYS[this.#pick(KEYS.length)]!;
    const present = this.#present.get(key) === true;
    const op = present ? (this.#pick(4) === 0 ? 'D' : 'U') : 'I';
    this.#present.set(key, op !== 'D');
    await this.#both((history, id) => history.change(id, n, op, key, { leaf: leafOf(key) }));
  }

  /** A pass of retention in its own session. */
  async forget(session: pg.Client, mayGoOn: () => boolean = () => true): Promise<RetentionResult> {
    const claim = await claimNode(session, this.forgetting.node, 60);
    if (claim === null) throw new Error('somebody holds the node');
    try {
      return await keepRetention({ store: session, claim, upto: claim.horizon.lsn, mayGoOn });
    } finally {
      await releaseClaim(session, claim as Claim).catch(() => {});
    }
  }

  async cutoff(session: pg.Client = this.forgetting.store): Promise<Cutoff> {
    const { rows } = await session.query<{ ts: string | null; lsn: string | null }>(
      `SELECT expired_before_ts AS ts, expired_before_lsn AS lsn
         FROM pgtimewarp.relation_retention WHERE relation_id = $1`,
      [this.relation],
    );
    const { ts = null, lsn = null } = rows[0] ?? {};
    if (ts === null || lsn === null) return { ts: 0, lsn: LSN_ZERO };
    return {
      ts: Number((parseCommitTime(ts) - parseCommitTime(timeOf(0))) / 1_000_000n),
      lsn: parseLsn(lsn),
    };
  }

  /** Every key at every instant so far (or the last ones), and after the horizon. */
  questions(last = this.#now): Question[] {
    const first = Math.max(5, this.#now - last);
    const instants = Array.from({ length: this.#now + 2 - first }, (_, index) => index + first);
    return instants.flatMap((n) => [...KEYS, QUIET_KEY].map((key) => ({ n, key })));
  }

  /** The answers of the twin that keeps everything, by LSN or by time. */
  async truth(questions: readonly Question[], by: 'ts' | 'lsn'): Promise<Answer[]> {
    return ask(this.keeping.store, this.keeping.node, questions, by);
  }

  async answers(session: pg.Client, questions: readonly Question[], by: 'ts' | 'lsn'): Promise<Answer[]> {
    return ask(session, this.forgetting.node, questions, by);
  }

  async #both(work: (history: StoreHistory, relation: number) => Promise<void>): Promise<void> {
    await work(this.forgetting, this.relation);
    await work(this.keeping, this.#keepingRelation);
  }
}

/** The claim of the dead session ends with the session, a moment later. */
export async function forgetOnceFree(twins: RetentionTwins, session: pg.Client): Promise<number> {
  for (let attempt = 0; ; attempt++) {
    try {
      return (await twins.forget(session)).rangesDropped;
    } catch (error) {
      if (attempt > 200 || !(error as Error).message.includes('holds the node')) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** All questions in one statement, and so on one snapshot. */
async function ask(
  session: pg.Client,
  node: string,
  questions: readonly Question[],
  by: 'ts' | 'lsn',
): Promise<Answer[]> {
  const { rows } = await session.query<{ answer: string; each: string }>(
    `SELECT a.answer::text, e.answer AS each
       FROM unnest($2::text[], $3::timestamptz[], $4::pg_lsn[]) WITH ORDINALITY AS q (key, ts, lsn, place)
      CROSS JOIN LATERAL pgtimewarp.asof_answer($1, 'public', 't', to_jsonb(q.key), q.ts, q.lsn, NULL) AS a
      CROSS JOIN LATERAL pgtimewarp.asof_each(
                           $1, 'public', 't', ARRAY[to_jsonb(q.key)], ARRAY[q.ts], ARRAY[q.lsn], ARRAY[NULL]) AS e
      ORDER BY q.place`,
    [
      node,
      questions.map((question) => question.key),
      questions.map((question) => (by === 'ts' ? timeOf(question.n) : null)),
      questions.map((question) => (by === 'lsn' ? lsnOf(question.n) : null)),
    ],
  );
  for (const { answer, each } of rows)
    if (answer !== each) throw new Error(`${answer}, and with others ${each}`);
  return rows.map((row) => JSON.parse(row.answer) as Answer);
}

/** The part of an answer about the row. The end of an absence is left out, because it may differ. */
export function gist(answer: Answer): string {
  const { status, reason, row, op, valid_from, incomplete } = answer;
  const valid_to = status === 'found' ? answer.valid_to : null;
  return JSON.stringify({ status, reason, row, op, valid_from, valid_to, incomplete });
}

/** The cutoff of the relation with retention: time and position. */
export interface Cutoff {
  readonly ts: number;
  readonly lsn: Lsn;
}

/** The right answer of a relation that has deleted what was before `cutoff`. */
export function expected(truth: Answer, question: Question, cutoff: Cutoff, by: 'ts' | 'lsn' = 'ts'): string {
  if (truth.reason === 'before_tracking' && question.n < START) return gist(truth);
  if (by === 'ts' ? question.n < cutoff.ts : parseLsn(lsnOf(question.n)) < cutoff.lsn) return EXPIRED;
  const from = truth.valid_from === null ? null : parseLsn(truth.valid_from.lsn);
  const forgotten =
    truth.status === 'absent' &&
    cutoff.ts > 0 &&
    (truth.reason === 'not_yet_inserted' || from! <= cutoff.lsn);
  return gist(forgotten ? { ...truth, reason: 'not_in_window', op: null, valid_from: null } : truth);
}

export const EXPIRED = JSON.stringify({
  status: 'unknown',
  reason: 'expired',
  row: null,
  op: null,
  valid_from: null,
  valid_to: null,
  incomplete: [],
});
