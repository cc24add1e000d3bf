/**
 * What was committed between two instants, newest first, page by page; and what one transaction did, row by row. A transaction is
 * identified by its commit LSN, because PostgreSQL reuses xids.
 */
import type { Queryable } from '../pg/connection.ts';
import type { TableName } from '../pg/identifiers.ts';
import { askingIntervals, type ReadArchive } from './archived.ts';
import { CHANGE_COLUMNS, type ChangeRow, changeTexts, type HistoryChange, toChange } from './changes.ts';
import {
  continuation,
  cutPage,
  FRAME_COLUMNS,
  type FrameRow,
  type HistoryCursor,
  type HistoryFrame,
  instantText,
  intervalParameters,
  nextCursor,
  PAGE_BYTES,
  toFrame,
} from './history-page.ts';
import type { Instant } from './instant.ts';
import { fromHistoryError } from './query-error.ts';

export interface TransactionFilter {
  /** It touched this table. */
  readonly table?: TableName;
  readonly by?: Readonly<Record<string, string>>;
  /** It has a change with one of these letters; with `table`, a change of that table. */
  readonly op?: readonly string[];
  /** It changed at least so many rows, or has a TRUNCATE, whose rows are not counted. */
  readonly minRows?: number;
  /** As {@link xidOf} returns it. */
  readonly xid?: string;
  readonly lsn?: string;
}

/**
 * The number that the log has of a transaction: 32 bits of it. `pg_current_xact_id()` gives 64, of which these are the lower ones.
 * Decimal digits; null: not the number of a transaction.
 */
export function xidOf(text: string): string | null {
  if (!/^[1-9]\d{0,19}$/.test(text)) return null;
  const xid = BigInt(text);
  return xid > GREATEST_XID ? null : `${xid & 0xffff_ffffn}`;
}

const GREATEST_XID = 0xffff_ffff_ffff_ffffn;

export interface TransactionsRequest {
  readonly node: string;
  readonly from: Instant | null;
  readonly to: Instant | null;
  readonly filter?: TransactionFilter;
  /** Only these tables, and the contexts of their changes, as if there were no others; null: all. */
  readonly only?: readonly TableName[] | null;
  readonly limit: number;
  readonly cursor?: string | null;
  /** Gets what only the archive has; without it such a question is refused: ARCHIVED. */
  readonly readArchive?: ReadArchive | undefined;
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
  /** Members that were left out (null here) because they did not fit into a response. */
  readonly omitted?: readonly string[];
}

export interface TransactionsPage extends HistoryFrame {
  readonly transactions: readonly TransactionSummary[];
  /** null: nothing follows. */
  readonly next: HistoryCursor | null;
  /** `archive` if the answer needed it; otherwise omitted. */
  readonly tier?: 'archive';
}

/**
 * Throws TimewarpError: NODE_UNKNOWN, TABLE_NOT_TRACKED, BAD_TIME, BAD_FLAGS (cursor), ARCHIVED, what `readArchive` throws, or a failure
 * of the store.
 */
export function transactions(store: Queryable, request: TransactionsRequest): Promise<TransactionsPage> {
  return askingIntervals(store, request.readArchive, (archived) => readPage(store, request, archived));
}

async function readPage(
  store: Queryable,
  request: TransactionsRequest,
  archived: string | null,
): Promise<TransactionsPage> {
  const { filter = {} } = request;
  const goesOn = continuation(request, ['number', 'time', 'lsn'], ['transactions', request.node, filter]);
  const only = onlyText(request.only);
  try {
    const { rows } = await store.query<FrameRow & (SummaryRow | { readonly lsn: null })>(
      `SELECT ${FRAME_COLUMNS}, t.lsn_space::text, t.lsn::text, ${instantText('t.ts')} AS ts, t.xid::text, t.context::text, t.tables::text,
              t.rows::text
         FROM pgtimewarp.node_frame($1, $2, $3, $4::timestamptz, $5::pg_lsn, $6::timestamptz, $7::pg_lsn, $13::jsonb) AS f
         LEFT JOIN pgtimewarp.node_transactions($1, $4::timestamptz, $5::pg_lsn, $6::timestamptz, $7::pg_lsn, $8::jsonb,
                     $9::int, $10::timestamptz, $11::pg_lsn, $12::int, $14::bigint, $15::json) WITH ORDINALITY AS t ON true
        ORDER BY t.ordinality`,
      [
        ...intervalParameters({ ...goesOn, node: request.node, table: filter.table ?? null }),
        filterText(filter, request.only),
        ...goesOn.after,
        request.limit + 1,
        only,
        PAGE_BYTES,
        archived,
      ],
    );
    const found = rows.filter((row): row is FrameRow & SummaryRow => row.lsn !== null);
    const { page, isCut } = cutPage(found, request.limit, ({ context, tables }) => [context, tables]);
    const last = page.at(-1);
    const frame = toFrame(rows[0]!, goesOn.from, goesOn.to);
    return {
      ...frame,
      transactions: page.map(toSummary),
      next:
        isCut && last !== undefined
          ? nextCursor(goesOn, frame.horizon, [last.lsn_space, last.ts, last.lsn])
          : null,
      ...(archived === null ? {} : { tier: 'archive' }),
    };
  } catch (error) {
    throw fromHistoryError(error);
  }
}

export interface TransactionPage extends HistoryFrame {
  readonly transaction: TransactionSummary;
  readonly changes: readonly HistoryChange[];
  readonly next: HistoryCursor | null;
  readonly tier?: 'archive';
}

export interface TransactionRequest {
  readonly node: string;
  readonly transaction: TransactionSummary;
  /** As of the list. */
  readonly only?: readonly TableName[] | null;
  readonly limit: number;
  readonly cursor?: string | null;
  readonly readArchive?: ReadArchive | undefined;
}

/** Every row that a transaction touched, table by table. */
export function transactionChanges(store: Queryable, request: TransactionRequest): Promise<TransactionPage> {
  return askingIntervals(store, request.readArchive, (archived) => readChanges(store, request, archived));
}

async function readChanges(
  store: Queryable,
  request: TransactionRequest,
  archived: string | null,
): Promise<TransactionPage> {
  const { node, transaction, limit, cursor } = request;
  const { lsn, lsnSpace } = transaction;
  const goesOn = continuation(
    { from: null, to: null, cursor },
    ['number', 'number', 'key'],
    ['transaction', node, lsnSpace, lsn],
  );
  try {
    const { rows } = await store.query<FrameRow & (ChangeRow | { readonly op: null })>(
      `SELECT ${FRAME_COLUMNS}, ${CHANGE_COLUMNS}
         FROM pgtimewarp.node_frame($1, NULL, NULL, $9::timestamptz, NULL, $9::timestamptz, NULL, $10::jsonb) AS f
         LEFT JOIN pgtimewarp.transaction_changes($1, $2::int, $3::pg_lsn, $4::int, $5::int, $6, $7::int, $8::bigint, $10::jsonb, NULL,
                     $11::json)
                     WITH ORDINALITY AS c ON true
         LEFT JOIN pgtimewarp.relation_periods AS p ON p.relation_id = c.relation_id
        ORDER BY c.ordinality`,
      [
        ...[node, lsnSpace, lsn, ...goesOn.after, limit + 1, PAGE_BYTES, transaction.ts],
        onlyText(request.only),
        archived,
      ],
    );
    const found = rows.filter((row): row is FrameRow & ChangeRow => row.op !== null);
    const { page, isCut } = cutPage(found, limit, changeTexts);
    const last = page.at(-1);
    return {
      ...toFrame(rows[0]!, null, null),
      transaction,
      changes: page.map(toChange),
      next:
        isCut && last !== undefined ? nextCursor(goesOn, null, [last.relation_id, last.seq, last.pk]) : null,
      ...(archived === null ? {} : { tier: 'archive' }),
    };
  } catch (error) {
    throw fromHistoryError(error);
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

/** As is_one_of() of the store takes it; null: all tables. */
export function onlyText(tables: Only): string | null {
  return tables === null || tables === undefined ? null : JSON.stringify(tables.map(tableMembers));
}

type Only = readonly TableName[] | null | undefined;

const tableMembers = ({ schema, name }: TableName) => ({ schema, table: name });

function filterText({ table, by, op, minRows, xid, lsn }: TransactionFilter, only: Only): string {
  return JSON.stringify({
    ...(table === undefined ? {} : tableMembers(table)),
    ...(by === undefined ? {} : { by }),
    ...(op === undefined ? {} : { op }),
    ...(minRows === undefined ? {} : { min_rows: minRows }),
    ...(xid === undefined ? {} : { xid }),
    ...(lsn === undefined ? {} : { lsn }),
    ...(only === null || only === undefined ? {} : { only: only.map(tableMembers) }),
  });
}
