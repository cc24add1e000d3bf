/** The status of nodes: each with its slot, its tables, and the cheap checks that warn or fail. */
import { formatTableName } from '../core/pg/identifiers.ts';
import type { RetentionOverview } from '../core/retention/retention-overview.ts';
import type { NodeStatus, Status } from '../core/status.ts';
import type { GapOverview, RelationOverview } from '../core/store/overview.ts';
import type { FollowRule } from '../core/store/tables/follow-rules.ts';
import { formatLsn, type Lsn } from '../core/types/lsn.ts';
import { type CheckDocument, checkDocument } from './checks.ts';
import { type NodeDocument, nodeDocument } from './node.ts';
import { type TableStateDocument, tableState } from './table.ts';
import { type PointDocument, pointDocument } from './values.ts';

/** Facts of the source are null if the command did not read them. */
export interface StatusDocument {
  /** Why the source could not be read; null if it was read or not named. */
  readonly source_error: string | null;
  readonly nodes: readonly NodeStatusDocument[];
}

export interface NodeStatusDocument extends NodeDocument {
  readonly slot: SlotDocument;
  readonly lag_bytes: number | null;
  readonly lag_seconds: number | null;
  readonly open_gaps: readonly GapDocument[];
  /** Patterns by which runs track tables that are created later. */
  readonly followed: readonly FollowedDocument[];
  /** The cheap checks that warn or fail; `doctor` runs all checks. */
  readonly checks: readonly CheckDocument[];
  readonly tables: readonly TableStatusDocument[];
}

interface SlotDocument {
  readonly name: string;
  readonly present: boolean | null;
  readonly confirmed_lsn: string | null;
  readonly restart_lsn: string | null;
  readonly wal_status: string | null;
  readonly active: boolean | null;
  readonly retained_bytes: number | null;
}

interface GapDocument {
  /** null: the gap concerns the whole node. */
  readonly table: string | null;
  readonly from: PointDocument;
  readonly reason: string;
}

interface FollowedDocument {
  readonly pattern: string;
  readonly retention: string | null;
  readonly excluded: readonly string[];
  /** Tables that match the pattern and cannot be tracked. */
  readonly not_tracked: readonly { readonly table: string; readonly reason: string }[];
}

export interface TableStatusDocument extends Omit<TableStateDocument, 'baseline'> {
  readonly table: string;
  readonly baseline: { readonly state: string; readonly rows: number; readonly estimated_rows: number };
  /** The column in which a run found NaN or infinity in spite of --no-nan; null: none. */
  readonly no_nan_refuted: string | null;
  readonly estimated_changes: number | null;
  /** On disk, indexes and TOAST included. */
  readonly size_bytes: number | null;
  /** How many ranges the history is cut into; 0 without retention. */
  readonly ranges: number;
  /** The oldest instant that can be answered, once something has expired; before: tracked_from. */
  readonly oldest: PointDocument | null;
}

export function statusDocument({ sourceError, nodes }: Status): StatusDocument {
  return { source_error: sourceError?.message ?? null, nodes: nodes.map(nodeStatusDocument) };
}

function nodeStatusDocument(status: NodeStatus): NodeStatusDocument {
  const { overview, histories, lag, rules, checks } = status;
  const { relations, openGaps } = overview;
  const { horizon, caught_up, last_run, ...node } = nodeDocument(overview.node);
  const byRelation = new Map(histories.map((history) => [history.relationId, history]));
  return {
    ...node,
    slot: slotDocument(status),
    horizon,
    caught_up,
    last_run,
    lag_bytes: lag === null ? null : Number(lag.bytes),
    lag_seconds: lag === null ? null : Number(lag.seconds),
    open_gaps: openGaps.map(gapDocument),
    followed: rules.map(followedDocument),
    checks: checks.filter(({ status }) => status !== 'ok').map(checkDocument),
    tables: relations.map((relation) => tableStatusDocument(relation, byRelation.get(relation.relationId))),
  };
}

function slotDocument({ overview, source, retainedBytes }: NodeStatus): SlotDocument {
  const slot = source?.slot ?? null;
  return {
    name: overview.node.slotName,
    present: source === null ? null : slot !== null,
    confirmed_lsn: lsnText(slot?.confirmedFlushLsn),
    restart_lsn: lsnText(slot?.restartLsn),
    wal_status: slot?.walStatus ?? null,
    active: slot === null ? null : slot.activePid !== null,
    retained_bytes: retainedBytes === null ? null : Number(retainedBytes),
  };
}

function gapDocument({ table, from, reason }: GapOverview): GapDocument {
  return { table: table && formatTableName(table), from: pointDocument(from), reason };
}

function followedDocument({ pattern, retention, excludedColumns, notTracked }: FollowRule): FollowedDocument {
  return {
    pattern: pattern.text,
    retention,
    excluded: excludedColumns,
    not_tracked: notTracked.map(({ table, reason }) => ({ table, reason })),
  };
}

function tableStatusDocument(
  relation: RelationOverview,
  history: RetentionOverview | undefined,
): TableStatusDocument {
  const state = tableState(relation);
  return {
    table: formatTableName(relation.name),
    ...state,
    baseline: {
      state: state.baseline,
      rows: relation.baselineRows,
      estimated_rows: relation.baselineEstimatedRows,
    },
    no_nan_refuted: relation.noNanRefuted,
    estimated_changes: relation.estimatedChanges,
    size_bytes: history?.sizeBytes ?? null,
    ranges: history?.ranges ?? 0,
    oldest: history?.oldest ?? null,
  };
}

function lsnText(lsn: Lsn | null | undefined): string | null {
  return lsn === null || lsn === undefined ? null : formatLsn(lsn);
}
