/** What a repair compares the table with, and its findings: the rows that differ from the history. */
import type { Queryable } from '../../pg/connection.ts';
import type { StoreTransaction } from '../../pg/transaction.ts';
import { formatLsn, type Lsn } from '../../types/lsn.ts';

/** A row that differs from the history. Without `rowData`: a row that only the history has. */
export interface Finding {
  readonly key: string;
  readonly leafId: number | null;
  readonly rowData: string | null;
  readonly jsonNulls: readonly string[] | null;
}

export async function writeFindings(
  store: StoreTransaction,
  relationId: number,
  findings: readonly Finding[],
): Promise<void> {
  if (findings.length === 0) return;
  await store.query(
    `INSERT INTO pgtimewarp.rebaseline_findings (relation_id, pk, leaf_id, row_data, json_nulls)
     SELECT $1::int, f.pk, f.leaf_id, f.row_data::json, f.json_nulls::text[]
       FROM unnest($2::text[], $3::int[], $4::text[], $5::text[]) AS f (pk, leaf_id, row_data, json_nulls)
     ON CONFLICT ON CONSTRAINT rebaseline_findings_pkey -- deleted after it was read: the log has that delete, so finishRepairStep() drops both findings
        DO UPDATE SET row_data = excluded.row_data, json_nulls = excluded.json_nulls, leaf_id = excluded.leaf_id`,
    [
      relationId,
      findings.map((finding) => finding.key),
      findings.map((finding) => finding.leafId),
      findings.map((finding) => finding.rowData),
      findings.map((finding) => arrayText(finding.jsonNulls)),
    ],
  );
}

/** The row that the history has under a key at one position; `rowData` is null when it has none. */
export interface KnownRow {
  readonly key: string;
  readonly leafId: number | null;
  readonly rowData: string | null;
  readonly incomplete: readonly string[] | null;
  readonly jsonNulls: readonly string[] | null;
}

interface KnownRowText {
  readonly pk: string;
  readonly leaf_id: number | null;
  readonly row_data: string | null;
  readonly incomplete: string[] | null;
  readonly json_nulls: string[] | null;
}

/** A relation's history at one position. */
export interface HistoryAt {
  readonly relationId: number;
  readonly position: Lsn;
}

/** The rows that the history has under the keys; keys without a row are left out. */
export async function readKnownRows(
  store: Queryable,
  { relationId, position }: HistoryAt,
  keys: readonly string[],
): Promise<Map<string, KnownRow>> {
  const { rows } = await store.query<KnownRowText>(
    // a row that only the log can show counts as known: the log has a later change of it, so its finding is dropped
    `SELECT r.pk, r.leaf_id, r.row_data, r.incomplete, r.json_nulls
       FROM pgtimewarp.rows_at($1::int, $2::pg_lsn, p_keys => $3::text[]) AS r
      WHERE r.is_there IS NOT FALSE`,
    [relationId, formatLsn(position), keys],
  );
  return new Map(rows.map((row) => [row.pk, toKnownRow(row)]));
}

/**
 * The next keys that the history has ever had, in their order, with the row at the position (null where it has none).
 * @returns an empty list after the last key
 */
export async function readKnownKeys(
  store: Queryable,
  { relationId, position }: HistoryAt,
  { after, limit }: { readonly after: string | null; readonly limit: number },
): Promise<KnownRow[]> {
  const { rows } = await store.query<KnownRowText>(
    `SELECT r.pk, r.leaf_id, NULL::text[] AS incomplete, NULL::text[] AS json_nulls,
            CASE WHEN r.is_there IS NOT FALSE THEN '{}' END AS row_data
       FROM pgtimewarp.rows_at($1::int, $2::pg_lsn, p_after => $3::text, p_limit => $4::int) AS r
      ORDER BY r.pk`,
    [relationId, formatLsn(position), after, limit],
  );
  return rows.map(toKnownRow);
}

function toKnownRow(row: KnownRowText): KnownRow {
  return {
    key: row.pk,
    leafId: row.leaf_id,
    rowData: row.row_data,
    incomplete: row.incomplete,
    jsonNulls: row.json_nulls,
  };
}

/** A one-dimensional array as text, because PostgreSQL has no array of arrays of different lengths. */
function arrayText(values: readonly string[] | null): string | null {
  return values === null
    ? null
    : `{${values.map((value) => `"${value.replace(/[\\"]/g, '\\$&')}"`).join(',')}}`;
}
