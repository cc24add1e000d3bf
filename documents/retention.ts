/** How long history is kept, how large it is, and what a pass of retention has dropped. */
import type { TableRetention } from '../core/retention/change-retention.ts';
import type { RetentionResult } from '../core/retention/keep-retention.ts';
import type { PointDocument } from './values.ts';

export interface RetentionSetDocument {
  readonly node: string;
  /** null: all history is kept. */
  readonly retention: string | null;
  /** Empty: the setting is for tables that are tracked later. */
  readonly tables: readonly string[];
}

export function retentionSetDocument(
  node: string,
  retention: string | null,
  tables: readonly string[],
): RetentionSetDocument {
  return { node, retention, tables };
}

export interface RetentionDocument {
  readonly node: string;
  readonly default: string | null;
  readonly tables: readonly {
    readonly table: string;
    readonly relation_id: number;
    readonly retention: string | null;
    /** The oldest instant that has an answer; null: nothing has expired. */
    readonly oldest: PointDocument | null;
    readonly ranges: number;
    readonly size_bytes: number;
  }[];
}

export function retentionDocument(
  node: string,
  defaultRetention: string | null,
  tables: readonly TableRetention[],
): RetentionDocument {
  return {
    node,
    default: defaultRetention,
    tables: tables.map((table) => ({
      table: table.table,
      relation_id: table.relationId,
      retention: table.retention,
      oldest: table.oldest,
      ranges: table.ranges,
      size_bytes: table.sizeBytes,
    })),
  };
}

export interface ForgottenDocument {
  readonly node: string;
  /** busy: another run is active | unfinished: readers prevented a drop, or the time limit passed */
  readonly outcome: 'done' | 'busy' | 'unfinished';
  readonly ranges_dropped: number;
  readonly map_entries_forgotten: number;
}

/** @param result null: another run is active */
export function forgottenDocument(node: string, result: RetentionResult | null): ForgottenDocument {
  return {
    node,
    outcome: result === null ? 'busy' : result.unfinished.length > 0 ? 'unfinished' : 'done',
    ranges_dropped: result?.rangesDropped ?? 0,
    map_entries_forgotten: result?.mapEntriesForgotten ?? 0,
  };
}
