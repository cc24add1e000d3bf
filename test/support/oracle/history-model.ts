/**
 * A model of the effects of transactions on tables. Each transaction is made on the source and recorded here, so that questions
 * about many rows can be answered without the history. Texts are compared as the source prints them.
 */
import type pg from 'pg';

export type ModelTable = 'm' | 'parts';
export const MODEL_TABLES: readonly ModelTable[] = ['m', 'parts'];

/** `m` has a column whose equal values have several texts; the partitions of `parts` are emptied one by one. */
export const MODEL_SQL = `
  CREATE TABLE m (id int PRIMARY KEY, v int, n numeric, s text);
  CREATE TABLE parts (id int PRIMARY KEY, v int, n numeric, s text) PARTITION BY RANGE (id);
  CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (0) TO (10);
  CREATE TABLE parts_high PARTITION OF parts FOR VALUES FROM (10) TO (100);`;

export interface ModelRow {
  readonly id: number;
  readonly v: number | null;
  readonly n: string | null;
  readonly s: string | null;
}

export interface ModelChange {
  readonly table: ModelTable;
  readonly op: 'I' | 'U' | 'D' | 'T';
  readonly id: number;
  readonly before: ModelRow | null;
  readonly after: ModelRow | null;
}

export interface ModelTransaction {
  readonly xid: string;
  readonly user: string | null;
  readonly changes: readonly ModelChange[];
  readonly truncates: readonly ModelTable[];
}

type State = Record<ModelTable, ReadonlyMap<number, ModelRow>>;

const IDS = 20;
const NUMERICS = ['1', '1.0', '1.00', '2.50', '-0.1', null] as const;
const TEXTS = ['a', 'it\'s "x", y', '', 'ä\u0001', null] as const;
const USERS = ['ann', 'bob', null] as const;

export class HistoryModel {
  readonly #source: pg.Client;
  readonly #pick: (below: number) => number;
  readonly transactions: ModelTransaction[] = [];
  /** The state before each transaction, and after the last one. */
  readonly states: State[];
  #changes: ModelChange[] = [];
  #truncates: ModelTable[] = [];

  constructor(source: pg.Client, pick: (below: number) => number, initial: State) {
    this.#source = source;
    this.#pick = pick;
    this.states = [initial];
  }

  /** Rows that exist before tracking begins. */
  static async begin(source: pg.Client, pick: (below: number) => number): Promise<HistoryModel> {
    const rows = new Map([1, 2, 11, 12].map((id) => [id, { id, v: id, n: '1.50', s: 'first' }] as const));
    for (const table of MODEL_TABLES)
      await source.query(
        `INSERT INTO ${table} SELECT i, i, 1.50, 'first' FROM unnest(ARRAY[1, 2, 11, 12]) AS i`,
      );
    return new HistoryModel(source, pick, { m: rows, parts: rows });
  }

  /** One transaction of a few statements. */
  async happen(): Promise<void> {
    const source = this.#source;
    const user = this.#one(USERS);
    [this.#changes, this.#truncates] = [[], []];
    const state = { ...this.states.at(-1)! };
    await source.query('BEGIN');
    const { rows } = await source.query<{ xid: string }>(
      'SELECT (pg_current_xact_id()::text::numeric % 4294967296)::text AS xid',
    );
    if (user !== null)
      await source.query(`SELECT pg_logical_emit_message(true, 'pgtimewarp', $1)`, [
        JSON.stringify({ who: { user }, 'dotted.key': 'yes' }),
      ]);
    for (let left = 1 + this.#pick(5); left > 0; left--)
      await this.#statement(state, this.#one(MODEL_TABLES));
    await source.query('COMMIT');
    if (this.#changes.length === 0 && this.#truncates.length === 0) return;
    this.transactions.push({ xid: rows[0]!.xid, user, changes: this.#changes, truncates: this.#truncates });
    this.states.push(state);
  }

  async #statement(state: State, table: ModelTable): Promise<void> {
    const rows = new Map(state[table]);
    const id = 1 + this.#pick(IDS - 1);
    const before = rows.get(id) ?? null;
    const other = 1 + this.#pick(IDS - 1);
    const kind = this.#pick(20);
    if (kind === 0) await this.#truncate(rows, table, table);
    else if (kind === 1 && table === 'parts')
      await this.#truncate(rows, table, this.#one(['parts_low', 'parts_high']));
    else if (before === null) await this.#write(rows, table, null, this.#row(id));
    else if (kind < 5) await this.#write(rows, table, before, null);
    else if (kind < 8 && !rows.has(other)) {
      const after = { ...before, id: other };
      await this.#source.query(`UPDATE ${table} SET id = $2 WHERE id = $1`, [id, other]);
      rows.delete(id);
      rows.set(other, after);
      this.#changes.push(
        { table, op: 'D', id, before, after: null },
        { table, op: 'I', id: other, before: null, after },
      );
    } else
      await this.#write(
        rows,
        table,
        before,
        this.#pick(6) === 0 ? before : { ...this.#row(id), s: before.s },
      );
    state[table] = rows;
  }

  async #write(
    rows: Map<number, ModelRow>,
    table: ModelTable,
    before: ModelRow | null,
    after: ModelRow | null,
  ): Promise<void> {
    const id = (after ?? before)!.id;
    const values = after === null ? [id] : [id, after.v, after.n, after.s];
    if (after === null) await this.#source.query(`DELETE FROM ${table} WHERE id = $1`, values);
    else if (before === null)
      await this.#source.query(`INSERT INTO ${table} VALUES ($1, $2, $3, $4)`, values);
    else await this.#source.query(`UPDATE ${table} SET v = $2, n = $3, s = $4 WHERE id = $1`, values);
    if (after === null) rows.delete(id);
    else rows.set(id, after);
    this.#changes.push({ table, op: after === null ? 'D' : before === null ? 'I' : 'U', id, before, after });
  }

  async #truncate(rows: Map<number, ModelRow>, table: ModelTable, emptied: string): Promise<void> {
    await this.#source.query(`TRUNCATE ${emptied}`);
    // the log contains one truncate for each partition of a partitioned table
    const partitions = emptied === 'parts' ? ['parts_low', 'parts_high'] : [emptied];
    for (const partition of partitions) {
      const gone = [...rows.values()]
        .filter(({ id }) =>
          partition === 'parts_low' ? id < 10 : partition === 'parts_high' ? id >= 10 : true,
        )
        .sort((a, b) => byKeyText(a.id, b.id));
      for (const before of gone) {
        rows.delete(before.id);
        this.#changes.push({ table, op: 'T', id: before.id, before, after: null });
      }
      this.#truncates.push(table);
    }
  }

  #row(id: number): ModelRow {
    return { id, v: this.#pick(4), n: this.#one(NUMERICS), s: this.#one(TEXTS) };
  }

  #one<T>(items: readonly T[]): T {
    return items[this.#pick(items.length)]!;
  }
}

/** Keys in the order of the history, which is that of their canonical texts. */
export function byKeyText(a: number, b: number): number {
  const [left, right] = [JSON.stringify([`${a}`]), JSON.stringify([`${b}`])];
  return left < right ? -1 : left > right ? 1 : 0;
}
