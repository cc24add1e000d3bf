/** What a row was at an instant. One round trip; the verdict is the store's, and the text of the row is never parsed. */

import type { Queryable } from '../pg/connection.ts';
import type { TableName } from '../pg/identifiers.ts';
import { type Instant, instantParameters } from './instant.ts';
import type { KeyInput } from './key-input.ts';
import { fromQueryError } from './query-error.ts';

export type AsOfStatus = 'found' | 'absent' | 'unknown';

export type AsOfReason =
  | 'not_yet_inserted'
  | 'deleted'
  | 'not_in_window'
  | 'before_tracking'
  | 'baseline_pending'
  | 'in_gap'
  | 'expired'
  | 'erased';

export interface AsOfRequest {
  readonly node: string;
  readonly table: TableName;
  readonly pk: KeyInput;
  readonly at: Instant;
}

export interface AsOfResult {
  readonly status: AsOfStatus;
  /** null when found. */
  readonly reason: AsOfReason | null;
  readonly final: boolean;
  /** The whole answer as JSON text. */
  readonly answerText: string;
}

/** Throws TimewarpError: TABLE_NOT_TRACKED, BAD_KEY, NODE_UNKNOWN, or a failure of the store. */
export async function asOf(store: Queryable, request: AsOfRequest): Promise<AsOfResult> {
  const [ts, lsn, requested] = instantParameters(request.at);
  try {
    const result = await store.query<{
      status: AsOfStatus;
      reason: AsOfReason | null;
      final: string;
      answer: string;
    }>({
      name: 'pgtimewarp_asof', // prepared once per session: parsing and planning cost as much as the answer
      text: `SELECT a.status, a.reason, a.final::text, a.answer::text
               FROM pgtimewarp.asof_answer($1, $2, $3, $4::jsonb, $5::timestamptz, $6::pg_lsn, $7) AS a`,
      values: [request.node, request.table.schema, request.table.name, request.pk, ts, lsn, requested],
    });
    const row = result.rows[0]!;
    return { status: row.status, reason: row.reason, final: row.final === 'true', answerText: row.answer };
  } catch (error) {
    throw fromQueryError(error);
  }
}
