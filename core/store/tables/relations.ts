/**
 * The tracked tables of a node as the store knows them: read at the start of a run, updated by the run.
 */

import type { Queryable } from '../../pg/connection.ts';
import type { TableName } from '../../pg/identifiers.ts';
import type { StoreTransaction } from '../../pg/transaction.ts';
import type { CatalogFacts } from '../../types/catalog-facts.ts';
import { type CommitTime, formatCommitTime, parseCommitTime } from '../../types/commit-time.ts';
import { formatLsn, type Lsn, parseLsn } from '../../types/lsn.ts';
import type { Locker } from '../../types/tracking.ts';

export type RelationStatus = 'starting' | 'active' | 'needs_rebaseline' | 'untracked';
export type BaselineState = 'none' | 'pending' | 'done';

/** A column as the catalog described it, and since when that description has held. */
export interface StoredColumn {
  readonly attnum: number;
  readonly name: string;
  readonly type_oid: number;
  readonly type_name: string;
  /** LSN text: an older version's value under this name may belong to another column. */
  readonly since_lsn: string;
  /** The names that the column itself had before, oldest first. */
  readonly former_names?: readonly FormerName[];
}

/** A name that a column had for changes after `since_lsn`, up to `until_lsn`. Both 0/0: nobody knows when. */
export interface FormerName {
  readonly name: string;
  readonly since_lsn: string;
  readonly until_lsn: string;
}

export interface StartConditions {
  /** Transactions that held a lock on the table when tracking was asked for; null: not looked at yet. */
  readonly lockers: readonly Locker[] | null;
  /** Tracking starts at the first horizon at or past this position; null while a locker is alive. */
  readonly start_after_lsn: string | null;
}

/** Where the reading of existing rows stands. */
export interface BaselineProgress {
  /** Key texts, in key order, of the last row read; null before the first. */
  readonly cursor: readonly string[] | null;
  readonly rows: number;
  readonly estimated_rows: number;
  readonly read_done: boolean;
  /** Why the rows could not be read in the last run. */
  readonly failure?: string;
  /** Canonical key of the last one that was decided; see `writeDeletionsOfGap`. */
  readonly decided_key?: string;
}

/** Where the repair of a relation stands: see core/run/rows/read-repairs.ts. */
export interface Repair {
  /** From here on everything is followed again; null while that waits for transactions under way. */
  readonly base_lsn: string | null;
  readonly base_ts: string | null;
  /** rows: the table is read | keys: rows that history has are looked for in the table | done | deciding: the gap ends at end_lsn */
  readonly phase: 'rows' | 'keys' | 'done' | 'deciding';
  /** Key texts of the last row read. */
  readonly cursor: readonly string[] | null;
  /** Canonical key of the last row looked for. */
  readonly key_cursor: string | null;
  readonly rows: number;
  readonly estimated_rows: number;
  readonly differences: number;
  /** Position after the last statement. */
  readonly read_lsn: string | null;
  readonly end_lsn?: string;
  readonly end_ts?: string;
  /** Why the table could not be read in the last run. */
  readonly failure?: string;
}

export interface TrackedRelation {
  readonly relationId: number;
  readonly name: TableName;
  readonly relid: number | null;
  readonly keyColumns: readonly string[];
  readonly keyKinds: readonly string[];
  readonly columns: readonly StoredColumn[];
  readonly persistence: string;
  readonly replicaIdentity: string;
  readonly isPartitioned: boolean;
  readonly trackedFrom: Lsn | null;
  /** The period before a gap of the node, which this one goes on with. */
  readonly followsRelationId: number | null;
  readonly baselineState: BaselineState;
  readonly baselineProgress: BaselineProgress;
  readonly baselineLsn: Lsn | null;
  readonly startConditions: StartConditions;
  readonly excludedColumns: readonly string[];
  /** Declared, and not refuted so far: its numeric and float columns never hold NaN or Infinity. */
  readonly noNan: boolean;
  /** As interval text; null keeps everything. */
  readonly retention: string | null;
  readonly status: RelationStatus;
  readonly statusReason: string | null;
  /** The catalog as of the last run; null before the first. */
  readonly catalogFacts: CatalogFacts | null;
  /** null unless a repair was asked for. */
  readonly repair: Repair | null;
  /** Leaves of which it is not known yet whether they came with rows. */
  readonly uncheckedLeaves: readonly UncheckedLeaf[];
}

export interface UncheckedLeaf {
  readonly relid: number;
  /** Source texts of the last key that was judged. */
  readonly judged_upto: readonly string[] | null;
}

const NO_PROGRESS: BaselineProgress = { cursor: null, rows: 0, estimated_rows: 0, read_done: false };
export const NOT_LOOKED_AT: StartConditions = { lockers: null, start_after_lsn: null };

/** The relations of a node that are not untracked, in order of their ids. */
export async function readTrackedRelations(store: Queryable, nodeId: string): Promise<TrackedRelation[]> {
  return selectRelations(store, nodeId, 'true');
}

/** Those of them whose existing rows are not all read and decided: next to none, however many are tracked. */
export async function readUnsettledRelations(store: Queryable, nodeId: string): Promise<TrackedRelation[]> {
  return selectRelations(store, nodeId, `(baseline_state = 'pending' OR repair IS NOT NULL)`);
}

async function selectRelations(
  store: Queryable,
  nodeId: string,
  condition: string,
): Promise<TrackedRelation[]> {
  const { rows } = await store.query<Record<string, unknown>>(
    `SELECT relation_id, schema_name, table_name, relid, pk_columns, pk_kinds, columns, persistence, replica_identity,
            is_partitioned, tracked_from_lsn, baseline_state, baseline_progress, baseline_lsn, start_conditions,
            excluded_columns, no_nan AND no_nan_refuted IS NULL AS no_nan, retention, status, status_reason, catalog_facts, repair, follows_relation_id,
            (SELECT coalesce(json_agg(json_build_object('relid', l.relid::int8, 'judged_upto', l.judged_upto)), '[]') FROM pgtimewarp.relation_leaves AS l
              WHERE l.relation_id = r.relation_id AND NOT l.checked)::text AS unchecked_leaves
       FROM pgtimewarp.tracked_relations AS r
      WHERE node_id = $1::text AND status <> 'untracked' AND ${condition}
      ORDER BY relation_id`,
    [nodeId],
  );
  return rows.map(toRelation);
}

/** The entry of the publication is another one since runs have replaced it. */
export async function writePublishedEntry(
  store: StoreTransaction,
  relationId: number,
  entry: number,
): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.tracked_relations
        SET catalog_facts = jsonb_set(catalog_facts, '{published,entry}', to_jsonb($2::int8)), updated_at = now()
      WHERE relation_id = $1::int`,
    [relationId, entry],
  );
}

/** The time of L0 of a started relation. */
export async function readTrackedFromTime(store: Queryable, relationId: number): Promise<CommitTime> {
  const { rows } = await store.query<{ tracked_from_ts: string }>(
    'SELECT tracked_from_ts FROM pgtimewarp.tracked_relations WHERE relation_id = $1::int',
    [relationId],
  );
  return parseCommitTime(rows[0]!.tracked_from_ts);
}

/** Stores what the run learnt of how starting relations wait. */
export async function writeStartConditions(
  store: Queryable,
  conditions: ReadonlyMap<number, StartConditions>,
): Promise<void> {
  if (conditions.size === 0) return;
  await store.query(
    `UPDATE pgtimewarp.tracked_relations AS r SET start_conditions = n.conditions::jsonb, updated_at = now()
       FROM unnest($1::int[], $2::text[]) AS n (relation_id, conditions)
      WHERE r.relation_id = n.relation_id`,
    [[...conditions.keys()], [...conditions.values()].map((each) => JSON.stringify(each))],
  );
}

/** Fixes L0 of starting relations whose conditions the horizon has passed. */
export async function startRelations(
  store: StoreTransaction,
  relationIds: readonly number[],
  horizon: { readonly lsn: Lsn; readonly time: CommitTime },
): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.tracked_relations
        SET status = 'active', tracked_from_lsn = $2::pg_lsn, tracked_from_ts = $3::timestamptz, updated_at = now()
      WHERE relation_id = ANY ($1::int[]) AND status = 'starting'`,
    [relationIds, formatLsn(horizon.lsn), formatCommitTime(horizon.time)],
  );
}

/**
 * Ends gaps that were open when an earlier tracking of the tables ended: from the new start on they are known again.
 *
 */
export async function endGapsOfPast(
  store: StoreTransaction,
  relationIds: readonly number[],
  horizon: { readonly lsn: Lsn; readonly time: CommitTime },
): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.history_gaps AS g
        SET to_lsn = CASE WHEN p.lsn_space = r.lsn_space THEN $2::pg_lsn END, to_ts = $3::timestamptz
       FROM pgtimewarp.past_relations AS p
       JOIN pgtimewarp.tracked_relations AS r
         ON (r.node_id, r.schema_name, r.table_name) = (p.node_id, p.schema_name, p.table_name)
      WHERE r.relation_id = ANY ($1::int[]) AND g.relation_id = p.relation_id AND g.to_ts IS NULL`,
    [relationIds, formatLsn(horizon.lsn), formatCommitTime(horizon.time)],
  );
}

/**
 * Decides baselines whose last read position the horizon has passed: from here on every key has an answer. A TRUNCATE that came while rows were being read leaves keys unknown that nobody saw.
 */
export async function resolveBaselines(
  store: StoreTransaction,
  relationIds: readonly number[],
): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.tracked_relations AS r
        SET baseline_state = 'done', updated_at = now(),
            unseen_unknown_before_lsn = e.lsn, unseen_unknown_before_ts = e.ts
       FROM pgtimewarp.tracked_relations AS same
       LEFT JOIN LATERAL (
              SELECT ev.lsn, ev.ts
                FROM pgtimewarp.relation_events AS ev
               WHERE ev.relation_id = same.relation_id AND ev.op = 'T'
                 AND ev.lsn > same.tracked_from_lsn AND ev.lsn <= same.baseline_lsn
               ORDER BY ev.lsn DESC LIMIT 1) AS e ON true
      WHERE r.relation_id = ANY ($1::int[]) AND same.relation_id = r.relation_id AND r.baseline_state = 'pending'`,
    [relationIds],
  );
}

/** The relations as the store has them now; those that are tracked no more are left out. */
export async function readAgain(
  store: Queryable,
  nodeId: string,
  relations: readonly TrackedRelation[],
): Promise<TrackedRelation[]> {
  const ids = new Set(relations.map((relation) => relation.relationId));
  return (await readTrackedRelations(store, nodeId)).filter((each) => ids.has(each.relationId));
}

/** Notes why the rows of a relation could not be read in this run, with what reads them: its baseline, or its repair. */
export async function noteReadFailure(store: Queryable, relationId: number, message: string): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.tracked_relations
        SET baseline_progress = CASE WHEN repair IS NULL THEN baseline_progress || jsonb_build_object('failure', $2::text) ELSE baseline_progress END,
            repair = CASE WHEN repair IS NOT NULL THEN repair || jsonb_build_object('failure', $2::text) END, updated_at = now()
      WHERE relation_id = $1::int`,
    [relationId, message],
  );
}

/** Stores how far the reading of existing rows has come; `readPosition` is set with the last chunk. */
export async function writeBaselineProgress(
  store: StoreTransaction,
  relationId: number,
  progress: BaselineProgress,
  readPosition: Lsn | null,
): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.tracked_relations
        SET baseline_progress = $2::jsonb, baseline_lsn = $3::pg_lsn, updated_at = now()
      WHERE relation_id = $1::int`,
    [relationId, JSON.stringify(progress), readPosition === null ? null : formatLsn(readPosition)],
  );
}

/** The columns of the key have other names or types. */
export async function writeKey(
  store: StoreTransaction,
  relationId: number,
  columns: readonly string[],
  kinds: readonly string[],
): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.tracked_relations SET pk_columns = $2::text[], pk_kinds = $3::text[], updated_at = now()
      WHERE relation_id = $1::int`,
    [relationId, columns, kinds],
  );
}

/** Refreshes what the catalog says of a relation. */
export async function writeCatalogFacts(
  store: StoreTransaction,
  relationId: number,
  facts: {
    readonly relid: number;
    readonly columns: readonly StoredColumn[];
    readonly persistence: string;
    readonly replicaIdentity: string;
    readonly isPartitioned: boolean;
    readonly compared: CatalogFacts;
  },
): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.tracked_relations
        SET relid = $2::oid, columns = $3::jsonb, persistence = $4::"char", replica_identity = $5::"char",
            is_partitioned = $6::boolean, catalog_facts = $7::jsonb, updated_at = now()
      WHERE relation_id = $1::int`,
    [
      relationId,
      facts.relid,
      JSON.stringify(facts.columns),
      facts.persistence,
      facts.replicaIdentity,
      facts.isPartitioned,
      JSON.stringify(facts.compared),
    ],
  );
}

/** Our own jsonb documents: small, written by us, never row data. */
function ownJson<T>(text: unknown, fallback: T): T {
  return text === null || text === '{}' ? fallback : (JSON.parse(text as string) as T);
}

function toRelation(row: Record<string, unknown>): TrackedRelation {
  const lsn = (value: unknown): Lsn | null => (value === null ? null : parseLsn(value as string));
  return {
    relationId: row.relation_id as number,
    name: { schema: row.schema_name as string, name: row.table_name as string },
    relid: row.relid as number | null,
    keyColumns: row.pk_columns as string[],
    keyKinds: row.pk_kinds as string[],
    columns: ownJson<StoredColumn[]>(row.columns, []),
    persistence: row.persistence as string,
    replicaIdentity: row.replica_identity as string,
    isPartitioned: row.is_partitioned as boolean,
    trackedFrom: lsn(row.tracked_from_lsn),
    followsRelationId: row.follows_relation_id as number | null,
    baselineState: row.baseline_state as BaselineState,
    baselineProgress: { ...NO_PROGRESS, ...ownJson<Partial<BaselineProgress>>(row.baseline_progress, {}) },
    baselineLsn: lsn(row.baseline_lsn),
    startConditions: ownJson(row.start_conditions, NOT_LOOKED_AT),
    excludedColumns: row.excluded_columns as string[],
    noNan: row.no_nan as boolean,
    retention: row.retention as string | null,
    status: row.status as RelationStatus,
    statusReason: row.status_reason as string | null,
    catalogFacts: ownJson<CatalogFacts | null>(row.catalog_facts, null),
    repair: ownJson<Repair | null>(row.repair, null),
    uncheckedLeaves: ownJson<UncheckedLeaf[]>(row.unchecked_leaves, []),
  };
}
