/**
 * Rows that a TRUNCATE removed and that nothing has touched since. They come back as they are in the store: a plan only counts them, and
 * their texts go from the store to the source without passing through the plan, so there may be any number. A row of which anything
 * else must be decided is left to the plan.
 */
import type { Queryable } from '../pg/connection.ts';
import type { TableName } from '../pg/identifiers.ts';
import type { TransactionSummary } from '../query/transactions.ts';
import { LSN_ZERO, type Lsn, maxLsn, parseLsn, tryParseLsn } from '../types/lsn.ts';
import { literal } from './sql-text.ts';
import type { StoredColumn } from './undone-changes.ts';

export interface RemovedRows {
  readonly relationId: string;
  readonly table: TableName;
  /** The rows as of this position come back, */
  readonly asOfLsn: string;
  /** if their keys have no later version up to this one. */
  readonly untilLsn: string;
  /** The partitions that were emptied; null: the table. */
  readonly leafIds: readonly string[] | null;
  /** Whether earlier TRUNCATEs may have removed rows before. */
  readonly wasEmptied: boolean;
  readonly count: number;
  /** What a row has values of, those of removed columns too. */
  readonly names: readonly string[];
}

type RowsAt = Omit<RemovedRows, 'count' | 'names'>;

/** Where TRUNCATEs are looked for. */
export type RemovedBy =
  | { readonly kind: 'transactions'; readonly transactions: readonly TransactionSummary[] }
  | { readonly kind: 'since'; readonly table: TableName; readonly fromLsn: string };

interface Request {
  readonly node: string;
  readonly by: RemovedBy;
  /** The position up to which the history is read. */
  readonly untilLsn: string;
  /** Fewer rows than this are left to the plan. */
  readonly atLeast: number;
}

/** Those of each table that has enough of them, and whose rows have nothing that must be decided. */
export async function removedRows(store: Queryable, request: Request): Promise<RemovedRows[]> {
  const found: RemovedRows[] = [];
  for (const emptied of await emptiedTables(store, request)) {
    const { asOfLsn, schema, name, columns, excluded } = emptied;
    const table = { schema, name };
    if (hasOtherChanges(request.by, table, asOfLsn) || excluded.length > 0) continue;
    const { relationId, leafIds, wasEmptied } = emptied;
    const rows = { relationId, table, asOfLsn, leafIds, wasEmptied, untilLsn: request.untilLsn };
    const { count, is_simple, oldest, names } = await countRows(store, rows, emptied.generated);
    const isSettled = oldest !== null && parseLsn(oldest) > lastChange(columns);
    const number = Number.parseInt(count, 10);
    if (number >= request.atLeast && is_simple && isSettled) found.push({ ...rows, count: number, names });
  }
  return found;
}

interface Emptied {
  readonly relationId: string;
  readonly schema: string;
  readonly name: string;
  readonly asOfLsn: string;
  readonly leafIds: readonly string[] | null;
  readonly wasEmptied: boolean;
  readonly columns: readonly StoredColumn[];
  readonly excluded: readonly string[];
  readonly generated: readonly string[];
}

/** The tables that one commit emptied, or several since an instant; only those that are followed now, in one period. */
async function emptiedTables(store: Queryable, { node, by, untilLsn }: Request): Promise<Emptied[]> {
  const undone = by.kind === 'transactions' ? by.transactions : [];
  const lsns = undone.map(({ lsn }) => lsn);
  if (new Set(undone.map(({ lsnSpace }) => lsnSpace)).size > 1) return [];
  const { rows } = await store.query<{
    relation_id: string;
    schema_name: string;
    table_name: string;
    as_of: string;
    leaf_ids: readonly (string | null)[];
    columns: string;
    excluded_columns: readonly string[];
    generated: readonly string[];
    was_emptied: boolean;
  }>(
    `SELECT e.relation_id::text, p.schema_name, p.table_name,
            CASE WHEN $3::pg_lsn IS NULL THEN min(e.lsn) - 1 ELSE $3::pg_lsn END::text AS as_of,
            array_agg(DISTINCT e.leaf_id::text) AS leaf_ids, p.columns::text, p.excluded_columns, ARRAY(
              SELECT f.facts ->> 'name' FROM jsonb_array_elements(t.catalog_facts -> 'columns') AS f (facts)
               WHERE f.facts ->> 'generated' <> '') AS generated, EXISTS (
              SELECT FROM pgtimewarp.relation_events AS o
               WHERE o.relation_id = e.relation_id AND o.op = 'T' AND o.lsn < min(e.lsn)) AS was_emptied
       FROM pgtimewarp.relation_periods AS p
       JOIN pgtimewarp.tracked_relations AS t ON t.relation_id = p.relation_id
       JOIN pgtimewarp.wal_checkpoints AS c ON c.node_id = p.node_id AND c.lsn_space = p.lsn_space
       JOIN pgtimewarp.relation_events AS e ON e.relation_id = p.relation_id AND e.op = 'T'
      WHERE p.node_id = $1 AND p.tracked_to_lsn IS NULL AND e.lsn <= $6::pg_lsn AND p.lsn_space = coalesce($7::int, p.lsn_space)
        AND CASE WHEN $3::pg_lsn IS NULL THEN e.lsn = ANY ($2::pg_lsn[])
                 ELSE p.schema_name = $4 AND p.table_name = $5 AND e.lsn > $3::pg_lsn AND p.tracked_from_lsn <= $3::pg_lsn END
      GROUP BY e.relation_id, p.schema_name, p.table_name, p.columns, p.excluded_columns, t.catalog_facts
     HAVING $3::pg_lsn IS NOT NULL OR min(e.lsn) = max(e.lsn)`,
    by.kind === 'transactions'
      ? [node, lsns, null, null, null, untilLsn, undone[0]?.lsnSpace]
      : [node, lsns, by.fromLsn, by.table.schema, by.table.name, untilLsn, null],
  );
  return rows.map((row) => ({
    relationId: row.relation_id,
    schema: row.schema_name,
    name: row.table_name,
    asOfLsn: row.as_of,
    leafIds: row.leaf_ids.includes(null) ? null : (row.leaf_ids as string[]),
    columns: JSON.parse(row.columns) as StoredColumn[], // names, OIDs and positions only
    excluded: row.excluded_columns,
    generated: row.generated,
    wasEmptied: row.was_emptied,
  }));
}

/** Whether an older one of the transactions wrote to the table: then its rows are not to be as they were right before the TRUNCATE. */
function hasOtherChanges(by: RemovedBy, { schema, name }: TableName, asOfLsn: string): boolean {
  if (by.kind === 'since') return false;
  return by.transactions.some(({ lsn, tablesText }) => {
    const tables = JSON.parse(tablesText) as { readonly schema: string; readonly table: string }[];
    return (
      parseLsn(lsn) <= parseLsn(asOfLsn) &&
      tables.some((each) => each.schema === schema && each.table === name)
    );
  });
}

/** The last position at which a column got its name or type: rows that were written later have every column as it is now. */
function lastChange(columns: readonly StoredColumn[]): Lsn {
  const positions = columns.flatMap(({ since_lsn, typed_since_lsn, former_names = [] }) => [
    since_lsn,
    typed_since_lsn ?? since_lsn,
    ...former_names.map(({ until_lsn }) => until_lsn),
  ]);
  return positions.map((text) => tryParseLsn(text) ?? LSN_ZERO).reduce(maxLsn, LSN_ZERO);
}

interface Counted {
  readonly count: string;
  readonly oldest: string | null;
  /** Every row has all its values, and the log had decided it by then. */
  readonly is_simple: boolean;
  readonly names: readonly string[];
}

/** @param generated columns that the source computes: their values need not be known */
async function countRows(store: Queryable, rows: RowsAt, generated: readonly string[]): Promise<Counted> {
  const found = await inIndexOrder(store, () =>
    store.query<Counted>(
      `SELECT count(*)::text AS count, min(d.valid_from_lsn)::text AS oldest,
              coalesce(bool_and((d.incomplete IS NULL OR d.incomplete <@ $1::text[]) AND d.json_nulls IS NULL AND d.nulls_assumed IS NOT TRUE AND d.row_data IS NOT NULL
                                AND (d.op <> 'S' OR d.read_lsn <= ${literal(rows.asOfLsn)}::pg_lsn)), false) AS is_simple,
              ARRAY(SELECT json_object_keys(o.row_data) FROM (SELECT d.row_data FROM ${removedSql(rows)} AS d LIMIT 1) AS o) AS names
         FROM ${removedSql(rows)} AS d`,
      [generated],
    ),
  );
  return found.rows[0]!;
}

/** Begins a transaction in which the rows are read by index. Otherwise the planner sorts the whole table. */
export const IN_INDEX_ORDER =
  'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off';

async function inIndexOrder<T>(store: Queryable, work: () => Promise<T>): Promise<T> {
  await store.query(IN_INDEX_ORDER);
  try {
    return await work();
  } finally {
    await store.query('ROLLBACK').catch(() => {});
  }
}

/** A subquery: the versions of the rows. It has no parameters, because COPY takes none. */
export function removedSql({ relationId, asOfLsn, untilLsn, leafIds, wasEmptied }: RowsAt): string {
  const relation = `${literal(relationId)}::int`;
  const [asOf, until] = [asOfLsn, untilLsn].map((lsn) => `${literal(lsn)}::pg_lsn`);
  const stillThere = wasEmptied
    ? ` AND NOT EXISTS (
           SELECT FROM pgtimewarp.truncates_after(${relation}, v.valid_from_lsn, v.seq, v.op, v.leaf_id) AS e WHERE e.lsn <= ${asOf})`
    : '';
  const ofLeaf = leafIds === null ? '' : ` AND v.leaf_id IN (${leafIds.map(literal).join(', ')})`;
  return `(
  SELECT v.*
    FROM (SELECT DISTINCT ON (c.pk) c.*
            FROM pgtimewarp.row_changes AS c
           WHERE c.relation_id = ${relation} AND c.valid_from_lsn <= ${until}
           ORDER BY c.pk DESC, c.valid_from_lsn DESC, c.seq DESC) AS v
   WHERE v.valid_from_lsn <= ${asOf} AND v.op <> 'D'${ofLeaf}${stillThere})`;
}

/** COPY of the rows as JSON, one a line. */
export const removedJsonSql = (rows: RemovedRows): string =>
  `COPY (SELECT d.row_data FROM ${removedSql(rows)} AS d) TO STDOUT`;

export interface BulkVersion {
  /** JSON text, for people. */
  readonly key: string;
  /** The row that was put back. */
  readonly target: string;
  /** The row that the commit left; null: none. */
  readonly found: string | null;
  readonly incomplete: readonly string[] | null;
}

const FETCHED_ROWS = 5_000;

/** Those rows whose text in a commit is not the one that was put back. */
export async function* bulkVersions(
  store: Queryable,
  rows: RemovedRows,
  lsn: string,
): AsyncGenerator<BulkVersion> {
  await store.query(IN_INDEX_ORDER);
  try {
    await store.query(
      `DECLARE restored NO SCROLL CURSOR FOR
       SELECT pgtimewarp.json_key(p.pk_columns, d.pk)::text AS key, d.row_data::text AS target, n.row_data::text AS found, n.incomplete
         FROM ${removedSql(rows)} AS d
         JOIN pgtimewarp.relation_periods AS p ON p.relation_id = d.relation_id
         LEFT JOIN LATERAL (
              SELECT c.row_data, c.incomplete FROM pgtimewarp.row_changes AS c
               WHERE c.relation_id = ${literal(rows.relationId)}::int AND c.pk = d.pk AND c.valid_from_lsn = ${literal(lsn)}::pg_lsn
               ORDER BY c.seq DESC LIMIT 1) AS n ON true
        WHERE n.row_data::text IS DISTINCT FROM d.row_data::text`,
    );
    for (;;) {
      const { rows: found } = await store.query<BulkVersion>(`FETCH ${FETCHED_ROWS} FROM restored`);
      yield* found;
      if (found.length === 0) return;
    }
  } finally {
    await store.query('ROLLBACK').catch(() => {});
  }
}

/** Keys among the rows that have later versions by now. @param limit the most that are returned */
export async function touchedSince(store: Queryable, rows: RemovedRows, limit: number): Promise<string[]> {
  const { rows: found } = await store.query<{ pk: string }>(
    `SELECT DISTINCT n.pk
       FROM pgtimewarp.row_changes AS n
      WHERE n.relation_id = $1::int AND n.valid_from_lsn > $2::pg_lsn
        AND EXISTS (SELECT FROM pgtimewarp.row_changes AS c
                     WHERE c.relation_id = $1::int AND c.pk = n.pk AND c.valid_from_lsn <= $3::pg_lsn)
        AND NOT EXISTS (SELECT FROM pgtimewarp.row_changes AS c
                         WHERE c.relation_id = $1::int AND c.pk = n.pk AND c.valid_from_lsn > $3::pg_lsn AND c.valid_from_lsn <= $2::pg_lsn)
      ORDER BY n.pk LIMIT $4::int`,
    [rows.relationId, rows.untilLsn, rows.asOfLsn, limit],
  );
  return found.map(({ pk }) => pk);
}
