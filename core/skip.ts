/**
 * Skips one transaction that could not be applied. That is a loss: each table that it changed gets a gap from the horizon on,
 * until a repair. If these tables are unknown, every table gets one.
 */
import { TimewarpError } from './errors/timewarp-error.ts';
import { formatTableName } from './pg/identifiers.ts';
import { inTransaction } from './pg/transaction.ts';
import { type DatabaseUrls, withDatabases } from './setup/databases.ts';
import { advanceSlot } from './source/slot/advance.ts';
import { writeHealthEvent } from './store/health-events.ts';
import { writeHorizonEntry } from './store/history/time-map.ts';
import { lockCheckpoint, releaseClaim, writeHorizon } from './store/node/claim.ts';
import { readFailure, unblockNode } from './store/node/failures.ts';
import { placeHorizon } from './store/node/lineage.ts';
import { takeIdleNode } from './store/node/take-node.ts';
import { requireWritable } from './store/schema/migrate.ts';
import { recordRelationLoss } from './store/tables/gap.ts';
import { readTrackedRelations } from './store/tables/read.ts';
import { nextMicrosecond } from './types/commit-time.ts';
import { formatLsn, type Lsn } from './types/lsn.ts';

export interface SkipResult {
  readonly node: string;
  readonly lsn: string;
  /** Tables with a gap from here on. */
  readonly tables: readonly string[];
}

const LEASE_SECONDS = 60;

/** Throws BAD_FLAGS when the node is not blocked at this position, SLOT_BUSY while a run is under way. */
export async function skip(options: DatabaseUrls & { readonly lsn: Lsn }): Promise<SkipResult> {
  return withDatabases(options, async ({ source, store }) => {
    await requireWritable(store);
    const { node, claim } = await takeIdleNode(store, options.node, LEASE_SECONDS);
    try {
      const failure = await readFailure(store, node.node);
      if (node.status !== 'blocked' || failure?.lsn !== options.lsn) {
        const at = failure?.lsn == null ? 'at no transaction' : `at ${formatLsn(failure.lsn)}`;
        const isBlocked = node.status === 'blocked';
        throw new TimewarpError(
          'BAD_FLAGS',
          isBlocked
            ? `Node "${node.node}" is not blocked at ${formatLsn(options.lsn)}, but ${at}.`
            : `Node "${node.node}" is not blocked.`,
          { remedy: 'pgtimewarp doctor shows whether a node is blocked, and where.' },
        );
      }
      const touched = (await readTrackedRelations(store, node.node)).filter(
        (relation) =>
          relation.trackedFrom !== null &&
          (failure.relationIds === null || failure.relationIds.includes(relation.relationId)),
      );
      const lsn = formatLsn(options.lsn);
      await inTransaction(store, async (tx) => {
        await lockCheckpoint(tx, claim);
        for (const relation of touched)
          await recordRelationLoss(tx, claim, relation.relationId, `the transaction at ${lsn} was skipped`);
        const { time, fits } = await placeHorizon(tx, {
          nodeId: node.node,
          lsn: options.lsn,
          wanted: nextMicrosecond(claim.horizon.time),
          promised: claim.horizon.time,
        });
        const horizon = { lsn: options.lsn, time };
        if (fits) await writeHorizonEntry(tx, claim, horizon, false);
        await writeHorizon(tx, claim, horizon, false);
        await unblockNode(tx, node.node);
        await writeHealthEvent(tx, {
          nodeId: node.node,
          severity: 'warn',
          code: 'TRANSACTION_SKIPPED',
          message: `the transaction at ${lsn} was skipped: ${failure.message}`,
          meta: { lsn, xid: failure.xid },
        });
      });
      await advanceSlot(source, node.slotName, options.lsn);
      return { node: node.node, lsn, tables: touched.map((relation) => formatTableName(relation.name)) };
    } finally {
      await releaseClaim(store, claim).catch(() => {});
    }
  });
}
