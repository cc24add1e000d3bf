/**
 * The statements of retention, one function each. The functions in migrations/functions/retention change the tables. They run
 * with the rights of the store's owner, because the role that writes history owns no table.
 */

import { TimewarpError } from '../errors/timewarp-error.ts';
import type { Queryable } from '../pg/connection.ts';
import { sqlState } from '../pg/database-error.ts';
import type { TableName } from '../pg/identifiers.ts';
import type { StoreTransaction } from '../pg/transaction.ts';
import { writeRetention } from '../store/tables/retention-window.ts';
import { formatLsn, type Lsn } from '../types/lsn.ts';

/** A longer window could begin before the earliest time of PostgreSQL (its manual, "Date/Time Types"). */
const LONGEST = `interval '1000 years'`;

/** Throws BAD_FLAGS unless the text is an interval between 0 and 1000 years. */
export async function requireWindow(store: Queryable, retention: string | null): Promise<void> {
  if (retention === null) return;
  const refuse = (why: string, cause?: unknown): TimewarpError =>
    new TimewarpError('BAD_FLAGS', `A retention of ${retention} ${why}.`, {
      remedy: 'Write it as 30d, 12h or 90m.',
      cause,
    });
  let fits: boolean;
  try {
    const { rows } = await store.query<{ fits: boolean }>(
      `SELECT $1::interval > interval '0' AND $1::interval <= ${LONGEST} AS fits`,
      [retention],
    );
    fits = rows[0]!.fits;
  } catch (error) {
    throw sqlState(error)?.startsWith('22') === true ? refuse('is no duration', error) : error;
  }
  if (!fits) throw refuse('is not between nothing and 1000 years');
}

/** Copies the windows of tracked tables to their relations. @returns the relations of which history is dropped, earlier periods included */
export async function syncRetention(store: Queryable, nodeId: string): Promise<number[]> {
  await store.query(
    `INSERT INTO pgtimewarp.relation_retention AS x (relation_id, retention)
     SELECT r.relation_id, w.retention FROM pgtimewarp.tracked_relations AS r
       LEFT JOIN pgtimewarp.relation_retention AS known ON known.relation_id = r.relation_id
      CROSS JOIN LATERAL ( -- an old store may hold a window from before this limit
              SELECT CASE WHEN r.retention > ${LONGEST} THEN ${LONGEST} ELSE r.retention END AS retention) AS w
      WHERE r.node_id = $1::text AND w.retention IS DISTINCT FROM known.retention
     ON CONFLICT ON CONSTRAINT relation_retention_pkey DO UPDATE SET retention = excluded.retention -- changed since`,
    [nodeId],
  );
  await store.query(
    // a past period may hold a window from before this limit
    `UPDATE pgtimewarp.relation_retention SET retention = ${LONGEST} WHERE retention > ${LONGEST}`,
  );
  const { rows } = await store.query<{ relation_id: number }>(
    `SELECT x.relation_id
       FROM pgtimewarp.relation_retention AS x JOIN pgtimewarp.relation_periods AS p ON p.relation_id = x.relation_id
      WHERE p.node_id = $1::text AND x.retention IS NOT NULL AND NOT x.is_dropped
      UNION
     SELECT r.relation_id
       FROM pgtimewarp.archive_settings AS s
       JOIN pgtimewarp.tracked_relations AS r
         ON r.node_id = s.node_id AND r.schema_name = s.schema_name AND r.table_name = s.table_name
       LEFT JOIN pgtimewarp.relation_retention AS x ON x.relation_id = r.relation_id
      WHERE s.node_id = $1::text AND s.is_on AND s.drops AND x.is_dropped IS NOT TRUE
      ORDER BY relation_id`,
    [nodeId],
  );
  return rows.map((row) => row.relation_id);
}

/** The relations of a node whose history is being copied to the archive: what a copy is compared with must stay. */
export async function relationsBeingArchived(store: Queryable, nodeId: string): Promise<Set<number>> {
  const { rows } = await store.query<{ relation_id: number }>(
    `SELECT DISTINCT u.relation_id
       FROM pgtimewarp.archive_units AS u JOIN pgtimewarp.relation_periods AS p ON p.relation_id = u.relation_id
      WHERE p.node_id = $1::text AND u.state <> 'verified'`,
    [nodeId],
  );
  return new Set(rows.map((row) => row.relation_id));
}

export interface RangeAction {
  readonly action: 'convert' | 'split';
  readonly table: string;
  readonly at: string;
  readonly openedTs: string | null;
}

/** The relations that need a new range before positions up to `upto` are written. */
export async function relationsToPrepare(
  store: Queryable,
  relationIds: readonly number[],
  upto: Lsn,
): Promise<Set<number>> {
  const { rows } = await store.query<{ relation_id: number }>(
    `SELECT r.relation_id FROM unnest($1::int[]) AS r (relation_id)
      CROSS JOIN LATERAL pgtimewarp.retention_next(r.relation_id, $2::pg_lsn)`,
    [relationIds, formatLsn(upto)],
  );
  return new Set(rows.map((row) => row.relation_id));
}

/** The relations that may have something to drop: a superset, found without locks. */
export async function relationsToExpire(
  store: Queryable,
  relationIds: readonly number[],
): Promise<Set<number>> {
  const { rows } = await store.query<{ relation_id: number }>(
    `SELECT p.relation_id
       FROM pgtimewarp.relation_periods AS p
       LEFT JOIN pgtimewarp.relation_retention AS x ON x.relation_id = p.relation_id
       LEFT JOIN pgtimewarp.archive_cutoffs AS a ON a.relation_id = p.relation_id
      WHERE p.relation_id = ANY ($1::int[])
        AND (x.expired_before_ts > p.tracked_to_ts
             OR EXISTS (SELECT FROM pgtimewarp.relation_ranges AS g
                         WHERE g.relation_id = p.relation_id
                           AND (g.state <> 'attached'
                                OR NOT g.is_base AND g.to_lsn <= greatest(x.expired_before_lsn + 1, a.upto_lsn))))`,
    [relationIds],
  );
  return new Set(rows.map((row) => row.relation_id));
}

/** The next change of a relation's ranges before positions up to `upto` are written; null: none. */
export async function nextRangeAction(
  store: Queryable,
  relationId: number,
  upto: Lsn,
): Promise<RangeAction | null> {
  const { rows } = await store.query<{
    action: 'convert' | 'split';
    table_name: string;
    at: string;
    opened_ts: string | null;
  }>('SELECT action, table_name, at, opened_ts FROM pgtimewarp.retention_next($1::int, $2::pg_lsn)', [
    relationId,
    formatLsn(upto),
  ]);
  const row = rows[0];
  return row === undefined
    ? null
    : { action: row.action, table: row.table_name, at: row.at, openedTs: row.opened_ts };
}

/** Makes the change that {@link nextRangeAction} has returned. */
export async function changeRanges(
  store: StoreTransaction,
  relationId: number,
  next: RangeAction,
): Promise<void> {
  if (next.action === 'convert') {
    await store.query('SELECT pgtimewarp.retention_convert($1::int)', [relationId]);
    return;
  }
  await store.query('SELECT pgtimewarp.retention_split($1::int, $2::text, $3::pg_lsn[], $4::timestamptz)', [
    relationId,
    next.table,
    next.at,
    next.openedTs,
  ]);
}

/** Adds a CHECK constraint: the range holds no row at or past the position of a split. The split then needs no scan. */
export async function addRangeCheck(
  store: StoreTransaction,
  relationId: number,
  next: RangeAction,
): Promise<void> {
  await store.query('SELECT pgtimewarp.retention_check($1::int, $2::text, ($3::pg_lsn[])[1])', [
    relationId,
    next.table,
    next.at,
  ]);
}

/** Lets the server validate the constraint. Readers and writers continue meanwhile. */
export async function validateRangeCheck(store: Queryable, relationId: number, table: string): Promise<void> {
  await store.query('SELECT pgtimewarp.retention_validate($1::int, $2::text)', [relationId, table]);
}

/** Whether a range of the node has such a constraint: it refuses rows that a run is about to write. */
export async function hasRangeChecks(store: Queryable, nodeId: string): Promise<boolean> {
  const { rows } = await store.query(
    `SELECT FROM pgtimewarp.relation_periods AS p
       JOIN pgtimewarp.relation_ranges AS g ON g.relation_id = p.relation_id
       JOIN pg_catalog.pg_constraint AS k
         ON k.conrelid = to_regclass(format('pgtimewarp.%I', g.table_name)) AND k.conname = 'pgtimewarp_closing'
      WHERE p.node_id = $1::text LIMIT 1`,
    [nodeId],
  );
  return rows.length > 0;
}

/** Drops these constraints. */
export async function dropRangeChecks(store: StoreTransaction, nodeId: string): Promise<void> {
  await store.query('SELECT pgtimewarp.retention_repair($1::text)', [nodeId]);
}

/** Moves the cutoffs of the relations: those of retention, and those of the archive. */
export async function advanceCutoffs(store: Queryable, relationIds: readonly number[]): Promise<void> {
  await store.query(
    'SELECT pgtimewarp.retention_advance(relation_id) FROM unnest($1::int[]) AS r (relation_id)',
    [relationIds],
  );
  await store.query(
    'SELECT pgtimewarp.archive_advance(relation_id) FROM unnest($1::int[]) AS r (relation_id)',
    [relationIds],
  );
}

/** Begins a new lowest range if one is due. @returns whether one is under construction */
export async function beginBase(store: StoreTransaction, relationId: number): Promise<boolean> {
  const { rows } = await store.query<{ due: boolean }>(
    'SELECT pgtimewarp.retention_begin_base($1::int) IS NOT NULL AS due',
    [relationId],
  );
  return rows[0]!.due;
}

/** Copies the next versions into the new lowest range. @returns whether these were the last ones */
export async function buildBase(
  store: StoreTransaction,
  relationId: number,
  rowCount: number,
): Promise<boolean> {
  const { rows } = await store.query<{ done: boolean }>(
    'SELECT pgtimewarp.retention_build($1::int, $2::int) AS done',
    [relationId, rowCount],
  );
  return rows[0]!.done;
}

/** Replaces the expired ranges. @returns how many were dropped; null: an older snapshot is still in use */
export async function exchangeBase(store: StoreTransaction, relationId: number): Promise<number | null> {
  const { rows } = await store.query<{ dropped: number | null }>(
    'SELECT pgtimewarp.retention_exchange($1::int) AS dropped',
    [relationId],
  );
  return rows[0]!.dropped;
}

/** Removes an ended period if all of it is before the window. @returns whether it did */
export async function dropExpiredPeriod(store: StoreTransaction, relationId: number): Promise<boolean> {
  const { rows } = await store.query<{ dropped: boolean }>(
    'SELECT pgtimewarp.retention_drop_period($1::int) AS dropped',
    [relationId],
  );
  return rows[0]!.dropped;
}

/** Deletes expired entries of the time map. @returns how many */
export async function cutTimeMap(store: Queryable, nodeId: string, rowCount: number): Promise<number> {
  const { rows } = await store.query<{ forgotten: number }>(
    'SELECT pgtimewarp.retention_cut_map($1::text, $2::int) AS forgotten',
    [nodeId, rowCount],
  );
  return rows[0]!.forgotten;
}

/** Deletes contexts of commits that no table keeps any more. @returns how many contexts it checked */
export async function cutContexts(store: Queryable, nodeId: string, rowCount: number): Promise<number> {
  const { rows } = await store.query<{ seen: number }>(
    'SELECT pgtimewarp.retention_cut_contexts($1::text, $2::int) AS seen',
    [nodeId, rowCount],
  );
  return rows[0]!.seen;
}

/** Sets the window of a table and all its periods; null keeps everything. @returns false: the table is unknown */
export async function setTableRetention(
  store: StoreTransaction,
  nodeId: string,
  { table, retention }: { readonly table: TableName; readonly retention: string | null },
): Promise<boolean> {
  const isKnown = await writeRetention(store, nodeId, { table, retention });
  await store.query(
    `INSERT INTO pgtimewarp.relation_retention (relation_id, retention)
     SELECT p.relation_id, $4::interval FROM pgtimewarp.past_relations AS p
      WHERE p.node_id = $1::text AND p.schema_name = $2::text AND p.table_name = $3::text
     ON CONFLICT ON CONSTRAINT relation_retention_pkey DO UPDATE SET retention = excluded.retention -- set before`,
    [nodeId, table.schema, table.name, retention],
  );
  return isKnown;
}

/** Locks the entry. @returns the window of a table, as text, if it differs from this one; null: it is the same, or the table is unknown */
export async function readOtherRetention(
  store: StoreTransaction,
  nodeId: string,
  { table, retention }: { readonly table: TableName; readonly retention: string },
): Promise<string | null> {
  const { rows } = await store.query<{ retention: string }>(
    `SELECT coalesce(retention::text, 'none') AS retention FROM pgtimewarp.tracked_relations
      WHERE node_id = $1::text AND schema_name = $2::text AND table_name = $3::text
        AND retention IS DISTINCT FROM $4::interval
        FOR UPDATE`,
    [nodeId, table.schema, table.name, retention],
  );
  return rows[0]?.retention ?? null;
}

/** Sets the window of a table to the default of the node. */
export async function setNodesRetention(
  store: StoreTransaction,
  nodeId: string,
  table: TableName,
): Promise<void> {
  const retention = await readDefaultRetention(store, nodeId);
  await setTableRetention(store, nodeId, { table, retention });
}

/** Sets the default of the node, for tables that are tracked later without a window of their own. */
export async function setDefaultRetention(
  store: Queryable,
  nodeId: string,
  retention: string | null,
): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.nodes
        SET meta = CASE WHEN $2::text IS NULL THEN meta - 'default_retention'
                        ELSE meta || jsonb_build_object('default_retention', $2::text) END
      WHERE node_id = $1::text`,
    [nodeId, retention],
  );
}

export async function readDefaultRetention(store: Queryable, nodeId: string): Promise<string | null> {
  const { rows } = await store.query<{ retention: string | null }>(
    `SELECT meta ->> 'default_retention' AS retention FROM pgtimewarp.nodes WHERE node_id = $1::text`,
    [nodeId],
  );
  return rows[0]?.retention ?? null;
}
