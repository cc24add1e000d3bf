/**
 * Compares the history of a node with what the oracle recorded: as of every commit, by LSN and by time, every key and every
 * column of every table.
 */
import type pg from 'pg';
import { formatLsn, type Lsn, parseLsn } from '../../../core/types/lsn.ts';
import { columnNames, type OracleTable, readBack, type StoredRow, storedName } from './oracle-table.ts';
import { type OracleRun, rowId } from './run-workload.ts';

export interface Comparison {
  readonly commits: number;
  readonly rowsCompared: number;
  /** Column values that the history names as incomplete. */
  readonly incomplete: number;
  /** Answers of the read path that were compared. */
  readonly answers: number;
  /** Some of these questions, which are also asked in other ways. */
  readonly sample: readonly Question[];
}

/** The number of commits as of which every key is also asked for as a client does. */
const SAMPLED_COMMITS = 12;
const SAMPLED_QUESTIONS = 60;

export interface Question {
  readonly id: string;
  /** The expected row of the answer; null: absent. */
  readonly row: string | null;
  readonly at: { readonly lsn: string | null; readonly ts: string | null };
}

interface Version {
  readonly id: string;
  /** null: a deletion. */
  readonly row: StoredRow | null;
  readonly fromLsn: bigint;
  readonly toLsn: bigint | null;
  readonly fromTime: string;
  readonly toTime: string | null;
}

interface MapEntry {
  readonly xid: string;
  readonly lsn: bigint;
  readonly time: string;
}

/** Which columns of which values may be incomplete; any other incomplete value fails. */
export type MayBeIncomplete = (table: OracleTable, column: string, sourceText: string | null) => boolean;

/** The positions and times of the commits that the node has stored, in order; compared with what the oracle recorded. */
export async function commitsOf(store: pg.Client, node: string, run: OracleRun): Promise<MapEntry[]> {
  const { rows } = await store.query<{ xid: string; lsn: string; time: string }>(
    `SELECT xid::text AS xid, lsn, to_char(ts, 'YYYY-MM-DD HH24:MI:SS.US') AS time FROM pgtimewarp.lsn_time_map
      WHERE node_id = $1::text AND xid IS NOT NULL ORDER BY lsn`,
    [node],
  );
  const entries = rows.map(({ xid, lsn, time }) => ({ xid, lsn: parseLsn(lsn) as bigint, time }));
  const byXid = new Map(entries.map((entry) => [entry.xid, entry]));
  const order = run.commits
    .filter(({ xid, changes }) => changes.size > 0 || byXid.has(xid))
    .map(({ xid }) => xid);
  if (JSON.stringify(order) !== JSON.stringify(entries.map(({ xid }) => xid)))
    throw new Error(`${node}: the commits of the history are not those of the source, in their order`);
  for (const commit of run.commits) {
    const entry = byXid.get(commit.xid);
    if (entry === undefined) continue;
    if (entry.lsn <= parseLsn(commit.before) || entry.lsn > parseLsn(commit.after))
      throw new Error(
        `${node}: transaction ${commit.xid} did not commit between ${commit.before} and ${commit.after}`,
      );
  }
  entries.forEach((entry, index) => {
    if (index > 0 && entry.time <= entries[index - 1]!.time)
      throw new Error(`${node}: times do not increase`);
  });
  return entries;
}

/** Throws at the first difference. */
export async function compareNode(options: {
  readonly source: pg.Client;
  readonly store: pg.Client;
  readonly node: string;
  readonly tables: readonly OracleTable[];
  readonly run: OracleRun;
  readonly mayBeIncomplete: MayBeIncomplete;
}): Promise<Comparison> {
  const { source, store, node, tables, run } = options;
  const entries = await commitsOf(store, node, run);
  const versions = await readVersions(store, node, tables);
  const texts = await textsOf(source, tables, versions);
  const check = new Checker(options, texts);
  const expected = new Map(run.initial);
  const byLsn = new Playback(
    versions,
    (v) => v.fromLsn,
    (v) => v.toLsn,
  );
  const byTime = new Playback<string>(
    versions,
    (v) => v.fromTime,
    (v) => v.toTime,
  );
  const byXid = new Map(entries.map((entry) => [entry.xid, entry]));
  let commits = 0;
  const questions: Question[] = [];
  const ids = new Set(versions.map(({ id }) => id));
  for (const commit of run.commits) {
    for (const [id, value] of commit.changes) {
      if (value === null) expected.delete(id);
      else expected.set(id, value);
    }
    const entry = byXid.get(commit.xid);
    if (entry === undefined) continue;
    commits++;
    const valid = byLsn.at(entry.lsn);
    check.state(expected, valid, `${node} as of the LSN of transaction ${commit.xid}`);
    check.state(expected, byTime.at(entry.time), `${node} as of the time of transaction ${commit.xid}`);
    if (commits % Math.ceil(entries.length / SAMPLED_COMMITS) !== 0) continue;
    for (const id of ids) {
      const row = valid.get(id)?.row?.rowData ?? null;
      const lsn = formatLsn(entry.lsn as Lsn);
      questions.push({ id, row, at: { lsn, ts: null } }, { id, row, at: { lsn: null, ts: entry.time } });
    }
  }
  await checkAnswers(options, questions);
  const every = Math.ceil(questions.length / SAMPLED_QUESTIONS);
  const sample = questions.filter((_, index) => index % every === 0);
  return {
    commits,
    rowsCompared: check.rows,
    incomplete: check.incomplete,
    answers: questions.length,
    sample,
  };
}

/** Moves through positions in order and holds the versions that are valid there. */
class Playback<P extends bigint | string> {
  readonly #starts: Version[];
  readonly #ends: Version[];
  readonly #from: (version: Version) => P;
  readonly #to: (version: Version) => P | null;
  readonly #valid = new Map<string, Version>();

  constructor(
    versions: readonly Version[],
    from: (version: Version) => P,
    to: (version: Version) => P | null,
  ) {
    this.#from = from;
    this.#to = to;
    const compare = (a: P, b: P): number => (a < b ? -1 : a > b ? 1 : 0);
    // Sorted backwards, because pop() takes the last one. Of versions with one start the one that ends later counts.
    this.#starts = versions.toSorted((a, b) => compare(from(b), from(a)));
    this.#ends = versions.filter((v) => to(v) !== null).toSorted((a, b) => compare(to(b)!, to(a)!));
  }

  at(position: P): ReadonlyMap<string, Version> {
    for (
      let next = this.#ends.at(-1);
      next !== undefined && this.#to(next)! <= position;
      next = this.#ends.at(-1)
    ) {
      this.#ends.pop();
      if (this.#valid.get(next.id) === next) this.#valid.delete(next.id);
    }
    for (
      let next = this.#starts.at(-1);
      next !== undefined && this.#from(next) <= position;
      next = this.#starts.at(-1)
    ) {
      this.#starts.pop();
      const to = this.#to(next);
      if (next.row === null || (to !== null && to <= position)) continue;
      const other = this.#valid.get(next.id);
      if (other !== undefined) throw new Error(`two versions of ${next.id} are valid at ${position}`);
      this.#valid.set(next.id, next);
    }
    return this.#valid;
  }
}

class Checker {
  readonly #tables: readonly OracleTable[];
  readonly #mayBeIncomplete: MayBeIncomplete;
  readonly #texts: ReadonlyMap<string, string>;
  rows = 0;
  incomplete = 0;

  constructor(
    options: { readonly tables: readonly OracleTable[]; readonly mayBeIncomplete: MayBeIncomplete },
    texts: ReadonlyMap<string, string>,
  ) {
    this.#tables = options.tables;
    this.#mayBeIncomplete = options.mayBeIncomplete;
    this.#texts = texts;
  }

  state(expected: ReadonlyMap<string, string>, found: ReadonlyMap<string, Version>, where: string): void {
    for (const id of found.keys()) if (!expected.has(id)) throw new Error(`${where}: ${id} should be absent`);
    for (const [id, texts] of expected) {
      const version = found.get(id);
      if (version === undefined) throw new Error(`${where}: ${id} is missing`);
      this.row(this.#tables[Number.parseInt(id, 10)]!, version.row!, texts, `${where}: ${id}`);
    }
  }

  row(table: OracleTable, row: StoredRow, expected: string, where: string): void {
    this.rows++;
    const found = this.#texts.get(textKey(table, row))!;
    if (row.incomplete.length === 0) {
      if (found !== expected) throw new Error(`${where} is\n${found}, the source had\n${expected}`);
      return;
    }
    const [foundTexts, expectedTexts] = [arrayItems(found), arrayItems(expected)];
    columnNames(table).forEach((column, index) => {
      const known = !row.incomplete.includes(column);
      if (known && foundTexts[index] !== expectedTexts[index])
        throw new Error(
          `${where} has in ${column}\n${foundTexts[index]}, the source had\n${expectedTexts[index]}`,
        );
      if (known) return;
      this.incomplete++;
      if (!this.#mayBeIncomplete(table, column, expectedTexts[index]!))
        throw new Error(`${where} is incomplete in ${column}, the source had ${expectedTexts[index]}`);
    });
  }
}

async function readVersions(
  store: pg.Client,
  node: string,
  tables: readonly OracleTable[],
): Promise<Version[]> {
  const { rows } = await store.query<
    Record<string, string | null> & { incomplete: string[] | null; json_nulls: string[] | null }
  >(
    `SELECT v.schema_name || '.' || v.table_name AS name, v.pk, v.row_data::text AS row_data, c.incomplete, c.json_nulls,
            v.valid_from_lsn, v.valid_to_lsn, to_char(v.valid_from_ts, 'YYYY-MM-DD HH24:MI:SS.US') AS from_time,
            to_char(v.valid_to_ts, 'YYYY-MM-DD HH24:MI:SS.US') AS to_time
       FROM pgtimewarp.row_versions AS v
       JOIN pgtimewarp.tracked_relations AS t USING (node_id, schema_name, table_name)
       JOIN pgtimewarp.row_changes AS c
         ON (c.relation_id, c.pk, c.valid_from_lsn, c.seq) = (t.relation_id, v.pk, v.valid_from_lsn, v.seq)
      WHERE v.node_id = $1::text`,
    [node],
  );
  const indexes = new Map(tables.map((table, index) => [storedName(table), index]));
  return rows.map((row) => ({
    id: rowId(indexes.get(row.name!)!, row.pk!),
    row:
      row.row_data === null
        ? null
        : { rowData: row.row_data!, incomplete: row.incomplete ?? [], jsonNulls: row.json_nulls ?? [] },
    fromLsn: parseLsn(row.valid_from_lsn!),
    toLsn: row.valid_to_lsn === null ? null : parseLsn(row.valid_to_lsn!),
    fromTime: row.from_time!,
    toTime: row.to_time ?? null,
  }));
}

/** The table and the key, as a JSON object, of a row id. */
export function keyOf(tables: readonly OracleTable[], id: string): { table: OracleTable; pk: string } {
  const place = id.indexOf(' ');
  const table = tables[Number.parseInt(id.slice(0, place), 10)]!;
  const values = JSON.parse(id.slice(place + 1)) as string[];
  const pk = JSON.stringify(Object.fromEntries(table.key.map(({ name }, index) => [name, values[index]])));
  return { table, pk };
}

/** Checks that the read path returns these rows, in both ways to ask, for keys with and without a row. */
async function checkAnswers(
  {
    store,
    node,
    tables,
  }: { readonly store: pg.Client; readonly node: string; readonly tables: readonly OracleTable[] },
  questions: readonly Question[],
): Promise<void> {
  const asked = questions.map(({ id, at }) => {
    const { table, pk } = keyOf(tables, id);
    return { ...at, schema: table.schema, name: table.name, pk };
  });
  const { rows } = await store.query<{ status: string; row: string; final: boolean; is_same: boolean }>(
    `SELECT a.status, (a.answer -> 'row')::text AS row, a.final,
            (a.status, a.reason, a.final, a.answer::text) IS NOT DISTINCT FROM (e.status, e.reason, e.final, e.answer) AS is_same
       FROM unnest($2::text[], $3::text[], $4::jsonb[], $5::timestamptz[], $6::pg_lsn[])
              WITH ORDINALITY AS q (schema_name, table_name, pk, ts, lsn, place),
            pgtimewarp.asof_answer($1, q.schema_name, q.table_name, q.pk, q.ts, q.lsn, NULL) AS a,
            pgtimewarp.asof_each($1, q.schema_name, q.table_name, ARRAY[q.pk], ARRAY[q.ts], ARRAY[q.lsn], ARRAY[NULL]) AS e
      ORDER BY q.place`,
    [
      node,
      ...(['schema', 'name', 'pk', 'ts', 'lsn'] as const).map((part) => asked.map((each) => each[part])),
    ],
  );
  questions.forEach(({ id, row, at }, index) => {
    const answer = rows[index]!;
    const expected = row === null ? ['absent', 'null'] : ['found', row];
    if (
      answer.status !== expected[0] ||
      answer.row.trim() !== expected[1] ||
      !answer.final ||
      !answer.is_same
    )
      throw new Error(
        `${node}: ${id} as of ${at.lsn ?? at.ts} is answered with ${answer.status} ${answer.row}`,
      );
  });
}

/** The text that the source prints for every different row. */
async function textsOf(
  source: pg.Client,
  tables: readonly OracleTable[],
  versions: readonly Version[],
): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const [index, table] of tables.entries()) {
    const rows = new Map<string, StoredRow>();
    for (const { id, row } of versions) {
      if (row !== null && Number.parseInt(id, 10) === index) rows.set(textKey(table, row), row);
    }
    const texts = await readBack(source, table, [...rows.values()]);
    [...rows.keys()].forEach((key, place) => {
      found.set(key, texts[place]!);
    });
  }
  return found;
}

function textKey(table: OracleTable, row: StoredRow): string {
  return `${storedName(table)}\0${row.jsonNulls.join('\0')}\0${row.rowData}`;
}

/** The items of PostgreSQL's text form of a one-dimensional text array. */
function arrayItems(text: string): (string | null)[] {
  const items: (string | null)[] = [];
  const item = /"((?:[^"\\]|\\[\s\S])*)"|([^,{}"]+)/g;
  for (const [, quoted, plain] of text.matchAll(item)) {
    items.push(
      quoted === undefined ? (plain === 'NULL' ? null : plain!) : quoted.replace(/\\([\s\S])/g, '$1'),
    );
  }
  return items;
}
