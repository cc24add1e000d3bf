/**
 * The state of a tracked table: one of the kinds below. `tracked_relations` holds it in several columns; {@link stateOf} is the
 * only reader of their combinations, and the functions of this room that {@link TRANSITIONS} names are the only writers.
 */
import { type Lsn, parseLsn } from '../../types/lsn.ts';
import type { Locker } from '../../types/tracking.ts';

export type TableState = Starting | Followed | InGap | Untracked;
/** No gap is open. */
export type Followed = ReadingRows | RowsRead | Complete;
/** A gap is open: from its beginning on, answers are unknown. */
export type InGap = Gap | UnderRepair;
/** Runs repair the table; no person has to act. */
export type UnderRepair = RepairAsked | RepairReading | RepairRead | GapEnding;

/**
 * Waits for the transactions that had locked the table when its tracking was requested. Set by `insertRelation`; ended by
 * `startRelations`, at the first horizon after those transactions.
 */
export interface Starting {
  readonly kind: 'starting';
  readonly conditions: StartConditions;
  /** Whether a baseline was requested. */
  readonly wantsRows: boolean;
}

/**
 * Followed; runs read the baseline. Set by `startRelations` and, after a gap of the node, `continueRelation`;
 * ended by `writeBaselineProgress` with the last chunk.
 */
export interface ReadingRows {
  readonly kind: 'reading_rows';
  readonly progress: BaselineProgress;
  /** Transactions that must end before rows are read. */
  readonly conditions: StartConditions;
}

/**
 * Followed; every row of the baseline is read. It is decided when the horizon has passed the position of the last statement.
 * Set by `writeBaselineProgress`; ended by `resolveBaselines`.
 */
export interface RowsRead {
  readonly kind: 'rows_read';
  readonly progress: BaselineProgress;
  readonly upto: Lsn;
}

/**
 * Followed; the baseline is decided, or none was requested. Set by `resolveBaselines` and `finishRepairStep`, and without a
 * baseline by `startRelations` and `continueRelation`; ended by a gap or the end of tracking.
 */
export interface Complete {
  readonly kind: 'complete';
  /** false: no baseline was requested, so keys without a change are unknown. */
  readonly withRows: boolean;
}

interface GapBase {
  /** Why the gap is open, for people. */
  readonly reason: string | null;
  /** The state when the gap began. A baseline that is read already is decided also while the gap is open. */
  readonly before: Followed;
}

/**
 * Waits for a person, or for a run that finds the table in order. Set by `openRelationGap`, and by `giveRepairUp` when the log
 * no longer contains the changes of the table; ended by `askRepair`.
 */
export interface Gap extends GapBase {
  readonly kind: 'gap';
}

/**
 * Waits for the transactions that have locked the table, as a start does. Set by `askRepair`, and by `restartRepair` after
 * another loss; ended by `beginRepairs`, at the first horizon after those transactions.
 */
export interface RepairAsked extends GapBase {
  readonly kind: 'repair_asked';
  readonly repair: Repair;
  readonly conditions: StartConditions;
}

/**
 * The slot delivers every change again since `base_lsn`; runs compare the table with its history. Set by `beginRepairs`; ended
 * by `writeRepairProgress` with the last chunk.
 */
export interface RepairReading extends GapBase {
  readonly kind: 'repair_reading';
  readonly repair: Repair & { readonly base_lsn: string };
  /** Transactions that must end before rows are read. */
  readonly conditions: StartConditions;
}

/** Every row is compared. Set by `writeRepairProgress`; ended by `fixEnd`, at the first horizon past `read_lsn` and the archive. */
export interface RepairRead extends GapBase {
  readonly kind: 'repair_read';
  readonly repair: Repair & { readonly base_lsn: string; readonly read_lsn: string };
}

/**
 * The end of the gap is fixed; the findings become history there. Set by `fixEnd`; ended by `finishRepairStep` with the last
 * findings.
 */
export interface GapEnding extends GapBase {
  readonly kind: 'gap_ending';
  readonly repair: Repair & { readonly base_lsn: string; readonly end_lsn: string; readonly end_ts: string };
}

/**
 * No longer tracked; its history stays. Set by `endRelation` and `endRelationsOfNode`; ended when the table is tracked once
 * more (`insertRelation` moves the period to `past_relations`) or its node is purged.
 */
export interface Untracked {
  readonly kind: 'untracked';
  /** The state of its baseline at the end; null: tracking had not started. */
  readonly ended: Followed | null;
}

/** A state, a group of states by the name of its type, `tracked` for all but `untracked`, or `[*]` for none. */
type Place = TableState['kind'] | 'followed' | 'under_repair' | 'tracked' | '[*]';

/** Every change of state, and the function that makes it. docs/architecture.md draws the same. */
export const TRANSITIONS: readonly (readonly [from: Place, to: Place, by: string])[] = [
  ['[*]', 'starting', 'insertRelation'],
  ['[*]', 'reading_rows', 'continueRelation'],
  ['[*]', 'complete', 'continueRelation'],
  ['starting', 'reading_rows', 'startRelations'],
  ['starting', 'complete', 'startRelations'],
  ['reading_rows', 'rows_read', 'writeBaselineProgress'],
  ['rows_read', 'complete', 'resolveBaselines'],
  ['followed', 'gap', 'openRelationGap'],
  ['gap', 'repair_asked', 'askRepair'],
  ['repair_asked', 'repair_reading', 'beginRepairs'],
  ['repair_reading', 'repair_read', 'writeRepairProgress'],
  ['repair_read', 'gap_ending', 'fixEnd'],
  ['gap_ending', 'complete', 'finishRepairStep'],
  ['under_repair', 'repair_asked', 'restartRepair'],
  ['under_repair', 'gap', 'giveRepairUp'],
  ['tracked', 'untracked', 'endRelation, endRelationsOfNode'],
  ['untracked', '[*]', 'insertRelation'],
];

export interface StartConditions {
  /** Transactions that held a lock on the table at the request; null: no run has looked yet. */
  readonly lockers: readonly Locker[] | null;
  /** The start is the first horizon at or past this position; null while a locker is alive. */
  readonly start_after_lsn: string | null;
}

export const NOT_LOOKED_AT: StartConditions = { lockers: null, start_after_lsn: null };

/** How far the baseline is read. */
export interface BaselineProgress {
  /** Key texts, in key order, of the last row read; null before the first. */
  readonly cursor: readonly string[] | null;
  readonly rows: number;
  readonly estimated_rows: number;
  readonly read_done: boolean;
  /** Why the rows could not be read in the last run. */
  readonly failure?: string;
  /** Canonical key of the last row that was decided; see `writeDeletionsOfGap`. */
  readonly decided_key?: string;
}

const NO_PROGRESS: BaselineProgress = { cursor: null, rows: 0, estimated_rows: 0, read_done: false };

/** How far the repair of a relation is: see core/run/rows/read-repairs.ts. */
export interface Repair {
  /** The slot delivers every change from here on; null while the repair waits for transactions to end. */
  readonly base_lsn: string | null;
  readonly base_ts: string | null;
  /** rows: runs read the table | keys: runs look for rows that only the history has | done | deciding: the gap ends at end_lsn */
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

/** The values of `tracked_relations.status` and `.baseline_state`, which JSON documents contain. */
export type RelationStatus = 'starting' | 'active' | 'needs_rebaseline' | 'untracked';
export type BaselineState = 'none' | 'pending' | 'done';

/** The columns of `tracked_relations AS r` that hold the state. */
export const STATE_COLUMNS = `r.status, r.status_reason, r.tracked_from_lsn, r.baseline_state, r.baseline_progress, r.baseline_lsn,
            r.start_conditions, r.repair`;

/** These columns as a session of the store returns them: jsonb as text. */
export interface StateRow {
  readonly status: RelationStatus;
  readonly status_reason: string | null;
  readonly tracked_from_lsn: string | null;
  readonly baseline_state: BaselineState;
  readonly baseline_progress: string;
  readonly baseline_lsn: string | null;
  readonly start_conditions: string | null;
  readonly repair: string | null;
}

export function stateOf(row: StateRow): TableState {
  switch (row.status) {
    case 'starting':
      return {
        kind: 'starting',
        conditions: storedConditions(row),
        wantsRows: row.baseline_state === 'pending',
      };
    case 'active':
      return followedOf(row);
    case 'needs_rebaseline':
      return inGapOf(row);
    case 'untracked':
      return { kind: 'untracked', ended: row.tracked_from_lsn === null ? null : followedOf(row) };
  }
}

function followedOf(row: StateRow): Followed {
  if (row.baseline_state !== 'pending') return { kind: 'complete', withRows: row.baseline_state === 'done' };
  const progress = { ...NO_PROGRESS, ...(JSON.parse(row.baseline_progress) as Partial<BaselineProgress>) };
  return row.baseline_lsn === null
    ? { kind: 'reading_rows', progress, conditions: storedConditions(row) }
    : { kind: 'rows_read', progress, upto: parseLsn(row.baseline_lsn) };
}

function inGapOf(row: StateRow): InGap {
  const facts: GapBase = { reason: row.status_reason, before: followedOf(row) };
  const repair = row.repair === null ? null : (JSON.parse(row.repair) as Repair);
  if (repair === null) return { kind: 'gap', ...facts };
  if (repair.base_lsn === null)
    return { kind: 'repair_asked', repair, conditions: storedConditions(row), ...facts };
  switch (repair.phase) {
    case 'rows':
    case 'keys':
      return {
        kind: 'repair_reading',
        repair: repair as RepairReading['repair'],
        conditions: storedConditions(row),
        ...facts,
      };
    case 'done':
      return { kind: 'repair_read', repair: repair as RepairRead['repair'], ...facts };
    case 'deciding':
      return { kind: 'gap_ending', repair: repair as GapEnding['repair'], ...facts };
  }
}

function storedConditions({ start_conditions: text }: StateRow): StartConditions {
  return text === null ? NOT_LOOKED_AT : (JSON.parse(text) as StartConditions);
}

/** The transactions that a start, or a reading of rows, waits for. */
export function conditionsOf(state: TableState): StartConditions {
  return 'conditions' in state ? state.conditions : NOT_LOOKED_AT;
}

/** Whether a gap is open. */
export function isInGap(state: TableState): state is InGap {
  return state.kind === 'gap' || isUnderRepair(state);
}

/** Whether runs read the table again. */
export function isUnderRepair(state: TableState): state is UnderRepair {
  return (
    state.kind === 'repair_asked' ||
    state.kind === 'repair_reading' ||
    state.kind === 'repair_read' ||
    state.kind === 'gap_ending'
  );
}

/** The state of the baseline, also in a gap or after the end; null: tracking has not started. */
export function rowsFromBefore(state: TableState): Followed | null {
  if (state.kind === 'starting') return null;
  if (state.kind === 'untracked') return state.ended;
  return isInGap(state) ? state.before : state;
}

/** Whether a baseline was requested. */
export function wantsRows(state: TableState): boolean {
  if (state.kind === 'starting') return state.wantsRows;
  const rows = rowsFromBefore(state);
  return rows === null || rows.kind !== 'complete' || rows.withRows;
}

/** Why the last run could not read the rows of the table; null: it could, or did not try. */
export function readFailureOf(state: TableState): string | null {
  if (isUnderRepair(state) && state.repair.failure !== undefined) return state.repair.failure;
  const rows = rowsFromBefore(state);
  return rows === null || rows.kind === 'complete' ? null : (rows.progress.failure ?? null);
}
