/** How much was committed between two instants, in intervals of equal length. It counts what `transactions` lists. */
import type { Queryable } from '../pg/connection.ts';
import type { TableName } from '../pg/identifiers.ts';
import {
  FRAME_COLUMNS,
  type FrameRow,
  type HistoryFrame,
  instantText,
  intervalParameters,
  toFrame,
} from './history-page.ts';
import type { Instant } from './instant.ts';
import { fromHistoryError } from './query-error.ts';
import { onlyText } from './transactions.ts';

export interface ActivityRequest {
  readonly node: string;
  readonly from: Instant | null;
  readonly to: Instant | null;
  /** How many intervals. */
  readonly buckets: number;
  /** Only these tables, as if there were no others; null: all. */
  readonly only?: readonly TableName[] | null;
}

/** What was committed after `from`, up to and including `to`. Counts are decimal digits. */
export interface ActivityBucket {
  readonly from: string;
  readonly to: string;
  readonly commits: string;
  readonly inserts: string;
  readonly updates: string;
  readonly deletes: string;
  readonly truncates: string;
  /** The rows of the transaction that changed the most. */
  readonly largest: string;
}

export interface Activity extends HistoryFrame {
  /** Without gaps, from the first instant to the last. Empty: no table is tracked yet, and no beginning was named. */
  readonly buckets: readonly ActivityBucket[];
}

/** Throws TimewarpError: NODE_UNKNOWN, BAD_TIME, or a failure of the store. */
export async function activity(store: Queryable, request: ActivityRequest): Promise<Activity> {
  try {
    const { rows } = await store.query<FrameRow & (BucketRow | { readonly bucket_from: null })>(
      `SELECT ${FRAME_COLUMNS}, ${instantText('a.from_ts')} AS bucket_from, ${instantText('a.to_ts')} AS bucket_to,
              a.commits::text, a.inserts::text, a.updates::text, a.deletes::text, a.truncates::text, a.largest::text
         FROM pgtimewarp.node_frame($1, $2, $3, $4::timestamptz, $5::pg_lsn, $6::timestamptz, $7::pg_lsn, $9::jsonb) AS f
         LEFT JOIN LATERAL pgtimewarp.node_activity($1, $4::timestamptz, $5::pg_lsn, $6::timestamptz, $7::pg_lsn,
                     f.from_ts, f.to_ts, $8::int, $9::jsonb) WITH ORDINALITY AS a ON true
        ORDER BY a.ordinality`,
      [...intervalParameters({ ...request, table: null }), request.buckets, onlyText(request.only)],
    );
    return {
      ...toFrame(rows[0]!, request.from, request.to),
      buckets: rows
        .filter((row): row is FrameRow & BucketRow => row.bucket_from !== null)
        .map(({ bucket_from: from, bucket_to: to, ...row }) => ({
          ...{ from, to, commits: row.commits, inserts: row.inserts, updates: row.updates },
          ...{ deletes: row.deletes, truncates: row.truncates, largest: row.largest },
        })),
    };
  } catch (error) {
    throw fromHistoryError(error);
  }
}

interface BucketRow extends Omit<ActivityBucket, 'from' | 'to'> {
  readonly bucket_from: string;
  readonly bucket_to: string;
}
