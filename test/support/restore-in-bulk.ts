/** A restore whose rows come back in bulk whenever they can, however few they are. */
import { carryOutRestore } from '../../cli/carry-out-restore.ts';
import { parseTableName } from '../../core/pg/identifiers.ts';
import { parseInstant } from '../../core/query/instant.ts';
import { namedTransactions } from '../../core/restore/chosen-transactions.ts';
import type { Undo } from '../../core/restore/plan-restore.ts';
import type { RestoreResult } from '../../core/restore/restore-result.ts';
import type { Report } from '../../core/restore/undone-changes.ts';
import type { TrackedNode } from './tracked-node.ts';

export type BulkTarget =
  | { readonly transactions: readonly string[] }
  | { readonly table: string; readonly at: string };

export interface BulkFlags {
  readonly apply?: boolean;
  readonly skipConflicts?: boolean;
  readonly noTriggers?: boolean;
  readonly maxRows?: number;
  readonly report?: Report;
}

export async function restoreInBulk(
  node: TrackedNode,
  target: BulkTarget,
  { apply = true, skipConflicts = false, noTriggers = false, maxRows = 10_000, report }: BulkFlags = {},
): Promise<RestoreResult> {
  const place = { ...node, signal: new AbortController().signal, report };
  const undo: Undo =
    'table' in target
      ? {
          kind: 'table',
          table: parseTableName(target.table),
          at: parseInstant(target.at),
          rows: { kind: 'all' },
        }
      : {
          kind: 'transactions',
          transactions: await namedTransactions(node.store, {
            ...{ node: node.node, names: target.transactions, from: null, to: null },
          }),
        };
  const asked = { undo, maxRows, skipConflicts, noTriggers, lockTimeoutMs: 10_000, bulkFrom: 1, apply };
  return await carryOutRestore(place, node.store, asked);
}
