/**
 * Asks the history of a node for tables whose shape changes, as of commits of the oracle. A known answer must be right, and an
 * answer must be unknown exactly where the model says so. A row keeps the shape in which it was written; after its table was
 * read again it may have any later shape.
 */
import type pg from 'pg';
import { parseLsn } from '../../../core/types/lsn.ts';
import { keyOf } from './compare.ts';
import type { OracleTable } from './oracle-table.ts';
import type { OracleRun } from './run-workload.ts';
import { columnsOf, type Ignorance } from './schema-model.ts';
import { COLUMNS_PLACE } from './schema-tables.ts';

export interface SchemaComparison {
  readonly found: number;
  readonly absent: number;
  readonly unknown: number;
  /** Known answers where the model allows a known or an unknown one. */
  readonly leftOpen: number;
}

/** After so many commits all keys are asked for; after the others only the changed ones. */
const EVERY = 12;
const BATCH = 2_000;

/** The forms of a row since the transaction that wrote it, beginning with the written one. */
interface OracleRow {
  readonly writer: string;
  /** Columns that the writing transaction also changed: no session has seen their values at the time of the write. */
  readonly reshaped: ReadonlySet<string>;
  readonly forms: readonly { readonly at: bigint; readonly row: Readonly<Record<string, unknown>> }[];
}

interface SchemaQuestion {
  readonly id: string;
  readonly place: number;
  /** The position of the question; `ts` if it is asked by the time of its commit. */
  readonly lsn: bigint;
  readonly lsnText: string;
  readonly ts: string | null;
  readonly row: OracleRow | null;
}

/** Throws at the first different answer. */
export async function compareSchemaNode(options: {
  readonly store: pg.Client;
  readonly node: string;
  readonly tables: readonly OracleTable[];
  readonly run: OracleRun;
  readonly ignorance: readonly Ignorance[];
}): Promise<SchemaComparison> {
  const { store, node, tables, run, ignorance } = options;
  const questions = await questionsOf(store, node, tables.length, run);
  const counts = { found: 0, absent: 0, unknown: 0, leftOpen: 0 };
  const { rows: gaps } = await store.query<Record<string, string>>(
    `SELECT r.table_name AS table, g.from_lsn, g.to_lsn, g.reason
       FROM pgtimewarp.history_gaps AS g JOIN pgtimewarp.tracked_relations AS r USING (relation_id)
      WHERE g.node_id = $1::text ORDER BY g.from_lsn`,
    [node],
  );
  for (let first = 0; first < questions.length; first += BATCH) {
    const batch = questions.slice(first, first + BATCH);
    const answers = await ask(store, node, tables, batch);
    batch.forEach((question, index) => {
      const answer = answers[index]!;
      const problem = judge(question, answer, ignorance[question.place]!);
      if (problem !== null) {
        const where = `${node}: ${tables[question.place]!.name} ${question.id} as of ${question.ts ?? question.lsnText}`;
        const facts = [
          question.row,
          ignorance[question.place],
          gaps.filter((gap) => gap.table === tables[question.place]!.name),
        ];
        throw new Error([`${where} ${problem}`, answer.text, ...facts.map(json)].join('\n'));
      }
      counts[answer.status]++;
      if (answer.status !== 'unknown' && isIn(ignorance[question.place]!.may, question.lsn))
        counts.leftOpen++;
    });
  }
  return counts;
}

function judge(question: SchemaQuestion, answer: Answer, { must, may }: Ignorance): string | null {
  if (answer.status === 'unknown') {
    if (!isIn(may, question.lsn) && !endsAt(may, question)) return 'is unknown without a reason';
    return answer.reason === 'in_gap' ? null : 'is unknown for another reason';
  }
  if (isIn(must, question.lsn)) return 'is answered, and cannot be known';
  if (!answer.final) return 'is not final';
  if (question.row === null) return answer.status === 'absent' ? null : 'should be absent';
  if (answer.status === 'absent') return 'should be there';
  const row = JSON.parse(answer.row) as Record<string, unknown>;
  const [written] = question.row.forms;
  if (sameMembers(row, written!.row)) return null;
  if (question.row.reshaped.size > 0 && agrees(row, written!.row, question.row.reshaped)) return null;
  // The table was read again: only differences from the history become part of it, so removed columns may still be in the row.
  const since = may.some(({ to }) => to > written!.at);
  return since && question.row.forms.some((form) => covers(row, form.row)) ? null : 'is another row';
}

async function questionsOf(
  store: pg.Client,
  node: string,
  tables: number,
  run: OracleRun,
): Promise<SchemaQuestion[]> {
  const { rows: map } = await store.query<{ lsn: string; ts: string }>(
    `SELECT lsn, to_char(ts, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS ts FROM pgtimewarp.lsn_time_map
      WHERE node_id = $1::text AND xid IS NOT NULL ORDER BY lsn`,
    [node],
  );
  const entries = map.map(({ lsn, ts }) => ({ lsn: parseLsn(lsn) as bigint, ts }));
  const state = new Map<string, OracleRow>();
  const ids = new Set<string>();
  const columns = new Map<string, ReadonlyMap<string, string>>();
  const put = (id: string, text: string | null, at: bigint, reshaped: ReadonlySet<string>): void => {
    if (placeOf(id) >= tables) return;
    ids.add(id);
    if (text === null) {
      state.delete(id);
      return;
    }
    const [writer, row] = [text.slice(0, text.indexOf(' ')), text.slice(text.indexOf(' ') + 1)];
    const form = { at, row: JSON.parse(row) as Record<string, unknown> };
    const before = state.get(id);
    if (before?.writer === writer) state.set(id, { ...before, forms: [...before.forms, form] });
    else state.set(id, { writer, reshaped, forms: [form] });
  };
  for (const [id, text] of run.initial) {
    put(id, text, 0n, new Set());
    if (placeOf(id) === COLUMNS_PLACE) columns.set(id, columnsOf(text));
  }
  for (const { changes } of run.commits)
    for (const id of changes.keys()) if (placeOf(id) < tables) ids.add(id);
  const questions: SchemaQuestion[] = [];
  run.commits.forEach(({ before, after, changes }, index) => {
    const lsn = parseLsn(after) as bigint;
    const reshaped = new Map<string, ReadonlySet<string>>();
    for (const [id, text] of changes) {
      if (placeOf(id) !== COLUMNS_PLACE || text === null) continue;
      const [old, now] = [columns.get(id) ?? new Map<string, string>(), columnsOf(text)];
      reshaped.set(
        id,
        new Set([...old.keys(), ...now.keys()].filter((name) => old.get(name) !== now.get(name))),
      );
      columns.set(id, now);
    }
    for (const [id, text] of changes)
      put(id, text, lsn, reshaped.get(`${COLUMNS_PLACE} ${placeOf(id)}`) ?? new Set());
    const from = parseLsn(before) as bigint;
    const entry = entries.find((each) => each.lsn > from && each.lsn <= lsn);
    for (const id of index % EVERY === 0 ? ids : changes.keys()) {
      if (placeOf(id) >= tables) continue;
      const question = { id, place: placeOf(id), lsn, lsnText: after, row: state.get(id) ?? null };
      questions.push({ ...question, ts: null });
      if (entry !== undefined) questions.push({ ...question, lsn: entry.lsn, ts: entry.ts });
    }
  });
  return questions;
}

interface Answer {
  readonly status: 'found' | 'absent' | 'unknown';
  readonly reason: string | null;
  readonly row: string;
  readonly final: boolean;
  readonly text: string;
}

async function ask(
  store: pg.Client,
  node: string,
  tables: readonly OracleTable[],
  questions: readonly SchemaQuestion[],
): Promise<Answer[]> {
  const { rows } = await store.query<Answer & { each: string }>(
    `SELECT a.status, a.reason, (a.answer -> 'row')::text AS row, a.final, a.answer::text AS text, e.answer AS each
       FROM unnest($2::text[], $3::jsonb[], $4::timestamptz[], $5::pg_lsn[])
              WITH ORDINALITY AS q (table_name, pk, ts, lsn, place),
            pgtimewarp.asof_answer($1, 'public', q.table_name, q.pk, q.ts, q.lsn, NULL) AS a,
            pgtimewarp.asof_each($1, 'public', q.table_name, ARRAY[q.pk], ARRAY[q.ts], ARRAY[q.lsn], ARRAY[NULL]) AS e
      ORDER BY q.place`,
    [
      node,
      questions.map(({ place }) => tables[place]!.name),
      questions.map(({ id }) => keyOf(tables, id).pk),
      questions.map(({ ts }) => ts),
      questions.map(({ ts, lsnText }) => (ts === null ? lsnText : null)),
    ],
  );
  for (const { text, each } of rows)
    if (text !== each) throw new Error(`${node}: ${text}, and with others ${each}`);
  return rows;
}

function isIn(intervals: Ignorance['may'], lsn: bigint): boolean {
  return intervals.some(({ from, to }) => from < lsn && lsn < to);
}

/** A gap that ends at the position of a commit ends later than the commit by time: its end has the time of the run's horizon. */
function endsAt(intervals: Ignorance['may'], { lsn, ts }: SchemaQuestion): boolean {
  return ts !== null && intervals.some(({ to }) => to === lsn);
}

/** Whether the row has the value of every column of `form`. */
function covers(row: Readonly<Record<string, unknown>>, form: Readonly<Record<string, unknown>>): boolean {
  return Object.entries(form).every(([name, value]) => (row[name] ?? null) === value);
}

/** Whether both rows have the same values in all columns that both have, except `others`. */
function agrees(
  a: Readonly<Record<string, unknown>>,
  b: Readonly<Record<string, unknown>>,
  others: ReadonlySet<string>,
): boolean {
  return Object.keys(a).every((name) => others.has(name) || !(name in b) || a[name] === b[name]);
}

function sameMembers(a: Readonly<Record<string, unknown>>, b: Readonly<Record<string, unknown>>): boolean {
  return Object.keys(a).length === Object.keys(b).length && covers(a, b);
}

function placeOf(id: string): number {
  return Number.parseInt(id, 10);
}

function json(value: unknown): string {
  return JSON.stringify(value, (_name, member: unknown) =>
    typeof member === 'bigint' ? String(member) : member,
  );
}
