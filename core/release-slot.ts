/** Drops the slot of a node on request. It first records a gap from the horizon on. */
import { recordAndDrop } from './run/loss/drop-slot-over-budget.ts';
import { type DatabaseUrls, withDatabases } from './setup/databases.ts';
import { readSourceFacts } from './source/slot/source-facts.ts';
import { walBudget } from './source/slot/wal-budget.ts';
import { releaseClaim } from './store/node/claim.ts';
import { takeIdleNode } from './store/node/take-node.ts';
import { requireWritable } from './store/schema/migrate.ts';

export interface ReleaseResult {
  readonly node: string;
  readonly slot: string;
  /** false: there was no slot. */
  readonly dropped: boolean;
  readonly keptBytes: bigint;
}

const LEASE_SECONDS = 60;

/** Throws SLOT_BUSY while a run is under way, SLOT_CONFLICT when the slot belongs to another node. */
export async function releaseSlot(urls: DatabaseUrls): Promise<ReleaseResult> {
  return withDatabases(urls, async ({ source, store }) => {
    await requireWritable(store);
    const { node, claim } = await takeIdleNode(store, urls.node, LEASE_SECONDS);
    try {
      const facts = await readSourceFacts(source, node.slotName);
      const dropped = await recordAndDrop(
        { source, store },
        { claim, node, facts, why: 'it was released by hand' },
      );
      const keptBytes = walBudget(facts, null)?.keptBytes ?? 0n;
      return { node: node.node, slot: node.slotName, dropped, keptBytes };
    } finally {
      await releaseClaim(store, claim).catch(() => {});
    }
  });
}
