/** The tracked tables of a node as a run reads them. */
import type { Queryable } from '../../pg/connection.ts';
import type { TableName } from '../../pg/identifiers.ts';
import type { StoreTransaction } from '../../pg/transaction.ts';
import type { CatalogFacts } from '../../types/catalog-facts.ts';
import { type CommitTime, parseCommitTime } from '../../types/commit-time.ts';
import { type Lsn, parseLsn } from '../../types/lsn.ts';
import type { StoredColumn } from './facts.ts';
import { STATE_COLUMNS, type StateRow, stateOf, type TableState } from './state.ts';

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
  /** The period before a gap of the node that this period continues. */
  readonly followsRelationId: number | null;
  readonly excludedColumns: readonly string[];
  /** Declared and not refuted: its numeric and float columns never hold NaN or Infinity. */
  readonly noNan: boolean;
  /** As interval text; null keeps everything. */
  readonly retention: string | null;
  readonly state: TableState;
  /** The catalog as of the last run; null before the first. */
  readonly catalogFacts: CatalogFacts | null;
  /** Leaves that are not judged yet: they may have been attached with rows. */
  readonly uncheckedLeaves: readonly UncheckedLeaf[];
}

export interface UncheckedLeaf {
  readonly relid: number;
  /** Source texts of the last key that was judged. */
  readonly judged_upto: readonly string[] | null;
}

/** The tracked relations of a node, in order of their ids. */
export async function readTrackedRelations(store: Queryable, nodeId: string): Promise<TrackedRelation[]> {
  return selectRelations(store, nodeId, 'true');
}

/** The tracked relations with an undecided baseline or a repair: very few, however many are tracked. */
export async function readUnsettledRelations(store: Queryable, nodeId: string): Promise<TrackedRelation[]> {
  return selectRelations(store, nodeId, `(baseline_state = 'pending' OR repair IS NOT NULL)`);
}

async function selectRelations(
  store: Queryable,
  nodeId: string,
  condition: string,
): Promise<TrackedRelation[]> {
  const { rows } = await store.query<Record<string, unknown> & StateRow>(
    `SELECT relation_id, schema_name, table_name, relid, pk_columns, pk_kinds, columns, persistence, replica_identity,
            is_partitioned, ${STATE_COLUMNS},
            excluded_columns, no_nan AND no_nan_refuted IS NULL AS no_nan, retention, catalog_facts, follows_relation_id,
            (SELECT coalesce(json_agg(json_build_object('relid', l.relid::int8, 'judged_upto', l.judged_upto)), '[]') FROM pgtimewarp.relation_leaves AS l
              WHERE l.relation_id = r.relation_id AND NOT l.checked)::text AS unchecked_leaves
       FROM pgtimewarp.tracked_relations AS r
      WHERE node_id = $1::text AND status <> 'untracked' AND ${condition}
      ORDER BY relation_id`,
    [nodeId],
  );
  return rows.map(toRelation);
}

/** Reads the relations from the store once more. Those that were untracked meanwhile are left out. */
export async function refreshRelations(
  store: Queryable,
  nodeId: string,
  relations: readonly TrackedRelation[],
): Promise<TrackedRelation[]> {
  const ids = new Set(relations.map((relation) => relation.relationId));
  return (await readTrackedRelations(store, nodeId)).filter((each) => ids.has(each.relationId));
}

/** The time of L0 of a started relation. */
export async function readTrackedFromTime(store: Queryable, relationId: number): Promise<CommitTime> {
  const { rows } = await store.query<{ tracked_from_ts: string }>(
    'SELECT tracked_from_ts FROM pgtimewarp.tracked_relations WHERE relation_id = $1::int',
    [relationId],
  );
  return parseCommitTime(rows[0]!.tracked_from_ts);
}

/** Parses a small jsonb document that pgtimewarp wrote itself, never row data. */
function ownJson<T>(text: unknown, fallback: T): T {
  return text === null || text === '{}' ? fallback : (JSON.parse(text as string) as T);
}

function toRelation(row: Record<string, unknown> & StateRow): TrackedRelation {
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
    trackedFrom: row.tracked_from_lsn === null ? null : parseLsn(row.tracked_from_lsn),
    followsRelationId: row.follows_relation_id as number | null,
    excludedColumns: row.excluded_columns as string[],
    noNan: row.no_nan as boolean,
    retention: row.retention as string | null,
    state: stateOf(row),
    catalogFacts: ownJson<CatalogFacts | null>(row.catalog_facts, null),
    uncheckedLeaves: ownJson<UncheckedLeaf[]>(row.unchecked_leaves, []),
  };
}

/** Locks the entry until the end of the transaction, also against untracking. @returns whether it is still tracked */
export async function lockTracked(store: StoreTransaction, relationId: number): Promise<boolean> {
  const { rowCount } = await store.query(
    `SELECT FROM pgtimewarp.tracked_relations WHERE relation_id = $1::int AND status <> 'untracked' FOR UPDATE`,
    [relationId],
  );
  return rowCount === 1;
}
