/**
 * The results of a repair of tables, of a rebaseline of a node, and of a skipped transaction. A command waits until all is done.
 * The maintenance function cannot wait that long, so its documents say what is `done`.
 */
import type { RebaselineResult } from '../core/rebaseline.ts';
import type { RebaselineNodeResult } from '../core/rebaseline-node.ts';
import type { SkipResult } from '../core/skip.ts';

export interface RebaselinedDocument {
  readonly node: string;
  readonly tables: readonly {
    readonly table: string;
    readonly relation_id: number;
    readonly rows: number;
    readonly differences: number;
  }[];
}

export function rebaselinedDocument(node: string, results: readonly RebaselineResult[]): RebaselinedDocument {
  return {
    node,
    tables: results.map(({ table, relationId, rows, differences }) => ({
      table,
      relation_id: relationId,
      rows,
      differences,
    })),
  };
}

/** One table of the request: its repair is done, or later runs continue it. */
export type TableRepairDocument =
  | { readonly table: string; readonly done: true; readonly rows: number; readonly differences: number }
  | { readonly table: string; readonly done: false };

interface TableRepairsDocument {
  readonly node: string;
  readonly tables: readonly TableRepairDocument[];
}

export function tableRepairsDocument(
  node: string,
  tables: readonly TableRepairDocument[],
): TableRepairsDocument {
  return { node, tables };
}

export function doneTableDocument({ table, rows, differences }: RebaselineResult): TableRepairDocument {
  return { table, done: true, rows, differences };
}

export function pendingTableDocument(table: string): TableRepairDocument {
  return { table, done: false };
}

export interface RebaselinedNodeDocument {
  readonly node: string;
  readonly gap: { readonly from: string; readonly to: string };
  /** false: the positions of the new source do not compare with earlier ones. */
  readonly same_positions: boolean;
  readonly tables: readonly string[];
  readonly ended: readonly { readonly table: string; readonly reason: string }[];
}

export function rebaselinedNodeDocument(result: RebaselineNodeResult): RebaselinedNodeDocument {
  return {
    node: result.node,
    gap: { from: result.gap.from, to: result.gap.to },
    same_positions: result.samePositions,
    tables: result.tables,
    ended: result.ended.map(({ table, reason }) => ({ table, reason })),
  };
}

export type NodeRepairDocument =
  | (RebaselinedNodeDocument & { readonly done: true })
  | { readonly node: string; readonly done: false };

export function doneNodeDocument(result: RebaselineNodeResult): NodeRepairDocument {
  const { node, ...others } = rebaselinedNodeDocument(result);
  return { node, done: true, ...others };
}

export function pendingNodeDocument(node: string): NodeRepairDocument {
  return { node, done: false };
}

export interface SkippedDocument {
  readonly node: string;
  readonly lsn: string;
  /** The tables that have a gap from this transaction on. */
  readonly tables: readonly string[];
}

export function skippedDocument({ node, lsn, tables }: SkipResult): SkippedDocument {
  return { node, lsn, tables };
}
