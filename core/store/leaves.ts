/** Partitions of tracked roots. A leaf is a table, not a name: renamed it keeps its id, made anew it gets another. */
import type { Queryable } from '../pg/connection.ts';
import type { TableName } from '../pg/identifiers.ts';
import { formatCommitTime } from '../types/commit-time.ts';
import { formatLsn } from '../types/lsn.ts';
import type { Horizon } from './claim.ts';

export interface StoredLeaf {
  readonly leafId: number;
  readonly relationId: number;
  readonly relid: number;
  readonly attached: boolean;
}

export interface LeafNow {
  readonly name: TableName;
  readonly relid: number;
  /** It was there when tracking began, so that its rows are part of the baseline. */
  readonly fromTheStart: boolean;
}

/**
 * Makes these the attached leaves of the relation. A new one gets an id; one that was gone and is back is new again: what
 * it comes with is to be judged, from the horizon on. Call it where the facts are written that name them.
 */
export async function writeLeaves(
  store: Queryable,
  relationId: number,
  horizon: Horizon,
  leaves: readonly LeafNow[],
): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.relation_leaves SET attached = false
      WHERE relation_id = $1::int AND attached AND relid <> ALL ($2::oid[])`,
    [relationId, leaves.map((leaf) => leaf.relid)],
  );
  if (leaves.length === 0) return;
  await store.query(
    `INSERT INTO pgtimewarp.relation_leaves AS l (relation_id, schema_name, table_name, relid, checked, seen_after_lsn, seen_after_ts)
     SELECT $1::int, schema_name, table_name, relid, checked, $6::pg_lsn, $7::timestamptz
       FROM unnest($2::text[], $3::text[], $4::oid[], $5::boolean[]) AS n (schema_name, table_name, relid, checked)
     ON CONFLICT ON CONSTRAINT relation_leaves_by_oid -- known already: only its name may be another, unless it is back
        DO UPDATE SET schema_name = excluded.schema_name, table_name = excluded.table_name, attached = true,
                      checked = CASE WHEN l.attached THEN l.checked ELSE excluded.checked END,
                      seen_after_lsn = CASE WHEN l.attached THEN l.seen_after_lsn ELSE excluded.seen_after_lsn END,
                      seen_after_ts = CASE WHEN l.attached THEN l.seen_after_ts ELSE excluded.seen_after_ts END`,
    [
      relationId,
      leaves.map((leaf) => leaf.name.schema),
      leaves.map((leaf) => leaf.name.name),
      leaves.map((leaf) => leaf.relid),
      leaves.map((leaf) => leaf.fromTheStart),
      formatLsn(horizon.lsn),
      formatCommitTime(horizon.time),
    ],
  );
}

/** All leaves that the relations ever had. */
export async function readLeaves(store: Queryable, relationIds: readonly number[]): Promise<StoredLeaf[]> {
  const { rows } = await store.query<{
    leaf_id: number;
    relation_id: number;
    relid: number;
    attached: boolean;
  }>(
    `SELECT leaf_id, relation_id, relid, attached FROM pgtimewarp.relation_leaves
      WHERE relation_id = ANY ($1::int[]) AND relid IS NOT NULL`,
    [relationIds],
  );
  return rows.map((row) => ({
    leafId: row.leaf_id,
    relationId: row.relation_id,
    relid: row.relid,
    attached: row.attached,
  }));
}

/** Notes that the leaf is known not to have come with rows, or that its gap is recorded. */
export async function markLeafChecked(store: Queryable, relationId: number, relid: number): Promise<void> {
  await store.query(
    'UPDATE pgtimewarp.relation_leaves SET checked = true WHERE relation_id = $1::int AND relid = $2::oid',
    [relationId, relid],
  );
}

/**
 * Whether the leaf came with rows: the log does not tell how one of the keys came into it, or told of it before the leaf was
 * attached (wal2json knows tables by name, and so gives what happened to the table before it was a partition).
 * @param attachedBy the transactions that attached it; transaction ids go round (PostgreSQL manual, "Transaction IDs")
 * @returns the horizon when it was first seen if it came with rows
 */
export async function firstSeenWithRows(
  store: Queryable,
  relationId: number,
  leaf: {
    readonly relid: number;
    readonly attachedBy: readonly string[];
    readonly keys: readonly string[];
    readonly hasOlderRows: boolean;
  },
): Promise<{ readonly lsn: string; readonly ts: string } | null> {
  const { rows } = await store.query<{ lsn: string; ts: string }>(
    `SELECT l.seen_after_lsn AS lsn, l.seen_after_ts AS ts
       FROM pgtimewarp.relation_leaves AS l
      WHERE l.relation_id = $1::int AND l.relid = $2::oid
        AND ($5::boolean OR EXISTS (
              SELECT FROM unnest($3::text[]) AS k (pk)
               WHERE coalesce((
                       SELECT c.op
                         FROM pgtimewarp.row_changes AS c
                        WHERE c.relation_id = $1::int AND c.pk = k.pk AND c.leaf_id = l.leaf_id AND c.xid IS NOT NULL
                          AND c.valid_from_lsn > l.seen_after_lsn
                        ORDER BY c.valid_from_lsn, c.seq
                        LIMIT 1), '-') <> 'I'
                  OR EXISTS (
                       SELECT FROM pgtimewarp.row_changes AS c
                        WHERE c.relation_id = $1::int AND c.pk = k.pk AND c.leaf_id = l.leaf_id
                          AND c.valid_from_lsn > l.seen_after_lsn
                          AND EXISTS (SELECT FROM unnest($4::bigint[]) AS a (xid)
                                       WHERE (c.xid - a.xid + 4294967296) % 4294967296 > 2147483648))))`,
    [relationId, leaf.relid, leaf.keys, leaf.attachedBy, leaf.hasOlderRows],
  );
  return rows[0] ?? null;
}
