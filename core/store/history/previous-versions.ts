/** Reads the latest stored version of rows, from which unchanged TOASTed columns are filled. */
import type { Queryable } from '../../pg/connection.ts';
import { parseLsn } from '../../types/lsn.ts';
import { type PreviousVersion, versionKey } from '../../types/stored.ts';

/** The latest version of each key, by `versionKey`; one index read per key, all in one statement. */
export async function readPreviousVersions(
  store: Queryable,
  keys: readonly { readonly relationId: number; readonly key: string }[],
): Promise<Map<string, PreviousVersion>> {
  const found = new Map<string, PreviousVersion>();
  if (keys.length === 0) return found;
  const { rows } = await store.query<{
    relation_id: number;
    pk: string;
    valid_from_lsn: string;
    row_data: string | null;
    incomplete: string[] | null;
    json_nulls: string[] | null;
    read_lsn: string | null;
  }>(
    `SELECT k.relation_id, k.pk, c.valid_from_lsn, c.row_data, c.incomplete, c.json_nulls, c.read_lsn
       FROM unnest($1::int[], $2::text[]) AS k (relation_id, pk)
      CROSS JOIN LATERAL (
              SELECT r.valid_from_lsn, r.row_data, r.incomplete, r.json_nulls, r.read_lsn
                FROM pgtimewarp.row_changes AS r
               WHERE r.relation_id = k.relation_id AND r.pk = k.pk
                 AND r.relation_id = ANY ($3::int[]) -- lets the planner skip the partitions of other tables
               ORDER BY r.valid_from_lsn DESC, r.seq DESC
               LIMIT 1) AS c`,
    [
      keys.map((key) => key.relationId),
      keys.map((key) => key.key),
      [...new Set(keys.map((key) => key.relationId))],
    ],
  );
  for (const row of rows) {
    found.set(versionKey(row.relation_id, row.pk), {
      lsn: parseLsn(row.valid_from_lsn),
      rowData: row.row_data,
      incomplete: row.incomplete,
      jsonNulls: row.json_nulls,
      readLsn: row.read_lsn === null ? null : parseLsn(row.read_lsn),
    });
  }
  return found;
}
