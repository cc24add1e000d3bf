/** Questions of a test about a tracked node, and checks of their answers. Values are small numbers and texts. */
import { expect } from 'vitest';
import { parseTableName } from '../../core/pg/identifiers.ts';
import { asOf } from '../../core/query/as-of.ts';
import { parseInstant } from '../../core/query/instant.ts';
import { keyFromText } from '../../core/query/key-input.ts';
import type { TrackedNode } from './tracked-node.ts';

/** The options of commands. */
export function urls(node: TrackedNode): { sourceUrl: string; storeUrl: string; node: string } {
  return { sourceUrl: node.sourceUrl, storeUrl: node.storeUrl, node: node.node };
}

/** Runs one statement after the other, because some are not allowed in a transaction block. */
export async function runAll(node: TrackedNode, sql: string): Promise<void> {
  for (const statement of sql.split(';')) if (statement.trim() !== '') await node.source.query(statement);
}

/** The time of the source's clock, as an instant for questions. */
export async function sourceClock(node: TrackedNode): Promise<string> {
  const { rows } = await node.source.query<{ at: string }>(
    `SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at`,
  );
  return rows[0]!.at;
}

/** The state of the tracking of a table in the store. */
export async function relation(node: TrackedNode, table = 't'): Promise<Record<string, string | null>> {
  const { rows } = await node.store.query<Record<string, string | null>>(
    'SELECT status, status_reason, repair FROM pgtimewarp.tracked_relations WHERE table_name = $1',
    [table],
  );
  return rows[0]!;
}

export interface Verdict {
  readonly status: string;
  readonly reason: string | null;
  readonly row: unknown;
  readonly final: boolean;
}

/** The answer for a key as of an instant. Values of these tables are small numbers and texts. */
export async function at(
  node: TrackedNode,
  key: string,
  instant: string | null,
  table = 't',
): Promise<Verdict> {
  const answer = await asOf(node.store, {
    node: node.node,
    table: parseTableName(table),
    pk: keyFromText(key),
    at: parseInstant(instant),
  });
  const { row } = JSON.parse(answer.answerText) as { row: unknown };
  return { status: answer.status, reason: answer.reason, final: answer.final, row };
}

/** Like {@link at} as of now, without `final`. */
export async function now(node: TrackedNode, key: string, table: string): Promise<Omit<Verdict, 'final'>> {
  const { status, reason, row } = await at(node, key, null, table);
  return { status, reason, row };
}

/**
 * Compares every key of the table or the history, as of now, with the live row.
 * @param row SQL of the row as the store has it, if to_json prints another text (composite types, regclass)
 */
export async function sameAsLive(node: TrackedNode, table = 't', row = 'to_json(t)'): Promise<void> {
  const key = await node.source.query<{ name: string }>(
    `SELECT quote_ident(a.attname) AS name
       FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
      WHERE i.indisprimary AND i.indrelid = $1::regclass`,
    [table],
  );
  const live = await node.source.query<{ id: string; row: string }>(
    `SELECT ${key.rows[0]!.name}::text AS id, ${row}::text AS row FROM ${table} AS t`,
  );
  const rows = new Map(live.rows.map(({ id, row }) => [id, row]));
  const answers = await node.store.query<{ key: string; status: string; row: string }>(
    `SELECT k.key, a.status, (a.answer -> 'row')::text AS row
       FROM (SELECT unnest($3::text[]) AS key
              UNION
             SELECT c.pk::json ->> 0
               FROM pgtimewarp.row_changes AS c
               JOIN pgtimewarp.tracked_relations AS t USING (relation_id)
              WHERE t.table_name = $2::text) AS k,
            pgtimewarp.asof_answer($1::text, 'public', $2::text, to_jsonb(k.key), NULL, NULL, NULL) AS a`,
    [node.node, table, [...rows.keys()]],
  );
  const found = answers.rows.map((answer) => ({ ...answer, row: parse(answer.row) }));
  const expected = answers.rows.map(({ key }) => {
    const now = rows.get(key);
    return {
      key,
      status: now === undefined ? 'absent' : 'found',
      row: now === undefined ? null : parse(now),
    };
  });
  expect.soft({ table, answers: found }).toEqual({ table, answers: expected });
}

function parse(row: string): unknown {
  return JSON.parse(row) as unknown;
}
