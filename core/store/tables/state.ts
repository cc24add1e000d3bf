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
/** Runs work on the gap, without anybody's decision. */
export type UnderRepair = RepairAsked | RepairReading | RepairRead | GapEnding;

/**
 * Waits for the transactions that had touched the table when its tracking was asked for. Set by `insertRelation`; ended by
 * `startRelations`, at the first horizon after those transactions.
 */
export interface Starting {
  readonly kind: 'starting';
  readonly conditions: StartConditions;
  /** Whether the rows that it holds are wanted. */
  readonly wantsRows: boolean;
}

/**
 * Followed; the rows from before are being read. Set by `startRelations` and, after a gap of the node, `continueRelation`;
 * ended by `writeBaselineProgress` with the last chunk.
 */
export interface ReadingRows {
  readonly kind: 'reading_rows';
  readonly progress: BaselineProgress;
  /** Whose transactions have to be over before rows are read. */
  readonly conditions: StartConditions;
}

/**
 * Every row is read: what they were is decided when the horizon has passed the position of the last statement. Set by
 * `writeBaselineProgress`; ended by `resolveBaselines`.
 */
export interface RowsRead {
  readonly kind: 'rows_read';
  readonly progress: BaselineProgress;
  readonly upto: Lsn;
}

/**
 * Followed; no row is left to be read. Set by `resolveBaselines` and `finishRepairStep`, and by `startRelations` and
 * `continueRelation` where no rows were wanted; ended by a gap or the end of tracking.
 */
export interface Complete {
  readonly kind: 'complete';
  /** false: the rows from before were not wanted, so keys without a change are unknown. */
  readonly withRows: boolean;
}

interface GapFacts {
  /** Why the gap is open, for people. */
  readonly reason: string | null;
  /** What the table was when the gap began. Rows that are read already are decided also while it is open. */
  readonly before: Followed;
}

/**
 * Nobody reads the table again before somebody has done something. Set by `openRelationGap`, and by `giveRepairUp` where the log
 * cannot tell of the table any more; ended by `askRepair`.
 */
export interface Gap extends GapFacts {
  readonly kind: 'gap';
}

/**
 * Waits for the transactions that had touched the table, as a start does. Set by `askRepair`, and by `restartRepair` when more
 * was lost; ended by `beginRepairs`, at the first horizon after those transactions.
 */
export interface RepairAsked extends GapFacts {
  readonly kind: 'repair_asked';
  readonly repair: Repair;
  readonly conditions: StartConditions;
}

/**
 * Followed in full again since `base_lsn`; the table is being read and compared with its history. Set by `beginRepairs`; ended
 * by `writeRepairProgress` with the last chunk.
 */
export interface RepairReading extends GapFacts {
  readonly kind: 'repair_reading';
  readonly repair: Repair & { readonly base_lsn: string };
  /** Whose transactions have to be over before rows are read. */
  readonly conditions: StartConditions;
}

/** Everything is compared. Set by `writeRepairProgress`; ended by `fixEnd`, at the first horizon past `read_lsn`. */
export interface RepairRead extends GapFacts {
  readonly kind: 'repair_read';
  readonly repair: Repair & { readonly base_lsn: string; readonly read_lsn: string };
}

/**
 * The end of the gap is fixed; what was found becomes part of the history there. Set by `fixEnd`; ended by `finishRepairStep`
 * with the last part.
 */
export interface GapEnding extends GapFacts {
  readonly kind: 'gap_ending';
  readonly repair: Repair & { readonly base_lsn: string; readonly end_lsn: string; readonly end_ts: string };
}

/**
 * Followed no more; its history stays. Set by `endRelation` and `endRelationsOfNode`; ended when the table is tracked anew
 * (`insertRelation`: the period moves to `past_relations`) or its node is purged.
 */
export interface Untracked {
  readonly kind: 'untracked';
  /** How far its rows had come; null: it had not started. */
  readonly ended: Followed | null;
}

/** A state, several of them by the name of their type, `tracked` for all but one, or none. */
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
  /** Transactions that held a lock on the table when tracking was asked for; null: not looked at yet. */
  readonly lockers: readonly Locker[] | null;
  /** Tracking starts at the first horizon at or past this position; null while a locker is alive. */
  readonly start_after_lsn: string | null;
}

export const NOT_LOOKED_AT: StartConditions = { lockers: null, start_after_lsn: null };

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

const NO_PROGRESS: BaselineProgress = { cursor: null, rows: 0, estimated_rows: 0, read_done: false };

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

/** The words of `tracked_relations.status` and `.baseline_state`, which documents give out. */
export type RelationStatus = 'starting' | 'active' | 'needs_rebaseline' | 'untracked';
export type BaselineState = 'none' | 'pending' | 'done';

/** The columns of `tracked_relations AS r` that hold the state. */
export const STATE_COLUMNS = `r.status, r.status_reason, r.tracked_from_lsn, r.baseline_state, r.baseline_progress, r.baseline_lsn,
            r.start_conditions, r.repair`;

/** As the store's sessions give them: jsonb as text. */
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
  const facts: GapFacts = { reason: row.status_reason, before: followedOf(row) };
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

/** Which transactions a start, or a reading of rows, waits for. */
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

/** Whether the log tells of every change, and no gap is open. */
export function isFollowed(state: TableState): state is Followed {
  return state.kind === 'reading_rows' || state.kind === 'rows_read' || state.kind === 'complete';
}

/** What is known of the rows from before tracking, whatever happened since; null: it has not started. */
export function rowsFromBefore(state: TableState): Followed | null {
  if (state.kind === 'starting') return null;
  if (state.kind === 'untracked') return state.ended;
  return isInGap(state) ? state.before : state;
}

/** Whether the rows from before tracking were, or are, wanted. */
export function wantsRows(state: TableState): boolean {
  if (state.kind === 'starting') return state.wantsRows;
  const rows = rowsFromBefore(state);
  return rows === null || rows.kind !== 'complete' || rows.withRows;
}

/** Why the rows of the table could not be read in the last run; null: they were, or nobody tried. */
export function readFailureOf(state: TableState): string | null {
  if (isUnderRepair(state) && state.repair.failure !== undefined) return state.repair.failure;
  const rows = rowsFromBefore(state);
  return rows === null || rows.kind === 'complete' ? null : (rows.progress.failure ?? null);
}
