/**
 * Situations on a source, played once and followed by several nodes. After every step another session reads the tables. As of
 * each of these moments, by position and by time, the answer for every key must be the row that was read then. The scenario
 * lists the expected `diff` of each key.
 */
import type pg from 'pg';
import { expect } from 'vitest';
import { quoteTable, type TableName } from '../../core/pg/identifiers.ts';
import { asOf } from '../../core/query/as-of.ts';
import { diff } from '../../core/query/diff.ts';
import { parseInstant } from '../../core/query/instant.ts';
import { keyFromText } from '../../core/query/key-input.ts';
import { jsonMembers } from '../../core/types/json-text.ts';
import type { Follower } from './follower.ts';
import type { TestDatabases } from './test-databases.ts';

export interface Scenario {
  readonly name: string;
  /** Run in the scenario's own schema, before tracking. */
  readonly setup: string;
  /** Tracked tables with their key columns; a name without schema is in the scenario's own schema. */
  readonly tables: Readonly<Record<string, readonly string[]>>;
  readonly steps: readonly Step[];
  /** For `table key`: the operations in order, with the columns that an update changed. `T` is a truncate. */
  readonly diffs: Readonly<Record<string, string>>;
  /** The columns of a table change: rows are compared as JSON, and NULL may be left out. */
  readonly changesShape?: boolean;
  /** Columns that may be incomplete through wal2json (it prints NULL and NaN of numbers alike); no others may be. */
  readonly lostByWal2json?: readonly string[];
}

/** SQL for the main session, or a function that uses several sessions. */
export type Step = string | ((session: (name: string) => Promise<pg.Client>) => Promise<unknown>);

interface Moment {
  readonly lsn: string;
  readonly time: string;
  /** `table key` to the row's text: composite, or JSON where the shape changes. */
  readonly rows: ReadonlyMap<string, string>;
}

const MAX_DIFF = 1000;
const MAIN = 'main';

export class Stage {
  readonly #databases: TestDatabases;
  readonly #followers: readonly { readonly follower: Follower; readonly afterEachStep: boolean }[];
  #played = 0;

  /** @param followers half of them run after every step, the others only at the end */
  constructor(
    databases: TestDatabases,
    followers: readonly { readonly follower: Follower; readonly afterEachStep: boolean }[],
  ) {
    this.#databases = databases;
    this.#followers = followers;
  }

  /** Plays the scenario and compares; throws at the first difference. */
  async play(scenario: Scenario): Promise<void> {
    const schema = `scenario_${++this.#played}`;
    const tables = new Map(Object.keys(scenario.tables).map((name) => [name, tableNamed(name, schema)]));
    const bystander = this.#databases.source;
    await bystander.query(`CREATE SCHEMA ${schema}; SET search_path = ${schema}, public; ${scenario.setup}`);
    await Promise.all(this.#followers.map(({ follower }) => follower.track([...tables.values()])));
    const moments = [await this.#moment(scenario, tables)];
    const sessions = new Map<string, pg.Client>();
    const session = async (name: string): Promise<pg.Client> => {
      const known = sessions.get(name);
      if (known !== undefined) return known;
      const opened = await this.#databases.connect('source');
      await opened.query(`SET search_path = ${schema}, public`);
      sessions.set(name, opened);
      return opened;
    };
    for (const step of scenario.steps) {
      if (typeof step === 'string') await (await session(MAIN)).query(step);
      else await step(session);
      moments.push(await this.#moment(scenario, tables));
      await this.#follow((each) => each.afterEachStep);
    }
    await this.#follow(() => true);
    for (const { follower } of this.#followers) await this.#compare(scenario, tables, moments, follower);
  }

  async #follow(which: (each: { readonly afterEachStep: boolean }) => boolean): Promise<void> {
    const runs = await Promise.all(this.#followers.filter(which).map(({ follower }) => follower.poll()));
    for (const { caughtUp } of runs) expect(caughtUp).toBe(true);
  }

  async #moment(scenario: Scenario, tables: ReadonlyMap<string, TableName>): Promise<Moment> {
    const { source } = this.#databases;
    const { rows: now } = await source.query<{ lsn: string; time: string }>(
      `SELECT pg_current_wal_insert_lsn() AS lsn, to_char(clock_timestamp(), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS time`,
    );
    const found = new Map<string, string>();
    for (const [name, table] of tables) {
      const text = scenario.changesShape ? 'to_json(whole)::text' : 'whole::text';
      const { rows } = await source.query<{ key: string; row: string }>(
        `SELECT ${keyText(scenario.tables[name]!)} AS key, ${text} AS row FROM ${quoteTable(table)} AS whole`,
      );
      for (const { key, row } of rows) found.set(`${name} ${key}`, row);
    }
    return { ...now[0]!, rows: found };
  }

  async #compare(
    scenario: Scenario,
    tables: ReadonlyMap<string, TableName>,
    moments: readonly Moment[],
    { node, plugin }: Follower,
  ): Promise<void> {
    const { store } = this.#databases;
    const ids = new Set([...Object.keys(scenario.diffs), ...moments.flatMap(({ rows }) => [...rows.keys()])]);
    const lost = plugin === 'wal2json' ? (scenario.lostByWal2json ?? []) : [];
    const told: Record<string, string> = {};
    const found: {
      table: TableName;
      row: string;
      incomplete: readonly string[];
      expected: string;
      where: string;
    }[] = [];
    for (const id of ids) {
      const place = id.indexOf(' ');
      const table = tables.get(id.slice(0, place))!;
      const pk = keyFromText(id.slice(place + 1));
      for (const { lsn, time, rows } of moments) {
        for (const at of [lsn, time]) {
          const where = `${node}: ${id} as of ${at}`;
          const answer = await asOf(store, { node, table, pk, at: parseInstant(at) });
          const expected = rows.get(id);
          expect([answer.status, answer.final], where).toEqual([
            expected === undefined ? 'absent' : 'found',
            true,
          ]);
          if (expected === undefined) continue;
          const { members } = jsonMembers(answer.answerText, 0);
          const incomplete = JSON.parse(members.get('incomplete')!) as string[];
          expect(lost, where).toEqual(expect.arrayContaining(incomplete));
          found.push({ table, row: members.get('row')!, incomplete, expected, where });
        }
      }
      if (scenario.diffs[id] === undefined) continue;
      const page = await diff(store, { node, table, pk, from: null, to: null, limit: MAX_DIFF });
      expect(page.unknownText, id).toBe('[]');
      told[id] = page.changes
        .map(({ op, changedText }) =>
          changedText === null
            ? op
            : `${op}(${Object.keys(JSON.parse(changedText) as object)
                .sort()
                .join()})`,
        )
        .join(' ');
      // the row of a diff after a change is the row of as-of at that position, unless the same transaction changed it again
      for (const [index, change] of page.changes.entries()) {
        if (page.changes[index + 1]?.lsn === change.lsn || change.op === 'S') continue;
        const { answerText } = await asOf(store, { node, table, pk, at: parseInstant(change.lsn) });
        const { members } = jsonMembers(answerText, 0);
        expect(members.get('row'), `${node}: ${id} after ${change.op} at ${change.lsn}`).toBe(
          change.rowText ?? 'null',
        );
      }
    }
    expect(without(lost, told), node).toEqual(without(lost, scenario.diffs));
    await this.#compareRows(scenario, found);
  }

  async #compareRows(
    scenario: Scenario,
    found: readonly {
      table: TableName;
      row: string;
      incomplete: readonly string[];
      expected: string;
      where: string;
    }[],
  ): Promise<void> {
    const compared = new Set<string>();
    for (const { table, row, incomplete, expected, where } of found) {
      const pair = [table.schema, table.name, row, expected].join('\0');
      if (compared.has(pair)) continue;
      compared.add(pair);
      if (scenario.changesShape) {
        expect(presentMembers(row, incomplete), where).toEqual(presentMembers(expected, incomplete));
        continue;
      }
      // a lost value is taken from the source's row; the others must still be equal
      const { rows } = await this.#databases.source.query<{ row: string }>(
        `SELECT json_populate_record(CASE WHEN $3::boolean THEN $2::text::${quoteTable(table)} END, $1::json)::text AS row`,
        [row, expected, incomplete.length > 0],
      );
      expect(rows[0]!.row, where).toBe(expected);
    }
  }
}

function tableNamed(name: string, schema: string): TableName {
  const [first, second] = name.split('.') as [string, string | undefined];
  return second === undefined ? { schema, name: first } : { schema: first, name: second };
}

/** SQL of a key as a question writes it. */
function keyText(columns: readonly string[]): string {
  if (columns.length === 1) return `whole.${columns[0]}::text`;
  return `json_build_object(${columns.map((column) => `'${column}', whole.${column}::text`).join(', ')})::text`;
}

/** Removes members that are null, which a row from before the column does not have, and incomplete ones. */
function presentMembers(row: string, unknown: readonly string[]): Record<string, string> {
  const { members } = jsonMembers(row, 0);
  return Object.fromEntries(
    [...members].filter(([name, value]) => value !== 'null' && !unknown.includes(name)),
  );
}

/** The result of diffs, without these columns. */
function without(
  columns: readonly string[],
  diffs: Readonly<Record<string, string>>,
): Record<string, string> {
  const stripped = (text: string): string =>
    text.replace(
      /\(([^)]*)\)/g,
      (_, names: string) =>
        `(${names
          .split(',')
          .filter((name) => !columns.includes(name))
          .join()})`,
    );
  return Object.fromEntries(Object.entries(diffs).map(([id, text]) => [id, stripped(text)]));
}
