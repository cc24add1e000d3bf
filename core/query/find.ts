/**
 * Which rows of a table had values, and when: as of an instant, or at any moment between two; page by page in the order of keys. A page
 * is one round trip and one snapshot.
 */
import type { Queryable } from '../pg/connection.ts';
import type { TableName } from '../pg/identifiers.ts';
import {
  type ColumnValues,
  continuation,
  cutPage,
  FRAME_COLUMNS,
  type FrameRow,
  type HistoryCursor,
  type HistoryFrame,
  intervalParameters,
  nextCursor,
  otherQuestion,
  PAGE_BYTES,
  toFrame,
} from './history-page.ts';
import type { Instant } from './instant.ts';
import { fromHistoryError } from './query-error.ts';

export interface FindRequest {
  readonly node: string;
  readonly table: TableName;
  readonly where: ColumnValues;
  /** As of this instant; null: at any moment between `from` and `to`. */
  readonly at: Instant | null;
  readonly from: Instant | null;
  readonly to: Instant | null;
  readonly limit: number;
  readonly cursor?: string | null;
}

export interface FoundRow {
  /** JSON text of the key. */
  readonly pkText: string;
  /** JSON texts `{lsn, ts, xid}`; of `valid_to` null: nothing has ended it so far. */
  readonly validFromText: string;
  readonly validToText: string;
  /** JSON text; that of null where it was left out, see `omitted`. */
  readonly rowText: string;
  readonly incomplete?: readonly string[];
  readonly assumes?: string;
  /** Members that were left out (null) because they did not fit into a response. */
  readonly omitted?: readonly string[];
}

export interface FindPage extends HistoryFrame {
  readonly rows: readonly FoundRow[];
  readonly next: HistoryCursor | null;
}

/** Throws TimewarpError: TABLE_NOT_TRACKED, NODE_UNKNOWN, BAD_TIME, BAD_FLAGS (values, cursor), or a failure of the store. */
export async function findRows(store: Queryable, request: FindRequest): Promise<FindPage> {
  const { at, where } = request;
  const goesOn = continuation(
    { ...request, to: at === null ? request.to : at },
    ['shape', 'number', 'key', 'lsn', 'number'],
    ['find', request.node, request.table, where],
  );
  const [shape, ...after] = goesOn.after;
  if (shape === 'interval' && at !== null && at.kind !== 'now') throw otherQuestion();
  const isInstant = shape === null || shape === undefined ? at !== null : shape === 'instant';
  const { to } = goesOn;
  const from = isInstant ? to : goesOn.from;
  // "now" is the horizon
  const horizon = '(SELECT c.applied_ts FROM pgtimewarp.wal_checkpoints AS c WHERE c.node_id = $1)';
  const isNow = isInstant && to?.kind === 'now';
  const fromTs = isNow ? `coalesce($4::timestamptz, ${horizon})` : '$4::timestamptz';
  const toTs = isNow ? `coalesce($6::timestamptz, ${horizon})` : '$6::timestamptz';
  try {
    const { rows } = await store.query<FrameRow & (FoundVersion | { readonly pk: null })>(
      `SELECT ${FRAME_COLUMNS}, c.relation_id::text, c.pk, c.lsn::text, c.seq::text, c.row_data::text AS row, c.incomplete, c.assumes,
              pgtimewarp.json_key(p.pk_columns, c.pk) AS key, pgtimewarp.json_commit(c.lsn, c.ts, c.xid) AS valid_from,
              pgtimewarp.json_commit(c.to_lsn, c.to_ts, c.to_xid) AS valid_to
         FROM pgtimewarp.table_frame($1, $2, $3, ${fromTs}, $5::pg_lsn, ${toTs}, $7::pg_lsn) AS f
         LEFT JOIN pgtimewarp.find_rows($1, $2, $3, ${fromTs}, $5::pg_lsn, ${toTs}, $7::pg_lsn, $8::boolean, $9::jsonb,
                     $10::int, $11, $12::pg_lsn, $13::int, $14::int, $15::bigint) WITH ORDINALITY AS c ON true
         LEFT JOIN pgtimewarp.relation_periods AS p ON p.relation_id = c.relation_id
        ORDER BY c.ordinality`,
      [
        ...intervalParameters({ node: request.node, table: request.table, from, to }),
        isInstant,
        JSON.stringify(where),
        ...after,
        request.limit + 1,
        PAGE_BYTES,
      ],
    );
    const found = rows.filter((row): row is FrameRow & FoundVersion => row.pk !== null);
    const { page, isCut } = cutPage(found, request.limit, ({ row }) => [row]);
    const last = page.at(-1);
    const frame = toFrame(rows[0]!, from, to);
    return {
      ...frame,
      rows: page.map(toFound),
      next:
        isCut && last !== undefined
          ? nextCursor(goesOn, frame.horizon, [
              isInstant ? 'instant' : 'interval',
              ...[last.relation_id, last.pk, last.lsn, last.seq],
            ])
          : null,
    };
  } catch (error) {
    throw fromHistoryError(error);
  }
}

interface FoundVersion {
  readonly relation_id: string;
  readonly pk: string;
  readonly lsn: string;
  readonly seq: string;
  readonly row: string;
  readonly incomplete: readonly string[] | null;
  readonly assumes: string | null;
  readonly key: string;
  readonly valid_from: string;
  readonly valid_to: string;
}

function toFound(row: FoundVersion): FoundRow {
  return {
    pkText: row.key,
    validFromText: row.valid_from,
    validToText: row.valid_to,
    rowText: row.row,
    ...(row.incomplete === null ? {} : { incomplete: row.incomplete }),
    ...(row.assumes === null ? {} : { assumes: row.assumes }),
  };
}
