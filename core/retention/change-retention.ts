/**
 * Retention on demand: sets windows, and runs one pass that deletes expired history, without a time limit by default. The pass
 * claims the node like a run, so the two never overlap.
 */
import type { Client } from 'pg';
import { TimewarpError } from '../errors/timewarp-error.ts';
import { formatTableName, type TableName } from '../pg/identifiers.ts';
import { inTransaction } from '../pg/transaction.ts';
import { withStoreOnly } from '../setup/databases.ts';
import { claimNode, releaseClaim } from '../store/node/claim.ts';
import { requireNode } from '../store/node/nodes.ts';
import { requireWritable } from '../store/schema/migrate.ts';
import { keepRetention, type RetentionResult } from './keep-retention.ts';
import { readDefaultRetention, requireWindow, setDefaultRetention, setTableRetention } from './periods.ts';
import { type RetentionOverview, readRetentionOverview } from './retention-overview.ts';

export interface RetentionTarget {
  readonly storeUrl: string;
  readonly node: string;
}

/** A pass does not renew its lease, so the lease is long. */
const LEASE_SECONDS = 3600;

/** Deletes expired history. @returns null when a run is under way */
export async function runRetention(
  target: RetentionTarget,
  options: { readonly maxSeconds?: number; readonly signal?: AbortSignal } = {},
): Promise<RetentionResult | null> {
  return inStore(target, async (store) => {
    const started = performance.now();
    const limitMs = (options.maxSeconds ?? Number.POSITIVE_INFINITY) * 1000;
    const claim = await claimNode(store, target.node, LEASE_SECONDS);
    if (claim === null) return null;
    try {
      return await keepRetention({
        store,
        claim,
        upto: claim.horizon.lsn,
        mayGoOn: () => options.signal?.aborted !== true && performance.now() - started < limitMs,
      });
    } finally {
      await releaseClaim(store, claim).catch(() => {});
    }
  });
}

export interface TableRetention extends RetentionOverview {
  readonly table: string;
}

/** Windows, cutoffs, ranges and sizes of the node's tables. */
export async function showRetention(
  target: RetentionTarget,
): Promise<{ readonly defaultRetention: string | null; readonly tables: readonly TableRetention[] }> {
  return inStore(target, async (store) => ({
    defaultRetention: await readDefaultRetention(store, target.node),
    tables: (await readRetentionOverview(store, target.node)).map((each) => ({
      ...each,
      table: formatTableName(each.name),
    })),
  }));
}

/** Sets the window of tables or, without tables, the default for tables that are tracked later. Null keeps everything. */
export async function setRetention(
  target: RetentionTarget,
  tables: readonly TableName[],
  retention: string | null,
): Promise<void> {
  await inStore(target, (store) =>
    inTransaction(store, async (tx) => {
      await requireWindow(tx, retention);
      if (tables.length === 0) await setDefaultRetention(tx, target.node, retention);
      for (const table of tables) {
        if (await setTableRetention(tx, target.node, { table, retention })) continue;
        throw new TimewarpError(
          'TABLE_NOT_TRACKED',
          `${formatTableName(table)} is not tracked by node "${target.node}".`,
        );
      }
    }),
  );
}

function inStore<T>(target: RetentionTarget, work: (store: Client) => Promise<T>): Promise<T> {
  return withStoreOnly(target, async (store) => {
    await requireWritable(store);
    await requireNode(store, target.node);
    return work(store);
  });
}
