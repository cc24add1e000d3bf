/**
 * Removes a node whose source is gone for good, in the store alone. What it would leave behind on a source that lives
 * after all (a slot that pins WAL) is said in SQL and kept as an event: nothing is left silently. A source that answers is
 * not forgotten but asked, by `deinit`.
 */
import { TimewarpError } from '../errors/timewarp-error.ts';
import { connect } from '../pg/connection.ts';
import { quoteIdentifier } from '../pg/identifiers.ts';
import { inPatientTransaction, inTransaction } from '../pg/transaction.ts';
import { publicationName } from '../source/publication/publication.ts';
import { readSourceFacts } from '../source/slot/source-facts.ts';
import { addHealthEvent } from '../store/health-events.ts';
import { isDatabaseOf, type StoredNode } from '../store/node/nodes.ts';
import { requireWritable } from '../store/schema/migrate.ts';
import { withStoreOnly } from './databases.ts';
import { type DeinitResult, holdNode, markRemoved } from './deinit.ts';
import { purgeNode } from './purge.ts';

export interface ForgetSourceOptions {
  /** null when nobody knows where it was. */
  readonly sourceUrl: string | null;
  readonly storeUrl: string;
  readonly node: string;
  readonly purge: boolean;
}

export interface ForgetSourceResult extends DeinitResult {
  /** To run on the source, should it come back. */
  readonly leftOnSource: readonly string[];
}

/** Throws NODE_UNKNOWN, SLOT_BUSY while a run is under way, NODE_CONFLICT when the source of the node answers. */
export async function forgetSource(options: ForgetSourceOptions): Promise<ForgetSourceResult> {
  return withStoreOnly(options, async (store) => {
    await requireWritable(store);
    const node = await holdNode(store, options.node, null);
    if (options.sourceUrl !== null) await refuseLivingSource(options.sourceUrl, node);
    const removed = node.status !== 'removed';
    const left = removed ? leftOnSource(node) : [];
    await inTransaction(store, async (tx) => {
      if (removed) {
        await markRemoved(tx, node);
        const message = `The source of node "${node.node}" was given up. Should it come back: ${left.join(' ')}`;
        // of no node in particular: a purge takes the node's own events with it
        await addHealthEvent(tx, { severity: 'warn', code: 'SOURCE_FORGOTTEN', message });
      }
    });
    if (options.purge) await inPatientTransaction(store, (tx) => purgeNode(tx, node.node));
    const dropped = { slotDropped: false, publicationDropped: false };
    return { node: node.node, removed, ...dropped, purged: options.purge, leftOnSource: left };
  });
}

/** SQL for the source that removes what a node has made there. */
export function leftOnSource(node: Pick<StoredNode, 'node' | 'slotName' | 'plugin'>): string[] {
  const slot = `SELECT pg_drop_replication_slot('${node.slotName}');`;
  if (node.plugin === 'wal2json') return [slot];
  return [slot, `DROP PUBLICATION ${quoteIdentifier(publicationName(node.node))};`];
}

async function refuseLivingSource(url: string, node: StoredNode): Promise<void> {
  let source: Awaited<ReturnType<typeof connect>>;
  try {
    source = await connect(url, { side: 'source', node: node.node });
  } catch (error) {
    const gone =
      error instanceof TimewarpError && ['SOURCE_UNREACHABLE', 'DATABASE_MISSING'].includes(error.code);
    if (gone) return;
    throw error; // a refused login, say: there is a server
  }
  try {
    if (!isDatabaseOf(await readSourceFacts(source, node.slotName), node)) return;
    throw new TimewarpError('NODE_CONFLICT', `The source of node "${node.node}" answers: it is not gone.`, {
      remedy: 'Run deinit without --forget-source, which removes the slot from it.',
      facts: { node: node.node },
    });
  } finally {
    await source.end().catch(() => {});
  }
}
