/** Answers what one row, or many rows, were at an instant, in one round trip. The store decides the answer. The text of a row is never parsed. */

import type { TimewarpError } from '../errors/timewarp-error.ts';
import type { Queryable } from '../pg/connection.ts';
import type { TableName } from '../pg/identifiers.ts';
import { askingArchive, type ReadArchive } from './archived.ts';
import { type Instant, instantParameters } from './instant.ts';
import type { KeyInput } from './key-input.ts';
import { fromQueryError } from './query-error.ts';

export type AsOfStatus = 'found' | 'absent' | 'unknown';

/** All reasons of the store for an answer without a row. */
export const AS_OF_REASONS = [
  'not_yet_inserted',
  'deleted',
  'not_in_window',
  'before_tracking',
  'baseline_pending',
  'in_gap',
  'expired',
  'erased',
  'archive_damaged',
] as const;

export type AsOfReason = (typeof AS_OF_REASONS)[number];

export interface AsOfRequest {
  readonly node: string;
  readonly table: TableName;
  readonly pk: KeyInput;
  readonly at: Instant;
  /** Gets what only the archive has; without it such a question is refused: ARCHIVED. */
  readonly readArchive?: ReadArchive;
}

export interface AsOfManyRequest extends Omit<AsOfRequest, 'pk'> {
  readonly pks: readonly KeyInput[];
  readonly maxBytes: number;
}

export interface AsOfResult {
  readonly status: AsOfStatus;
  /** null when found. */
  readonly reason: AsOfReason | null;
  readonly final: boolean;
  /** The whole answer as JSON text. */
  readonly answerText: string;
}

/** Throws TimewarpError: TABLE_NOT_TRACKED, BAD_KEY, NODE_UNKNOWN, ARCHIVED, what `readArchive` throws, or a failure of the store. */
export async function asOf(store: Queryable, request: AsOfRequest): Promise<AsOfResult> {
  const question = { pks: [request.pk], mayBeDamaged: true, readArchive: request.readArchive };
  return askingArchive(store, question, async (archived) =>
    archived === null ? (await asOfEach(store, [request]))[0]! : asOfArchived(store, request, archived),
  );
}

async function asOfArchived(
  store: Queryable,
  { node, table, pk, at }: AsOfRequest,
  archived: string,
): Promise<AsOfResult> {
  try {
    const { rows } = await store.query<AnswerRow>(
      `SELECT a.status, a.reason, a.final::text, a.answer::text
         FROM pgtimewarp.asof_answer($1, $2, $3, $4::jsonb, $5::timestamptz, $6::pg_lsn, $7, $8::json) AS a`,
      [node, table.schema, table.name, pk, ...instantParameters(at), archived],
    );
    return toResult(rows[0]!);
  } catch (error) {
    throw fromQueryError(error);
  }
}

/**
 * The answers to several questions about one table, in their order and in one round trip. If one question fails, all fail.
 */
export async function asOfEach(store: Queryable, requests: readonly AsOfRequest[]): Promise<AsOfResult[]> {
  const [{ node, table }] = requests as [AsOfRequest];
  const instants = requests.map(({ at }) => instantParameters(at));
  try {
    const { rows } = await store.query<AnswerRow>({
      name: 'pgtimewarp_asof_each', // prepared once per session: parsing and planning cost as much as the answer
      text: `SELECT a.status, a.reason, a.final::text, a.answer
               FROM pgtimewarp.asof_each($1, $2, $3, $4::jsonb[], $5::timestamptz[], $6::pg_lsn[], $7::text[]) AS a`,
      values: [
        node,
        table.schema,
        table.name,
        requests.map(({ pk }) => pk),
        instants.map(([ts]) => ts),
        instants.map(([, lsn]) => lsn),
        instants.map(([, , requested]) => requested),
      ],
    });
    return rows.map(toResult);
  } catch (error) {
    throw fromQueryError(error);
  }
}

/**
 * The answers for several keys at one instant, in their order, from one snapshot and in one round trip. For a wrong key the result has
 * its error (BAD_KEY) instead of an answer. An error that concerns all keys is thrown, as by `asOf`. If there are fewer answers than
 * keys, the rest would exceed `maxBytes`.
 */
export async function asOfMany(
  store: Queryable,
  request: AsOfManyRequest,
): Promise<(AsOfResult | TimewarpError)[]> {
  const { pks, readArchive } = request;
  return askingArchive(store, { pks, mayBeDamaged: true, readArchive }, (archived) =>
    askMany(store, request, archived),
  );
}

async function askMany(
  store: Queryable,
  { node, table, pks, at, maxBytes }: AsOfManyRequest,
  archived: string | null,
): Promise<(AsOfResult | TimewarpError)[]> {
  const [ts, lsn, requested] = instantParameters(at);
  try {
    const { rows } = await store.query<AnswerRow | FailureRow>({
      name: 'pgtimewarp_asof_many',
      text: `SELECT a.status, a.reason, a.final::text, a.answer::text, a.error_message, a.error_hint
               FROM pgtimewarp.asof_answers($1, $2, $3, $4::text[], $5::timestamptz, $6::pg_lsn, $7, $8::bigint, $9::json) AS a`,
      values: [node, table.schema, table.name, pks, ts, lsn, requested, maxBytes, archived],
    });
    return rows.map((row) => (row.status === null ? toError(row) : toResult(row)));
  } catch (error) {
    throw fromQueryError(error);
  }
}

interface AnswerRow {
  readonly status: AsOfStatus;
  readonly reason: AsOfReason | null;
  readonly final: string;
  readonly answer: string;
}

interface FailureRow {
  readonly status: null;
  readonly error_message: string;
  readonly error_hint: string | null;
}

function toResult({ status, reason, final, answer }: AnswerRow): AsOfResult {
  return { status, reason, final: final === 'true', answerText: answer };
}

function toError({ error_message: message, error_hint: hint }: FailureRow): TimewarpError {
  return fromQueryError({ code: 'TW002', message, ...(hint === null ? {} : { hint }) });
}
