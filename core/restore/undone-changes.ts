/**
 * Reads from the store what chosen transactions did: every change with the row before and after it, and what became of these rows
 * later. Nothing is guessed: a row whose past is not known is an error.
 */
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { Queryable } from '../pg/connection.ts';
import { formatTableName, type TableName } from '../pg/identifiers.ts';
import type { ChangeRow } from '../query/changes.ts';
import { fromHistoryError } from '../query/query-error.ts';
import type { TransactionSummary } from '../query/transactions.ts';
import { jsonMembers } from '../types/json-text.ts';
import { type Lsn, parseLsn } from '../types/lsn.ts';
import type { TableNow } from './table-now.ts';

/** Column to JSON text. */
export type Members = ReadonlyMap<string, string>;

export interface UndoneChange {
  readonly relationId: string;
  readonly table: TableName;
  /** The text of the key in the history. */
  readonly pk: string;
  /** JSON text `{column: text}`. */
  readonly pkText: string;
  readonly op: string;
  readonly lsn: Lsn;
  /** null: the row was not there. */
  readonly before: Members | null;
  readonly after: Members | null;
  /** Columns whose values before or after are not known. */
  readonly incomplete: readonly string[];
}

/** Of a row of history_change `c` in the period `p`: what a restore uses of a {@link ChangeRow}. */
export const UNDONE_COLUMNS = `
  c.relation_id::text, c.lsn::text, c.seq::text, c.pk, c.op, c.before::text, c.after::text, c.incomplete, c.assumes,
  p.schema_name, p.table_name, pgtimewarp.json_key(p.pk_columns, c.pk) AS key`;

export type UndoneRow = Omit<ChangeRow, 'ts' | 'xid' | 'changed' | 'context'>;

/** A restore holds all its rows anyway; each page costs the store a search for its beginning. */
const UNDONE_PAGE = { rows: 50_000, bytes: 64 * 1024 * 1024 } as const;

/** Every change of the transactions, in the order of commits. Throws VALUES_UNKNOWN, BAD_FLAGS (more rows than `maxRows`). */
export async function undoneChanges(
  store: Queryable,
  {
    node,
    transactions,
    ...bounds
  }: Bounds & {
    readonly node: string;
    readonly transactions: readonly TransactionSummary[];
    /** Tables of which only those rows of a TRUNCATE are read that have later versions: the others come back in bulk. */
    readonly rewritten?: readonly string[];
  },
): Promise<UndoneChange[]> {
  const found: UndoneChange[] = [];
  const count = counting(bounds);
  const inOrder = transactions.toSorted((a, b) => (parseLsn(a.lsn) < parseLsn(b.lsn) ? -1 : 1));
  for (const transaction of inOrder) {
    for await (const row of changesOf(store, { node, transaction, ...bounds })) {
      count(row);
      found.push(toUndone(row));
    }
  }
  return found;
}

/** How much a restore may read. */
export interface Bounds {
  readonly maxRows: number;
  /** What the user asked for, if other rows take part of it. */
  readonly asked?: number;
  /** Characters of rows; missing: any number. */
  readonly maxSize?: number | undefined;
  readonly report?: Report | undefined;
}

/** Tells people what a long restore does, and how many rows it has done of how many. */
export type Report = (what: string, done?: number, total?: number) => void;

const REPORTED_ROWS = 1_000;

/** The size of a page from the store. */
export const pageOf = ({ maxSize = UNDONE_PAGE.bytes }: Bounds): readonly [rows: number, bytes: number] => [
  UNDONE_PAGE.rows,
  Math.min(UNDONE_PAGE.bytes, maxSize),
];

/** A function that counts rows and throws BAD_FLAGS when there are too many. */
export function counting({
  maxRows,
  asked = maxRows,
  maxSize = Number.POSITIVE_INFINITY,
  report,
}: Bounds): (row: UndoneRow) => void {
  let [rows, size] = [0, 0];
  return ({ before, after }) => {
    rows += 1;
    if (rows % REPORTED_ROWS === 0) report?.('read from the history', rows);
    size += (before?.length ?? 0) + (after?.length ?? 0);
    if (rows > maxRows) throw tooManyRows(asked);
    if (size > maxSize)
      throw new TimewarpError('BAD_FLAGS', `The rows have more than ${maxSize} characters.`, {
        remedy: 'Restore fewer rows at a time, or use `pgtimewarp restore`.',
      });
  };
}

export function tooManyRows(maxRows: number): TimewarpError {
  return new TimewarpError('BAD_FLAGS', `More than ${maxRows} rows are concerned.`, {
    remedy: 'Look at the changes first. A larger --max-rows allows more.',
  });
}

async function* changesOf(
  store: Queryable,
  {
    node,
    transaction: { lsn, lsnSpace },
    rewritten = [],
    ...bounds
  }: Bounds & {
    readonly node: string;
    readonly transaction: TransactionSummary;
    readonly rewritten?: readonly string[];
  },
): AsyncGenerator<UndoneRow> {
  let after: readonly [string | null, string | null, string | null] = [null, null, null];
  const [, bytes] = pageOf(bounds);
  let limit = FIRST_ROWS;
  for (;;) {
    const options = { bare: true, chunk: limit, rewritten: rewritten.map((id) => Number.parseInt(id, 10)) };
    const page = await store
      .query<UndoneRow>(
        `SELECT ${UNDONE_COLUMNS}
           FROM pgtimewarp.transaction_changes($1, $2::int, $3::pg_lsn, $4::int, $5::int, $6, $7::int, $8::bigint, NULL, $9::jsonb) WITH ORDINALITY AS c
           JOIN pgtimewarp.relation_periods AS p ON p.relation_id = c.relation_id
          ORDER BY c.ordinality`,
        [node, lsnSpace, lsn, ...after, limit, bytes, JSON.stringify(options)],
      )
      .catch((error: unknown) => {
        throw fromHistoryError(error);
      });
    yield* page.rows;
    const last = page.rows.at(-1);
    if (last === undefined) return;
    after = [last.relation_id, last.seq, last.pk];
    limit = rowsInPage(page.rows, bounds);
  }
}

/** Each page reads all changes of the commit again, so the first one only shows how large the rows are. */
const FIRST_ROWS = 2_000;

function rowsInPage(rows: readonly UndoneRow[], bounds: Bounds): number {
  const size = rows.reduce((sum, each) => sum + (each.before?.length ?? 0) + (each.after?.length ?? 0), 0);
  const [most, bytes] = pageOf(bounds);
  return Math.max(1, Math.min(most, Math.floor((bytes / 2 / Math.max(1, size)) * rows.length)));
}

export function unknownRow({
  table,
  pkText,
  columns,
}: {
  readonly table: TableName;
  readonly pkText: string;
  readonly columns: readonly string[];
}): TimewarpError {
  const name = formatTableName(table);
  const which = columns.length === 0 ? '' : ` (${columns.join(', ')})`;
  return new TimewarpError(
    'VALUES_UNKNOWN',
    `The row ${pkText} of ${name} is not known before and after the change${which}.`,
    { facts: { table: name, columns } },
  );
}

/** Throws VALUES_UNKNOWN where the row before or after the change is not known. */
export function toUndone(row: UndoneRow): UndoneChange {
  const table = { schema: row.schema_name, name: row.table_name };
  const isKnown = (row.op === 'I' || row.before !== null) && (row.op !== 'U' || row.after !== null);
  if (!isKnown || row.assumes !== null) throw unknownRow({ table, pkText: row.key, columns: [] });
  const members = (text: string | null): Members | null =>
    text === null ? null : jsonMembers(text, 0).members;
  return {
    relationId: row.relation_id,
    table,
    pk: row.pk,
    pkText: row.key,
    op: row.op,
    lsn: parseLsn(row.lsn),
    before: row.op === 'I' ? null : members(row.before),
    after: row.op === 'U' || row.op === 'I' ? members(row.after) : null,
    incomplete: row.incomplete ?? [],
  };
}

/** What the store knows of a table, for its restore. */
export interface HistoryFacts {
  readonly relationId: string;
  readonly keyColumns: readonly string[];
  readonly excluded: readonly string[];
  readonly relid: string | null;
  /** Those of the last run. */
  readonly columns: readonly StoredColumn[];
  readonly isTracked: boolean;
  /** The table as the last run found it. null: no run has read it. */
  readonly lastSeen: TableNow | null;
}

export interface StoredColumn {
  readonly attnum: number;
  readonly name: string;
  readonly type_oid: number;
  readonly type_name: string;
  /** In versions up to there, a value under the name may be that of another column. */
  readonly since_lsn: string;
  /** Up to there the column may have had another type. */
  readonly typed_since_lsn?: string;
  readonly former_names?: readonly { readonly until_lsn: string }[];
}

/** In the order of the ids. */
export async function historyFacts(
  store: Queryable,
  relationIds: readonly string[],
): Promise<HistoryFacts[]> {
  const { rows } = await store.query<{
    relation_id: string;
    pk_columns: readonly string[];
    excluded_columns: readonly string[];
    relid: string | null;
    columns: string;
    is_tracked: boolean;
    catalog_facts: string | null;
  }>(
    `SELECT p.relation_id::text, p.pk_columns, p.excluded_columns, t.relid::text, t.relation_id IS NOT NULL AS is_tracked,
            t.catalog_facts::text, p.columns::text
       FROM pgtimewarp.relation_periods AS p
       LEFT JOIN pgtimewarp.tracked_relations AS t ON t.relation_id = p.relation_id AND p.tracked_to_lsn IS NULL
      WHERE p.relation_id = ANY ($1::int[])`,
    [relationIds],
  );
  return rows.map((row) => ({
    relationId: row.relation_id,
    keyColumns: row.pk_columns,
    excluded: row.excluded_columns,
    relid: row.relid,
    columns: JSON.parse(row.columns) as StoredColumn[], // names, OIDs and positions only
    isTracked: row.is_tracked,
    lastSeen: row.catalog_facts === null ? null : (JSON.parse(row.catalog_facts) as TableNow), // names and OIDs only
  }));
}

/** What happened to keys that values cannot show. */
export interface KeyLineage {
  /** Removed, inserted or read again after the undone change. */
  readonly reused: ReadonlySet<string>;
  /** Some version holds the JSON value null, which has the text of a missing value. */
  readonly jsonNull: ReadonlySet<string>;
}

/** @param keys with the commit of the newest undone change of each */
export async function keyLineage(
  store: Queryable,
  relationId: string,
  keys: readonly { readonly pk: string; readonly lsn: string }[],
): Promise<KeyLineage> {
  const { rows } = await store.query<{ pk: string; reused: boolean; json_null: boolean }>(
    `SELECT k.pk, coalesce(bool_or(c.valid_from_lsn > k.lsn AND c.op <> 'U'), false) AS reused,
            coalesce(bool_or(c.json_nulls IS NOT NULL), false) AS json_null
       FROM unnest($2::text[], $3::pg_lsn[]) AS k (pk, lsn)
       JOIN pgtimewarp.row_changes AS c ON c.relation_id = $1::int AND c.pk = k.pk
      GROUP BY k.pk
     HAVING bool_or(c.valid_from_lsn > k.lsn AND c.op <> 'U') OR bool_or(c.json_nulls IS NOT NULL)`,
    [relationId, keys.map(({ pk }) => pk), keys.map(({ lsn }) => lsn)],
  );
  return {
    reused: new Set(rows.filter((row) => row.reused).map(({ pk }) => pk)),
    jsonNull: new Set(rows.filter((row) => row.json_null).map(({ pk }) => pk)),
  };
}
