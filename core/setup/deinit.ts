/**
 * Removes a node from its source. It drops slot and publication, so that the source keeps no WAL for them. History stays unless it is
 * purged. deinit() excludes runs meanwhile. A run that was stopped before cannot write afterwards.
 */
import type { Client } from 'pg';
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { Queryable } from '../pg/connection.ts';
import { inPatientTransaction, inTransaction, type StoreTransaction } from '../pg/transaction.ts';
import { dropPublication, publicationName } from '../source/publication/publication.ts';
import { dropSlotWhenFree, stopCreatingSlot } from '../source/slot/slot-lifecycle.ts';
import { readSourceFacts } from '../source/slot/source-facts.ts';
import { claimNode } from '../store/node/claim.ts';
import {
  isDatabaseOf,
  readNode,
  requireNode,
  SETUP_UNFINISHED,
  type StoredNode,
  withdrawSetupIntent,
} from '../store/node/nodes.ts';
import { askRemoval } from '../store/node/removals.ts';
import { requireWritable } from '../store/schema/migrate.ts';
import { endRelationsOfNode } from '../store/tables/end.ts';
import { type Databases, type DatabaseUrls, withDatabases } from './databases.ts';
import { purgeNode } from './purge.ts';
import { lockSetupPatiently } from './setup-lock.ts';

export interface DeinitOptions extends DatabaseUrls {
  readonly purge: boolean;
  /** When the removal began, by performance.now(), if it is not the time of the call. */
  readonly begunMs?: number;
  /** Its abort ends the sessions of the removal, which then does nothing more. */
  readonly over?: AbortSignal;
}

export interface DeinitResult {
  readonly node: string;
  /** false: the node was removed before. */
  readonly removed: boolean;
  readonly slotDropped: boolean;
  readonly publicationDropped: boolean;
  readonly purged: boolean;
}

/** deinit() claims the node as a run does, but only to exclude runs; it releases the claim soon. */
const LEASE_SECONDS = 60;

/** Throws NODE_UNKNOWN, SLOT_BUSY while a run is under way, NODE_CONFLICT when --source is another database. */
export async function deinit(options: DeinitOptions): Promise<DeinitResult> {
  const { begunMs = performance.now(), over } = options;
  const remove = async ({ source, store }: Databases): Promise<DeinitResult> => {
    await requireWritable(store);
    const node = await holdNode(store, options.node, { source, begunMs });
    const wasActive = node.status !== 'removed';
    const isUnfinished = node.statusReason === SETUP_UNFINISHED;
    const result = await inTransaction(store, async (tx) => {
      if (wasActive) await markRemoved(tx, node);
      const dropped =
        wasActive || isUnfinished
          ? await dropFromSource(source, node)
          : { slotDropped: false, publicationDropped: false };
      if (isUnfinished) await withdrawSetupIntent(tx, node.node);
      return { node: node.node, removed: wasActive, ...dropped, purged: options.purge };
    });
    if (options.purge) await inPatientTransaction(store, (tx) => purgeNode(tx, node.node)); // can be repeated if it fails
    return result;
  };
  return withDatabases(options, remove, over);
}

/**
 * Ends a set-up of the node that is under way, and excludes other set-ups and runs until this session of the store ends. Then it reads
 * the node, also a removed one. Throws NODE_UNKNOWN, SLOT_BUSY while a run is under way.
 * @param removal its source is null if that is gone; for begunMs see askRemoval()
 */
export async function holdNode(
  store: Client,
  nodeId: string,
  { source, begunMs }: { readonly source: Client | null; readonly begunMs: number },
): Promise<StoredNode> {
  await askRemoval(store, nodeId, begunMs);
  await lockSetupPatiently(store, nodeId, async () => {
    const begun = await readNode(store, nodeId);
    if (source !== null && begun !== null) await stopCreatingSlot(source, begun.slotName);
  });
  const known = await requireNode(store, nodeId, { removed: true });
  if (known.horizon === null) return known;
  if ((await claimNode(store, nodeId, LEASE_SECONDS)) === null) {
    throw new TimewarpError('SLOT_BUSY', `A run of node "${nodeId}" is under way.`, {
      remedy: 'Repeat the command when the run has ended.',
    });
  }
  return requireNode(store, nodeId, { removed: true });
}

/** Drops the slot before the publication: a slot without its publication cannot be read. */
async function dropFromSource(
  source: Queryable,
  node: StoredNode,
): Promise<{ slotDropped: boolean; publicationDropped: boolean }> {
  const facts = await readSourceFacts(source, node.slotName);
  if (!isDatabaseOf(facts, node)) {
    throw new TimewarpError(
      'NODE_CONFLICT',
      `Node "${node.node}" observes database ${node.database} of another server than --source (${facts.database}).`,
      { remedy: 'Name the source of this node as --source.', facts: { node: node.node } },
    );
  }
  const ours =
    facts.slot !== null && facts.slot.plugin === node.plugin && facts.slot.database === facts.database;
  return {
    slotDropped: ours && (await dropSlotWhenFree(source, node.slotName)),
    publicationDropped:
      node.plugin === 'pgoutput' && (await dropPublication(source, publicationName(node.node))),
  };
}

/** Ends the tracking of all tables at the horizon, and the following of patterns. */
export async function markRemoved(store: StoreTransaction, node: StoredNode): Promise<void> {
  await store.query(
    `UPDATE pgtimewarp.nodes SET status = 'removed', status_reason = NULL WHERE node_id = $1::text`,
    [node.node],
  );
  await endRelationsOfNode(store, node.node);
  await store.query('DELETE FROM pgtimewarp.follow_rules WHERE node_id = $1::text', [node.node]);
}
