/** Partitions of tracked roots. A leaf is a table, not a name: renamed it keeps its id, made anew it gets another. */

import type { Queryable } from '../../pg/connection.ts';
import type { TableName } from '../../pg/identifiers.ts';
import type { StoreTransaction } from '../../pg/transaction.ts';
import { formatCommitTime } from '../../types/commit-time.ts';
import { formatLsn, type Lsn } from '../../types/lsn.ts';
import type { Horizon } from '../node/claim.ts';

export interface StoredLeaf {
  readonly leafId: number;
  readonly relationId: number;
  readonly relid: number;
  readonly attached: boolean;
  /** Its rows are all known to be in the log, or their gap is recorded. */
  readonly checked: boolean;
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
  store: StoreTransaction,
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
                      seen_after_ts = CASE WHEN l.attached THEN l.seen_after_ts ELSE excluded.seen_after_ts END,
                      first_change_lsn = CASE WHEN l.attached THEN l.first_change_lsn END,
                      changed_unheard = l.attached AND l.changed_unheard,
                      attached_at = CASE WHEN l.attached THEN l.attached_at ELSE '{}' END,
                      judged_upto = CASE WHEN l.attached THEN l.judged_upto END`,
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
    checked: boolean;
  }>(
    `SELECT leaf_id, relation_id, relid, attached, checked FROM pgtimewarp.relation_leaves
      WHERE relation_id = ANY ($1::int[]) AND relid IS NOT NULL`,
    [relationIds],
  );
  return rows.map((row) => ({
    leafId: row.leaf_id,
    relationId: row.relation_id,
    relid: row.relid,
    attached: row.attached,
    checked: row.checked,
  }));
}

/** What a batch of transactions tells of a leaf that has not been judged. */
export interface NewsOfLeaf {
  readonly relationId: number;
  readonly leafId: number;
  /** The first change of it; null: there was none. */
  readonly firstChange: Lsn | null;
  /** Keys of its rows that were updated or deleted. */
  readonly changedKeys: ReadonlySet<string>;
  /** By transaction that attached it, as {@link AttachPosition}. */
  readonly attachedAt: ReadonlyMap<string, AttachPosition>;
}

/**
 * Where a leaf was attached: the commit of the transaction, or, since commits do not tell of subtransactions, one that it is
 * not later than (`exactly` is false): the last of those that began before.
 */
export interface AttachPosition {
  readonly lsn: Lsn;
  readonly exactly: boolean;
}

/** Whether the log tells how the row with the key `k.pk` came into the leaf `l`. */
const CAME_UNHEARD = `coalesce((
  SELECT c.op
    FROM pgtimewarp.row_changes AS c
   WHERE c.relation_id = $1::int AND c.pk = k.pk AND c.leaf_id = l.leaf_id AND c.xid IS NOT NULL
     AND c.valid_from_lsn > l.seen_after_lsn
   ORDER BY c.valid_from_lsn, c.seq
   LIMIT 1), '-') <> 'I'`;

/** Notes what is told of a leaf that has not been judged, in the transaction that has written its changes. */
export async function noteNewsOfLeaf(store: StoreTransaction, news: NewsOfLeaf): Promise<void> {
  const attachedAt = [...news.attachedAt].map(([xid, { lsn, exactly }]) => ({
    ...{ xid, lsn: formatLsn(lsn), exactly },
  }));
  await store.query(
    `UPDATE pgtimewarp.relation_leaves AS l
        SET first_change_lsn = coalesce(l.first_change_lsn, $3::pg_lsn),
            changed_unheard = l.changed_unheard OR EXISTS (SELECT FROM unnest($4::text[]) AS k (pk) WHERE ${CAME_UNHEARD}),
            attached_at = l.attached_at || coalesce((
              SELECT jsonb_object_agg(a ->> 'xid', a - 'xid')
                FROM jsonb_array_elements($5::jsonb) AS a
               WHERE (l.attached_at -> (a ->> 'xid') -> 'exactly') IS DISTINCT FROM 'true'), '{}')
      WHERE l.relation_id = $1::int AND l.leaf_id = $2::int`,
    [
      news.relationId,
      news.leafId,
      news.firstChange === null ? null : formatLsn(news.firstChange),
      [...news.changedKeys],
      JSON.stringify(attachedAt),
    ],
  );
}

/** What the source says of a leaf that has not been judged. */
export interface LeafToJudge {
  readonly relid: number;
  /**
   * The transactions that attached it, or a table above it, where the log may tell what happened before: wal2json knows tables
   * by name.
   */
  readonly attachedBy: readonly string[];
  /** Keys of its rows. */
  readonly keys: readonly string[];
  /** It may hold rows that cannot be read. */
  readonly mayHoldRows: boolean;
  /** It was made as a partition, so that it was empty. */
  readonly isMadeAttached: boolean;
}

/**
 * Whether the leaf came with rows: the log does not tell how a row came into it, or told of rows before the leaf was
 * attached; or rows may have been there that were truncated since.
 * @returns the horizon when it was first seen if it came with rows
 */
export async function cameWithRows(
  store: Queryable,
  relationId: number,
  leaf: LeafToJudge,
): Promise<{ readonly lsn: string; readonly ts: string } | null> {
  const { rows } = await store.query<{ lsn: string; ts: string }>(
    `SELECT l.seen_after_lsn AS lsn, l.seen_after_ts AS ts
       FROM pgtimewarp.relation_leaves AS l
      CROSS JOIN LATERAL (
             SELECT max((l.attached_at -> a.xid ->> 'lsn')::pg_lsn) AS lsn FROM unnest($4::text[]) AS a (xid)) AS attached
      WHERE l.relation_id = $1::int AND l.relid = $2::oid
        AND ($5::boolean OR l.changed_unheard OR l.first_change_lsn < attached.lsn
             OR EXISTS (SELECT FROM unnest($3::text[]) AS k (pk) WHERE ${CAME_UNHEARD})
             OR NOT $6::boolean AND EXISTS (
                  SELECT FROM pgtimewarp.relation_events AS e
                   WHERE e.relation_id = $1::int AND e.leaf_id = l.leaf_id AND e.op = 'T'
                     AND e.lsn > greatest(l.seen_after_lsn, attached.lsn)))`,
    [relationId, leaf.relid, leaf.keys, leaf.attachedBy, leaf.mayHoldRows, leaf.isMadeAttached],
  );
  return rows[0] ?? null;
}

/** Notes that all rows of the leaf have been judged, or that its gap is recorded. */
export async function markLeafChecked(
  store: StoreTransaction,
  relationId: number,
  relid: number,
): Promise<void> {
  await store.query(
    'UPDATE pgtimewarp.relation_leaves SET checked = true WHERE relation_id = $1::int AND relid = $2::oid',
    [relationId, relid],
  );
}

/** Notes up to which key the rows of the leaf have been judged: the next run goes on there. */
export async function markLeafJudged(
  store: StoreTransaction,
  relationId: number,
  relid: number,
  upto: readonly string[] | null,
): Promise<void> {
  await store.query(
    'UPDATE pgtimewarp.relation_leaves SET judged_upto = $3::text[] WHERE relation_id = $1::int AND relid = $2::oid',
    [relationId, relid, upto],
  );
}
