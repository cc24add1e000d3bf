/**
 * History written straight into a store, for tests of the reading side. Commit number n has LSN 0/n00 and a time n
 * seconds after the new year of 2026; every history is a node of its own.
 */
import type pg from 'pg';
import { expect } from 'vitest';
import { type AsOfResult, asOf } from '../../../core/query/as-of.ts';
import { type DiffPage, type DiffRequest, diff } from '../../../core/query/diff.ts';
import { type Instant, instantParameters, parseInstant } from '../../../core/query/instant.ts';
import { keyFromText } from '../../../core/query/key-input.ts';

export const lsnOf = (n: number): string => `0/${(n * 256).toString(16).toUpperCase()}`;

/** `timeOf(5, -1)` is a microsecond before commit 5. */
export const timeOf = (n: number, micros = 0): string => {
  const total = n * 1_000_000 + micros;
  const seconds = Math.floor(total / 1_000_000);
  const clock = [Math.floor(seconds / 60), seconds % 60].map((part) => String(part).padStart(2, '0'));
  return `2026-01-01T00:${clock.join(':')}.${String(total % 1_000_000).padStart(6, '0')}Z`;
};

export interface PeriodOptions {
  readonly from?: number | null;
  readonly to?: number;
  readonly baseline?: 'none' | 'pending' | 'done';
  readonly baselineRead?: number;
  readonly unseenUnknownBefore?: number;
  readonly space?: number;
  readonly columns?: readonly string[];
  readonly kinds?: readonly string[];
}

export interface ChangeOptions {
  readonly seq?: number;
  readonly leaf?: number;
  /** S only: read at this position. */
  readonly read?: number;
  readonly row?: string | null;
  readonly xid?: number;
  readonly space?: number;
  readonly incomplete?: readonly string[];
  readonly jsonNulls?: readonly string[];
}

export interface Answer {
  readonly status: string;
  readonly reason: string | null;
  readonly row: unknown;
  readonly op: string | null;
  readonly pk: Record<string, string>;
  readonly incomplete: string[];
  readonly context: unknown;
  readonly valid_from: { lsn: string; ts: string; xid: string | null } | null;
  readonly valid_to: { lsn: string; ts: string; xid: string | null } | null;
  readonly as_of: { requested: string; lsn: string | null };
  readonly horizon: { lsn: string; ts: string };
  readonly final: boolean;
}

let histories = 0;

export class StoreHistory {
  readonly store: pg.Client;
  readonly node: string;

  private constructor(store: pg.Client, node: string) {
    this.store = store;
    this.node = node;
  }

  /** A node whose horizon is commit `horizon`. */
  static async create(store: pg.Client, horizon = 100, space = 1): Promise<StoreHistory> {
    const node = `h${++histories}`;
    await store.query(
      `INSERT INTO pgtimewarp.nodes (node_id, system_identifier, timeline, database_name, slot_name, plugin)
       VALUES ($1, '1', 1, 'app', 'slot', 'pgoutput')`,
      [node],
    );
    await store.query(
      `INSERT INTO pgtimewarp.wal_checkpoints (node_id, slot_name, applied_lsn, applied_ts, lsn_space)
       VALUES ($1, 'slot', $2, $3, $4)`,
      [node, lsnOf(horizon), timeOf(horizon), space],
    );
    return new StoreHistory(store, node);
  }

  async moveHorizon(to: number, space = 1): Promise<void> {
    await this.store.query(
      'UPDATE pgtimewarp.wal_checkpoints SET applied_lsn = $2, applied_ts = $3, lsn_space = $4 WHERE node_id = $1',
      [this.node, lsnOf(to), timeOf(to), space],
    );
  }

  /** Starts tracking of public.t; a period with `past` is one that another has followed. */
  async track(options: PeriodOptions = {}, past = false): Promise<number> {
    const from = options.from === undefined ? 10 : options.from;
    const position = (n: number | null | undefined) => (n == null ? [null, null] : [lsnOf(n), timeOf(n)]);
    const { rows } = await this.store.query<{ id: number }>(
      `INSERT INTO pgtimewarp.${past ? 'past_relations' : 'tracked_relations'}
         (relation_id, node_id, schema_name, table_name, pk_columns, pk_kinds, columns, excluded_columns, lsn_space,
          baseline_state, tracked_from_lsn, tracked_from_ts, tracked_to_lsn, tracked_to_ts, baseline_lsn,
          unseen_unknown_before_lsn, unseen_unknown_before_ts)
       VALUES (nextval('pgtimewarp.relation_id_seq'), $1, 'public', 't', $2, $3, '[]', '{}', $4, $5, $6, $7, $8, $9, $10, $11, $12)
       RETURNING relation_id AS id`,
      [
        this.node,
        options.columns ?? ['id'],
        options.kinds ?? ['int4'],
        options.space ?? 1,
        options.baseline ?? 'done',
        ...position(from),
        ...position(options.to),
        position(options.baselineRead)[0],
        ...position(options.unseenUnknownBefore),
      ],
    );
    const id = rows[0]!.id;
    await this.store.query('SELECT pgtimewarp.create_relation_partition($1)', [id]);
    return id;
  }

  /** Commit n changed the row `key` (canonical text of a one-column key, or the whole array). */
  async change(
    relation: number,
    n: number,
    op: 'I' | 'U' | 'D' | 'S',
    key = '1',
    options: ChangeOptions = {},
  ): Promise<void> {
    const row = op === 'D' ? null : options.row === undefined ? `{"id":${key},"n":${n}}` : options.row;
    const xid = op === 'S' ? null : (options.xid ?? 700 + n);
    if (xid !== null) await this.commit(n, xid, options.space);
    await this.store.query(
      `INSERT INTO pgtimewarp.row_changes (relation_id, pk, valid_from_lsn, valid_from_ts, seq, op, xid, leaf_id,
                                           read_lsn, row_data, incomplete, json_nulls)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
      [
        relation,
        key.startsWith('[') ? key : JSON.stringify([key]),
        lsnOf(n),
        timeOf(n),
        options.seq ?? 0,
        op,
        xid,
        options.leaf ?? null,
        options.read === undefined ? null : lsnOf(options.read),
        row,
        options.incomplete ?? null,
        options.jsonNulls ?? null,
      ],
    );
  }

  async truncate(relation: number, n: number, options: { seq?: number; leaf?: number } = {}): Promise<void> {
    await this.commit(n, 700 + n);
    await this.store.query(
      `INSERT INTO pgtimewarp.relation_events (relation_id, lsn, seq, leaf_id, ts, op, xid) VALUES ($1, $2, $3, $4, $5, 'T', $6)`,
      [relation, lsnOf(n), options.seq ?? 0, options.leaf ?? null, timeOf(n), 700 + n],
    );
  }

  async commit(n: number, xid: number, space = 1): Promise<void> {
    await this.store.query(
      `INSERT INTO pgtimewarp.lsn_time_map (node_id, lsn_space, lsn, ts, xid) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT ON CONSTRAINT lsn_time_map_pkey DO NOTHING`,
      [this.node, space, lsnOf(n), timeOf(n), xid],
    );
  }

  async gap(from: number, to: number | null, relation: number | null = null): Promise<void> {
    await this.store.query(
      `INSERT INTO pgtimewarp.history_gaps (node_id, relation_id, from_lsn, from_ts, to_lsn, to_ts, reason)
       VALUES ($1, $2, $3, $4, $5, $6, 'test')`,
      [
        this.node,
        relation,
        lsnOf(from),
        timeOf(from),
        to === null ? null : lsnOf(to),
        to === null ? null : timeOf(to),
      ],
    );
  }

  /** Fails unless the function that makes every verdict says the same, to the letter. */
  async ask(at: string | null, key = '1'): Promise<AsOfResult> {
    const table = { schema: 'public', name: 't' };
    const pk = keyFromText(key);
    const instant = parseInstant(at);
    const result = await asOf(this.store, { node: this.node, table, pk, at: instant });
    const { rows } = await this.store.query<AsOfResult>(
      `SELECT a.status, a.reason, a.final, a.answer::text AS "answerText"
         FROM pgtimewarp.asof_answer($1, 'public', 't', $2::jsonb, $3::timestamptz, $4::pg_lsn, $5) AS a`,
      [this.node, pk, ...instantParameters(instant)],
    );
    // "now" is another moment by then
    const comparable = (text: string): string =>
      instant.kind === 'now' ? text.replace(/"requested":"[^"]*"/, '') : text;
    expect({ ...result, answerText: comparable(result.answerText) }).toEqual({
      ...rows[0],
      answerText: comparable(rows[0]!.answerText),
    });
    return result;
  }

  /** The answer, taken apart; asserts nothing. Test rows hold only numbers that JavaScript can hold. */
  async answer(at: string | null, key = '1'): Promise<Answer> {
    return JSON.parse((await this.ask(at, key)).answerText) as Answer;
  }

  /** `status[/reason][ n][ (final)]`: the verdict in one line, the same whether asked by time or by LSN. */
  async verdict(n: number, key = '1'): Promise<string> {
    const [byTime, byLsn] = [await this.line(timeOf(n), key), await this.line(lsnOf(n), key)];
    return byTime === byLsn ? byTime : `by time: ${byTime}; by LSN: ${byLsn}`;
  }

  /** As {@link verdict}, for one instant. */
  async line(at: string | null, key = '1'): Promise<string> {
    const answer = await this.answer(at, key);
    const row = answer.row as { n?: number } | null;
    const words = [answer.reason === null ? answer.status : `${answer.status}/${answer.reason}`];
    if (row !== null) words.push(String(row.n));
    if (!answer.final) words.push('(not final)');
    return words.join(' ');
  }

  async diff(
    options: Partial<DiffRequest> & { fromAt?: string; toAt?: string; key?: string } = {},
  ): Promise<DiffPage> {
    const instant = (at: string | undefined): Instant | null => (at === undefined ? null : parseInstant(at));
    return diff(this.store, {
      node: this.node,
      table: { schema: 'public', name: 't' },
      pk: keyFromText(options.key ?? '1'),
      from: instant(options.fromAt),
      to: instant(options.toAt),
      limit: options.limit ?? 100,
      cursor: options.cursor ?? null,
    });
  }
}
