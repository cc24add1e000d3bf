/**
 * All rows of a table as of an instant, in the order of keys. What only the archive has is read there. The result is complete, or the function
 * throws: an unknown row or value is an error. If the caller requests it, such rows are left out and counted; a row is never
 * missing without notice.
 *
 * {@link openTable} fixes the position; {@link tableRows} reads page by page at that position, so memory does not grow with the
 * table. In one transaction with a fixed snapshot ({@link SNAPSHOT}) retention cannot remove rows in between. A caller that
 * asks page by page in several transactions calls openTable() in each.
 */
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { Queryable } from '../pg/connection.ts';
import { formatTableName, type TableName } from '../pg/identifiers.ts';
import { createTypeCatalog, type TypeRow } from '../types/pg-types.ts';
import type { ArchivedTable, ReadArchive } from './archived.ts';
import { type ColumnValues, instantText, PAGE_BYTES } from './history-page.ts';
import { type Instant, instantParameters } from './instant.ts';
import { fromHistoryError, fromQueryError } from './query-error.ts';
import { type Cell, type StoredColumnFacts, TableColumns } from './table-columns.ts';

/** Begins a transaction that sees one state of the store. */
export const SNAPSHOT = 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY';

/** The order of columns, then of keys; see sort_place(). */
export interface RowOrder {
  /** Names that the columns have now, or had before. */
  readonly columns: readonly string[];
  readonly descending: boolean;
}

export interface TableRequest {
  readonly node: string;
  readonly table: TableName;
  readonly at: Instant;
  readonly where?: ColumnValues;
  /** null or undefined: all except excluded and generated columns. */
  readonly columns?: readonly string[] | null;
  /** Whether unknown rows are an error, or are left out and counted. */
  readonly unknown?: 'error' | 'skip';
  /** Default: the order of the texts of keys. Every page of another order reads the whole table, unless that is a numeric key. */
  readonly order?: RowOrder | null;
  /** Gets what only the archive has; without it such a question is refused: ARCHIVED. So is another order than that of keys. */
  readonly readArchive?: ReadArchive | undefined;
  /** Whether the position may be one of which only the archive has the rows, although nothing reads them. */
  readonly mayBeArchived?: boolean;
}

/** A table at a position. */
export interface TableAt {
  readonly table: TableName;
  readonly relationId: number;
  readonly lsnSpace: number;
  readonly lsn: string;
  readonly through: string | null;
  readonly horizon: { readonly lsn: string; readonly ts: string } | null;
  readonly final: boolean;
  readonly keyColumns: readonly string[];
  readonly columns: TableColumns;
  readonly where: ColumnValues;
  readonly order: RowOrder | null;
  readonly unknown: 'error' | 'skip';
  /** Rows that existed and that no run has read; null: an unknown number. Above 0 only if unknown rows are left out. */
  readonly unread: string | null;
  /** Where the rows are read; null: the store has them. */
  readonly archived: ArchivedTable | null;
}

export interface TableRow {
  /** The text of the key in the history: the next page begins after it. */
  readonly key: string;
  /** In the order of the columns. */
  readonly cells: readonly Cell[];
}

export interface TablePage {
  readonly rows: readonly TableRow[];
  /** Rows of the page that were left out because they, or some of their values, are not known. */
  readonly skipped: number;
  /** Values of columns that the table no longer has. */
  readonly dropped: readonly string[];
  /** Whether a null counts as NULL only because of --no-nan. */
  readonly isAssumed: boolean;
  /** The key after which the next page begins; null: this is the last page. */
  readonly next: string | null;
}

/**
 * Locates the instant. Throws ROWS_UNKNOWN if the rows of the table are not known there, BAD_FLAGS for a column that the table
 * does not have, and the errors of other questions.
 */
export async function openTable(store: Queryable, request: TableRequest): Promise<TableAt> {
  const {
    node,
    table,
    at,
    where = {},
    columns = null,
    unknown = 'error',
    order = null,
    readArchive,
    mayBeArchived = readArchive !== undefined && order === null,
  } = request;
  const [ts, lsn] = instantParameters(at);
  try {
    const { rows } = await store.query<TableAtRow>(
      `WITH catalogs AS (
         SELECT r.relation_id, r.catalog_facts AS facts FROM pgtimewarp.tracked_relations AS r WHERE r.node_id = $1
          UNION ALL
         SELECT r.relation_id, r.catalog_facts FROM pgtimewarp.past_relations AS r WHERE r.node_id = $1)
       SELECT t.relation_id, t.lsn_space, t.lsn::text, t.through::text, t.reason, t.unread::text, t.unread_reason, t.virtual,
              t.final::text, t.horizon_lsn::text, ${instantText('t.horizon_ts')} AS horizon_ts,
              ${instantText('t.expired_before_ts')} AS expired_before, t.columns::text, t.pk_columns, t.excluded_columns, t.archived_before_lsn::text AS archived_before,
              (t.reason IN ('before_tracking', 'baseline_pending') OR t.reason = 'in_gap' AND p.tracked_to_lsn IS NOT NULL
                AND coalesce($4::timestamptz > p.tracked_to_ts, p.lsn_space < t.lsn_space OR $5::pg_lsn > p.tracked_to_lsn, true))::text AS is_outside,
              array_length(pgtimewarp.row_filters(p, $6::jsonb, true), 1)::text AS filters, ARRAY(
                SELECT c.facts ->> 'name'
                  FROM catalogs AS r, jsonb_array_elements(r.facts -> 'columns') AS c (facts)
                 WHERE r.relation_id = t.relation_id AND c.facts ->> 'generated' <> '') AS generated,
              coalesce((
                SELECT jsonb_agg(DISTINCT y.type)
                  FROM catalogs AS r, jsonb_array_elements(
                         coalesce(r.facts -> 'formerTypes', '[]') || coalesce(r.facts -> 'types', '[]')) AS y (type)), '[]')::text AS types
         FROM pgtimewarp.table_at($1, $2, $3, $4::timestamptz, $5::pg_lsn, $7::boolean) AS t
         JOIN pgtimewarp.relation_periods AS p ON p.relation_id = t.relation_id`,
      [node, table.schema, table.name, ts, lsn, JSON.stringify(where), mayBeArchived],
    );
    const row = rows[0]!;
    requireKnown(table, row, unknown);
    return {
      table,
      relationId: row.relation_id,
      lsnSpace: row.lsn_space!,
      lsn: row.lsn!,
      through: row.through,
      horizon:
        row.horizon_lsn === null || row.horizon_ts === null
          ? null
          : { lsn: row.horizon_lsn, ts: row.horizon_ts },
      final: row.final === 'true',
      keyColumns: row.pk_columns,
      columns: new TableColumns({
        table: formatTableName(table),
        columns: catalogJson<StoredColumnFacts[]>(row.columns),
        keyColumns: row.pk_columns,
        excluded: row.excluded_columns,
        generated: row.generated,
        virtual: row.virtual,
        asked: columns,
        filtered: [...Object.keys(where), ...(order?.columns ?? [])],
        types: createTypeCatalog(catalogJson<TypeRow[]>(row.types)),
      }),
      where,
      order,
      unknown,
      unread: row.unread,
      archived:
        row.archived_before === null || readArchive === undefined
          ? null
          : await readArchive.openTable(store, {
              ...{ relationId: row.relation_id, before: row.archived_before, lsn: row.lsn! },
            }),
    };
  } catch (error) {
    throw error instanceof TimewarpError ? error : fromQueryError(error);
  }
}

export interface PageRequest {
  /** The key that the last page returned; null: the first page. */
  readonly after: string | null;
  /** The most rows of a page. */
  readonly limit: number;
  /** Whether the caller wants the pages that follow. */
  readonly goesOn?: boolean;
}

/**
 * Reads the next page. Throws VALUES_UNKNOWN for a row that is not known, unless such rows are left out; ARCHIVE_DAMAGED,
 * ARCHIVE_TOO_MUCH, ARCHIVE_UNREACHABLE. A page may have no rows and be followed by others.
 */
export async function tablePage(store: Queryable, at: TableAt, request: PageRequest): Promise<TablePage> {
  const { found, next } = await pageRows(store, at, request);
  const rows: TableRow[] = [];
  const dropped = new Set<string>();
  let skipped = 0;
  let isAssumed = false;
  for (const row of found) {
    if (!row.is_there || row.row_text === null) {
      if (at.unknown === 'error') throw unreadRow(at);
      skipped++;
      continue;
    }
    const stored = {
      rowText: row.row_text,
      writtenLsn: row.written,
      readLsn: row.read_lsn,
      incomplete: row.incomplete,
      jsonNulls: row.json_nulls,
    };
    const { cells, unknown, dropped: gone } = at.columns.cells(stored);
    if (unknown.length > 0) {
      if (at.unknown === 'error') throw unknownValues(at, unknown);
      skipped++;
      continue;
    }
    isAssumed ||= row.nulls_assumed === true;
    for (const name of gone) dropped.add(name);
    rows.push({ key: row.pk, cells });
  }
  return { rows, skipped, dropped: [...dropped], isAssumed, next };
}

interface FoundRows {
  readonly found: readonly StoredTableRow[];
  /** The key after which the next page begins; null: this is the last page. */
  readonly next: string | null;
}

async function pageRows(store: Queryable, at: TableAt, request: PageRequest): Promise<FoundRows> {
  const { archived } = at;
  if (archived === null) {
    const found = await readRows(store, at, { ...request, bytes: PAGE_BYTES, part: null });
    return { found, next: isFull(found, request.limit) ? found.at(-1)!.pk : null };
  }
  archived.beginPage();
  const found: StoredTableRow[] = [];
  const { limit, goesOn = false } = request;
  for (let after = request.after ?? ''; ; ) {
    const { part, upto } = await archived.page(store, { after, keys: limit, goesOn });
    const room = { limit: limit - found.length, bytes: PAGE_BYTES - bytesOf(found) };
    found.push(...(await readRows(store, at, { after, ...room, part: `[${part}]` })));
    if (isFull(found, limit)) return { found, next: found.at(-1)!.pk };
    if (upto === null || archived.isDear) return { found, next: upto };
    after = upto;
  }
}

/** The store ends a page when it has enough rows, or enough bytes. */
function isFull(found: readonly StoredTableRow[], limit: number): boolean {
  return found.length >= limit || bytesOf(found) > PAGE_BYTES;
}

function bytesOf(rows: readonly StoredTableRow[]): number {
  return rows.reduce((sum, row) => sum + Buffer.byteLength(row.row_text ?? ''), 0);
}

/** Reads all pages. While the caller uses one, the store reads the next. */
export async function* tableRows(store: Queryable, at: TableAt): AsyncGenerator<TablePage> {
  let limit = FIRST_ROWS;
  let reading: Promise<TablePage> | null = tablePage(store, at, { after: null, limit, goesOn: true });
  try {
    while (reading !== null) {
      const page: TablePage = await reading;
      reading = null;
      if (page.next !== null) {
        limit = rowsInBytes(page, limit);
        reading = tablePage(store, at, { after: page.next, limit, goesOn: true });
        reading.catch(() => {}); // its error is thrown when the page is awaited
      }
      yield page;
    }
  } finally {
    await reading?.catch(() => {}); // waits until the session is free if the caller has stopped early
  }
}

const FIRST_ROWS = 500;
const MOST_ROWS = 5_000;

/** The number of rows that fill a page. More rows would be read and then discarded. */
function rowsInBytes({ rows }: TablePage, before: number): number {
  let bytes = 0;
  for (const { cells } of rows) for (const cell of cells) bytes += cell?.length ?? 0;
  const fitting = Math.floor(PAGE_BYTES / 2 / Math.max(1, bytes / Math.max(1, rows.length)));
  return Math.max(1, Math.min(MOST_ROWS, before * 4, fitting));
}

interface StoredPage extends PageRequest {
  readonly bytes: number;
  /** The argument `p_archived`. */
  readonly part: string | null;
}

async function readRows(
  store: Queryable,
  at: TableAt,
  { after, limit, bytes, part }: StoredPage,
): Promise<StoredTableRow[]> {
  const { relationId, lsn, through, order } = at;
  const page = [relationId, lsn, through, JSON.stringify(at.where), after, limit, bytes];
  try {
    const { rows } = await store.query<StoredTableRow>(
      order === null
        ? {
            name: 'pgtimewarp_table_rows',
            text: `SELECT ${ROW_COLUMNS}
                     FROM pgtimewarp.table_rows($1::int, $2::pg_lsn, $3::pg_lsn, $4::jsonb, $5, $6::int, $7::bigint, NULL, $8::json) AS r`,
            values: [...page, part],
          }
        : {
            name: 'pgtimewarp_table_rows_by',
            text: `SELECT ${ROW_COLUMNS}
                     FROM pgtimewarp.table_rows_by($1::int, $2::pg_lsn, $3::pg_lsn, $4::jsonb, $8::text[], $9::boolean, $5, $6::int,
                                                   $7::bigint) AS r`,
            values: [...page, order.columns, order.descending],
          },
    );
    return rows;
  } catch (error) {
    throw order === null ? fromQueryError(error) : fromHistoryError(error);
  }
}

const ROW_COLUMNS = `r.pk, r.is_there, r.row_data::text AS row_text, r.incomplete, r.json_nulls, r.nulls_assumed,
                     r.valid_from_lsn::text AS written, CASE WHEN r.op = 'S' THEN r.read_lsn END::text AS read_lsn`;

interface TableAtRow {
  readonly relation_id: number;
  readonly lsn_space: number | null;
  readonly lsn: string | null;
  readonly through: string | null;
  readonly reason: string | null;
  /** Whether the table was not tracked at the instant. */
  readonly is_outside: string | null;
  readonly unread: string | null;
  readonly unread_reason: string | null;
  readonly virtual: readonly string[];
  readonly final: string;
  readonly horizon_lsn: string | null;
  readonly horizon_ts: string | null;
  readonly expired_before: string | null;
  readonly columns: string;
  readonly pk_columns: readonly string[];
  readonly excluded_columns: readonly string[];
  readonly archived_before: string | null;
  readonly generated: readonly string[];
  readonly types: string;
}

interface StoredTableRow {
  readonly pk: string;
  readonly is_there: boolean | null;
  readonly row_text: string | null;
  readonly incomplete: readonly string[] | null;
  readonly json_nulls: readonly string[] | null;
  readonly nulls_assumed: boolean | null;
  readonly written: string;
  readonly read_lsn: string | null;
}

/** JSON.parse is safe here: the text has only names and OIDs of the catalog, no values of rows. */
function catalogJson<T>(text: string): T {
  return JSON.parse(text) as T;
}

const REASONS: Readonly<Record<string, string>> = {
  before_tracking: 'it was not tracked yet, or not all of its rows had been read',
  baseline_pending: 'runs are still reading its rows',
  in_gap: 'the instant lies in a gap of its history',
  expired: 'its history of that time has expired',
};

/** Throws ROWS_UNKNOWN unless every row can be known, or rows that no run has read are to be left out. */
function requireKnown(table: TableName, row: TableAtRow, unknown: 'error' | 'skip'): void {
  const name = formatTableName(table);
  const { reason, unread, unread_reason: unreadReason } = row;
  if (reason !== null) {
    const oldest = reason === 'expired' ? ` Answers begin at ${row.expired_before}.` : '';
    throw new TimewarpError(
      'ROWS_UNKNOWN',
      `The rows of ${name} are not known at that time: ${REASONS[reason] ?? reason}.${oldest}`,
      { facts: { table: name, reason, oldest: row.expired_before, tracked: row.is_outside !== 'true' } },
    );
  }
  if (unreadReason === null || unknown === 'skip') return;
  const many = unread === null ? 'Not all rows' : unread === '1' ? 'One row' : `${unread} rows`;
  const verb = unread === null ? 'are' : unread === '1' ? 'is not' : 'are not';
  throw new TimewarpError(
    'ROWS_UNKNOWN',
    `${many} of ${name} ${verb} known at that time: ${
      unreadReason === 'baseline_pending'
        ? REASONS.baseline_pending
        : unread === null
          ? 'runs did not read the rows that it held when tracking began'
          : 'changed or removed before a run had read them'
    }.`,
    {
      facts: { table: name, reason: unreadReason, rows: unread },
      remedy: 'Ask for a later time, or leave such rows out (--unknown skip).',
    },
  );
}

function unreadRow(at: TableAt): TimewarpError {
  const name = formatTableName(at.table);
  return new TimewarpError(
    'ROWS_UNKNOWN',
    `A row of ${name} is not known at that time: it was changed before a run had read it.`,
    {
      facts: { table: name, reason: 'before_tracking' },
      remedy: 'Ask for a later time, or leave such rows out (--unknown skip).',
    },
  );
}

function unknownValues(at: TableAt, columns: readonly string[]): TimewarpError {
  const name = formatTableName(at.table);
  return new TimewarpError(
    'VALUES_UNKNOWN',
    `Values of ${columns.join(', ')} in a row of ${name} are not known at that time.`,
    { facts: { table: name, columns } },
  );
}
