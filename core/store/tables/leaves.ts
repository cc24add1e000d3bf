/** Leaves of tracked tables. An id belongs to a table, not to a name: a renamed leaf keeps its id, a recreated one gets a new id. */

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
  /** The log contains all its rows, or their gap is recorded. */
  readonly checked: boolean;
}

export interface LeafNow {
  readonly name: TableName;
  readonly relid: number;
  /** It was there when tracking began, so that its rows are part of the baseline. */
  readonly fromTheStart: boolean;
}

/**
 * Makes these the attached leaves of the relation. A new leaf gets an id. A leaf that was detached and is back counts as new:
 * the rows that it brings are judged from the horizon on. Call it in the transaction that writes the catalog naming them.
 */
export async function writeLeaves(
  store: StoreTransaction,
  {
    relationId,
    horizon,
    leaves,
  }: { readonly relationId: number; readonly horizon: Horizon; readonly leaves: readonly LeafNow[] },
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
     ON CONFLICT ON CONSTRAINT relation_leaves_by_oid -- a known leaf: its name may have changed, or it is attached again
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

/** What a batch of transactions contains about a leaf that is not judged yet. */
export interface NewsOfLeaf {
  readonly relationId: number;
  readonly leafId: number;
  /** The first change of its rows; null: there was none. */
  readonly firstChange: Lsn | null;
  /** Keys of its rows that were updated or deleted. */
  readonly changedKeys: ReadonlySet<string>;
  /** By transaction that attached it, as {@link AttachPosition}. */
  readonly attachedAt: ReadonlyMap<string, AttachPosition>;
}

/**
 * Where a leaf was attached. `exactly`: the commit of the attaching transaction. Otherwise a subtransaction attached it, and
 * commits do not name their subtransactions: then it is the last commit whose transaction began before it.
 */
export interface AttachPosition {
  readonly lsn: Lsn;
  readonly exactly: boolean;
}

/** Whether the log does not contain the INSERT of the row with the key `k.pk` into the leaf `l`. */
const CAME_UNHEARD = `coalesce((
  SELECT c.op
    FROM pgtimewarp.row_changes AS c
   WHERE c.relation_id = $1::int AND c.pk = k.pk AND c.leaf_id = l.leaf_id AND c.xid IS NOT NULL
     AND c.valid_from_lsn > l.seen_after_lsn
   ORDER BY c.valid_from_lsn, c.seq
   LIMIT 1), '-') <> 'I'`;

/** Notes what the log contains about a leaf that is not judged yet, in the transaction that writes its changes. */
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

/** What the source says about a leaf that is not judged yet. */
export interface LeafToJudge {
  readonly relid: number;
  /**
   * The transactions that attached it, or a table above it. Only for wal2json, which selects tables by name: its output may
   * contain changes from before the leaf was attached.
   */
  readonly attachedBy: readonly string[];
  /** Keys of its rows. */
  readonly keys: readonly string[];
  /** It may hold rows that the run could not read. */
  readonly mayHoldRows: boolean;
  /** It was created as a partition, so it was empty. */
  readonly isMadeAttached: boolean;
}

/**
 * Whether the leaf was attached with rows. It was if the log lacks the INSERT of one of its rows, or contains changes of it
 * from before it was attached. It may have been if rows of it were truncated since.
 * @returns the horizon at which it was first seen if it came with rows, else null
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

/** Notes up to which key the rows of the leaf are judged: the next run continues there. */
export async function markLeafJudged(
  store: StoreTransaction,
  relationId: number,
  { relid, upto }: { readonly relid: number; readonly upto: readonly string[] | null },
): Promise<void> {
  await store.query(
    'UPDATE pgtimewarp.relation_leaves SET judged_upto = $3::text[] WHERE relation_id = $1::int AND relid = $2::oid',
    [relationId, relid, upto],
  );
}
