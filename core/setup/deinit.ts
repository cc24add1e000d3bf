/**
 * Removes a node from its source: slot and publication go, so that nothing pins WAL any more; history stays unless it is
 * purged. No run can be under way meanwhile, and one that stood still writes nothing afterwards.
 */
import type { Client } from 'pg';
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { Queryable } from '../pg/connection.ts';
import { inTransaction } from '../pg/transaction.ts';
import { dropPublication, publicationName } from '../slot/publication.ts';
import { dropSlot } from '../slot/slot-lifecycle.ts';
import { readSourceFacts } from '../slot/source-facts.ts';
import { claimNode } from '../store/claim.ts';
import { requireSchema } from '../store/migrate.ts';
import { requireNode, SETUP_UNFINISHED, type StoredNode } from '../store/nodes.ts';
import { type DatabaseUrls, openDatabases } from './databases.ts';
import { purgeNode } from './purge.ts';

export interface DeinitOptions extends DatabaseUrls {
  readonly purge: boolean;
}

export interface DeinitResult {
  readonly node: string;
  /** false when it had been removed before. */
  readonly removed: boolean;
  readonly slotDropped: boolean;
  readonly publicationDropped: boolean;
  readonly purged: boolean;
}

/** The run that deinit stands in for ends at once: the lease only keeps others away. */
const LEASE_SECONDS = 60;

/** Throws NODE_UNKNOWN, SLOT_BUSY while a run is under way, NODE_CONFLICT when --source is another database. */
export async function deinit(options: DeinitOptions): Promise<DeinitResult> {
  await using databases = await openDatabases(options);
  const { source, store } = databases;
  await requireSchema(store);
  const node = await requireNode(store, options.node, { removed: true });
  const wasActive = node.status !== 'removed';
  await holdNode(store, node);
  return await inTransaction(store, async () => {
    if (wasActive) await markRemoved(store, node);
    const dropped =
      wasActive || node.statusReason === SETUP_UNFINISHED
        ? await dropFromSource(source, node)
        : { slotDropped: false, publicationDropped: false };
    if (options.purge) await purgeNode(store, node.node);
    return { node: node.node, removed: wasActive, ...dropped, purged: options.purge };
  });
}

/** Keeps runs of the node away for as long as this session of the store lasts. Throws SLOT_BUSY while one is under way. */
export async function holdNode(store: Client, node: StoredNode): Promise<void> {
  if (node.horizon === null || (await claimNode(store, node.node, LEASE_SECONDS)) !== null) return;
  throw new TimewarpError('SLOT_BUSY', `A run of node "${node.node}" is under way.`, {
    remedy: 'Repeat it when the run has ended.',
  });
}

/** Slot and publication, in this order: a slot whose publication is gone cannot be read. */
async function dropFromSource(
  source: Queryable,
  node: StoredNode,
): Promise<{ slotDropped: boolean; publicationDropped: boolean }> {
  const facts = await readSourceFacts(source, node.slotName);
  if (facts.systemIdentifier !== node.systemIdentifier || facts.database !== node.database) {
    throw new TimewarpError(
      'NODE_CONFLICT',
      `Node "${node.node}" observes database ${node.database} of another server than --source (${facts.database}).`,
      { remedy: 'Name the source of this node as --source.', facts: { node: node.node } },
    );
  }
  const ours =
    facts.slot !== null && facts.slot.plugin === node.plugin && facts.slot.database === node.database;
  return {
    slotDropped: ours && (await dropSlot(source, node.slotName)),
    publicationDropped:
      node.plugin === 'pgoutput' && (await dropPublication(source, publicationName(node.node))),
  };
}

/** What was tracked is known up to the horizon, and no further. */
export async function markRemoved(store: Queryable, node: StoredNode): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.nodes SET status = 'removed', status_reason = NULL WHERE node_id = $1::text`,
    [node.node],
  );
  await store.query(
    `UPDATE pgtimewarp.tracked_relations AS r
        SET status = 'untracked', tracked_to_lsn = c.applied_lsn, tracked_to_ts = c.applied_ts, updated_at = now()
       FROM pgtimewarp.wal_checkpoints AS c
      WHERE r.node_id = $1::text AND c.node_id = r.node_id AND r.status <> 'untracked'`,
    [node.node],
  );
}
