/**
 * What was committed between two instants, newest first, page by page; and what one transaction did, row by row. A transaction is
 * identified by its commit LSN, because PostgreSQL reuses xids.
 */
import type { Queryable } from '../pg/connection.ts';
import type { TableName } from '../pg/identifiers.ts';
import { CHANGE_COLUMNS, type ChangeRow, cutPage, type HistoryChange, toChange } from './changes.ts';
import {
  continuation,
  FRAME_COLUMNS,
  type FrameRow,
  formatHistoryCursor,
  type HistoryCursor,
  type HistoryFrame,
  historyCursorParts,
  instantText,
  intervalParameters,
  nextCursor,
  PAGE_BYTES,
  toFrame,
} from './history-page.ts';
import type { Instant } from './instant.ts';
import { fromQueryError } from './query-error.ts';

export interface TransactionFilter {
  /** It touched this table. */
  readonly table?: TableName;
  readonly by?: Readonly<Record<string, string>>;
  /** It has a change with one of these letters; with `table`, a change of that table. */
  readonly op?: readonly string[];
  /** It changed at least so many rows, or has a TRUNCATE, whose rows are not counted. */
  readonly minRows?: number;
  /** Decimal digits. */
  readonly xid?: string;
  readonly lsn?: string;
}

export interface TransactionsRequest {
  readonly node: string;
  readonly from: Instant | null;
  readonly to: Instant | null;
  readonly filter?: TransactionFilter;
  readonly limit: number;
  readonly cursor?: string | null;
}

export interface TransactionSummary {
  readonly lsnSpace: string;
  readonly lsn: string;
  readonly ts: string;
  readonly xid: string;
  readonly contextText: string | null;
  /** JSON text `[{schema, table, inserts, updates, deletes, truncates}]`. */
  readonly tablesText: string;
  /** Inserts, updates and deletes; decimal digits. */
  readonly rows: string;
}

export interface TransactionsPage extends HistoryFrame {
  readonly transactions: readonly TransactionSummary[];
  /** null: nothing follows. */
  readonly next: HistoryCursor | null;
}

/** Throws TimewarpError: NODE_UNKNOWN, TABLE_NOT_TRACKED, BAD_TIME, BAD_FLAGS (cursor), or a failure of the store. */
export async function transactions(
  store: Queryable,
  request: TransactionsRequest,
): Promise<TransactionsPage> {
  const goesOn = continuation(request.cursor, ['number', 'time', 'lsn'], request.to);
  const { filter = {} } = request;
  try {
    const { rows } = await store.query<FrameRow & (SummaryRow | { readonly lsn: null })>(
      `SELECT ${FRAME_COLUMNS}, t.lsn_space::text, t.lsn::text, ${instantText('t.ts')} AS ts, t.xid::text, t.context::text, t.tables::text,
              t.rows::text
         FROM pgtimewarp.node_frame($1, $2, $3, $4::timestamptz, $5::pg_lsn, $6::timestamptz, $7::pg_lsn) AS f
         LEFT JOIN pgtimewarp.node_transactions($1, $4::timestamptz, $5::pg_lsn, $6::timestamptz, $7::pg_lsn, $8::jsonb,
                     $9::int, $10::timestamptz, $11::pg_lsn, $12::int) WITH ORDINALITY AS t ON true
        ORDER BY t.ordinality`,
      [
        ...intervalParameters({ ...request, to: goesOn.to, table: filter.table ?? null }),
        filterText(filter),
        ...goesOn.after,
        request.limit + 1,
      ],
    );
    const found = rows.filter((row): row is FrameRow & SummaryRow => row.lsn !== null);
    const page = found.slice(0, request.limit);
    const last = page.at(-1);
    const frame = toFrame(rows[0]!, request.from, goesOn.to);
    return {
      ...frame,
      transactions: page.map(toSummary),
      next:
        found.length > page.length && last !== undefined
          ? nextCursor(goesOn, frame.horizon, [last.lsn_space, last.ts, last.lsn])
          : null,
    };
  } catch (error) {
    throw fromQueryError(error);
  }
}

export interface TransactionPage extends HistoryFrame {
  readonly transaction: TransactionSummary;
  readonly changes: readonly HistoryChange[];
  readonly next: HistoryCursor | null;
}

/** Every row that a transaction touched, table by table. */
export async function transactionChanges(
  store: Queryable,
  request: {
    readonly node: string;
    readonly transaction: TransactionSummary;
    readonly limit: number;
    readonly cursor?: string | null;
  },
): Promise<TransactionPage> {
  const { node, transaction, limit } = request;
  const after = historyCursorParts(request.cursor, ['number', 'number', 'key']);
  try {
    const { rows } = await store.query<FrameRow & (ChangeRow | { readonly op: null })>(
      `SELECT ${FRAME_COLUMNS}, ${CHANGE_COLUMNS}
         FROM pgtimewarp.node_frame($1, NULL, NULL, $9::timestamptz, NULL, $9::timestamptz, NULL) AS f
         LEFT JOIN pgtimewarp.transaction_changes($1, $2::int, $3::pg_lsn, $4::int, $5::int, $6, $7::int, $8::bigint)
                     WITH ORDINALITY AS c ON true
         LEFT JOIN pgtimewarp.relation_periods AS p ON p.relation_id = c.relation_id
        ORDER BY c.ordinality`,
      [node, transaction.lsnSpace, transaction.lsn, ...after, limit + 1, PAGE_BYTES, transaction.ts],
    );
    const found = rows.filter((row): row is FrameRow & ChangeRow => row.op !== null);
    const { page, isCut } = cutPage(found, limit);
    const last = page.at(-1);
    return {
      ...toFrame(rows[0]!, null, null),
      transaction,
      changes: page.map(toChange),
      next: isCut && last !== undefined ? formatHistoryCursor([last.relation_id, last.seq, last.pk]) : null,
    };
  } catch (error) {
    throw fromQueryError(error);
  }
}

interface SummaryRow {
  readonly lsn_space: string;
  readonly lsn: string;
  readonly ts: string;
  readonly xid: string;
  readonly context: string | null;
  readonly tables: string;
  readonly rows: string;
}

function toSummary(row: SummaryRow): TransactionSummary {
  return {
    lsnSpace: row.lsn_space,
    lsn: row.lsn,
    ts: row.ts,
    xid: row.xid,
    contextText: row.context,
    tablesText: row.tables,
    rows: row.rows,
  };
}

function filterText({ table, by, op, minRows, xid, lsn }: TransactionFilter): string {
  return JSON.stringify({
    ...(table === undefined ? {} : { schema: table.schema, table: table.name }),
    ...(by === undefined ? {} : { by }),
    ...(op === undefined ? {} : { op }),
    ...(minRows === undefined ? {} : { min_rows: minRows }),
    ...(xid === undefined ? {} : { xid }),
    ...(lsn === undefined ? {} : { lsn }),
  });
}
