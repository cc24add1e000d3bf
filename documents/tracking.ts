/** The results of `track` and `untrack`. */
import type { TrackResult, UntrackResult } from '../core/track.ts';
import type { NotTrackedTable, TrackMatchingResult } from '../core/track-matching.ts';
import type { PointDocument } from './values.ts';

export interface TrackedDocument {
  readonly node: string;
  readonly tables: readonly {
    readonly table: string;
    readonly relation_id: number;
    readonly tracked_from: PointDocument;
    readonly baseline: TrackResult['baseline'];
    readonly baseline_rows: number;
    readonly already_tracked: boolean;
    readonly no_nan: boolean;
    readonly notes: readonly string[];
  }[];
  /** These three only if the command named patterns: tables that match and cannot be tracked; patterns now followed; patterns no longer followed. */
  readonly not_tracked?: readonly NotTrackedTable[];
  readonly followed?: readonly string[];
  readonly unfollowed?: readonly string[];
}

/** @param tables all tables of the command, by name and by pattern @param matching null: the command named no pattern */
export function trackedDocument(
  node: string,
  tables: readonly TrackResult[],
  matching: Omit<TrackMatchingResult, 'tables'> | null,
): TrackedDocument {
  return {
    node,
    tables: tables.map((result) => ({
      table: result.table,
      relation_id: result.relationId,
      tracked_from: result.trackedFrom,
      baseline: result.baseline,
      baseline_rows: result.baselineRows,
      already_tracked: result.alreadyTracked,
      no_nan: result.noNan,
      notes: result.notes,
    })),
    ...(matching === null
      ? {}
      : {
          not_tracked: matching.notTracked.map(({ table, code, reason, remedy }) => ({
            table,
            code,
            reason,
            remedy,
          })),
          followed: matching.followed,
          unfollowed: matching.unfollowed,
        }),
  };
}

export interface UntrackedDocument {
  readonly node: string;
  readonly tables: readonly {
    readonly table: string;
    readonly relation_id: number;
    readonly purged: boolean;
  }[];
  /** Patterns that are no longer followed; only if the command named patterns. */
  readonly unfollowed?: readonly string[];
}

/** @param unfollowed null: the command named no pattern */
export function untrackedDocument(
  node: string,
  tables: readonly UntrackResult[],
  unfollowed: readonly string[] | null,
): UntrackedDocument {
  return {
    node,
    tables: tables.map(({ table, relationId, purged }) => ({ table, relation_id: relationId, purged })),
    ...(unfollowed === null ? {} : { unfollowed }),
  };
}
