/**
 * Removes a node from the store alone, if its source is gone for good. In case the source comes back, the result and an event contain the
 * SQL that drops slot and publication there: the slot would keep WAL. If the source answers, the function refuses: `deinit` removes the
 * node then.
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
import { throwIfAborted } from './cancel-on-abort.ts';
import { withStoreOnly } from './databases.ts';
import { type DeinitResult, holdNode, markRemoved } from './deinit.ts';
import { purgeNode } from './purge.ts';

export interface ForgetSourceOptions {
  /** null if its address is no longer known. */
  readonly sourceUrl: string | null;
  readonly storeUrl: string;
  readonly node: string;
  readonly purge: boolean;
  /** As in DeinitOptions. */
  readonly begunMs?: number;
  /** After its abort the node is not removed any more. */
  readonly over?: AbortSignal;
}

export interface ForgetSourceResult extends DeinitResult {
  /** SQL to run on the source if it comes back. */
  readonly leftOnSource: readonly string[];
}

/** Throws NODE_UNKNOWN, SLOT_BUSY while a run is under way, NODE_CONFLICT when the source of the node answers. */
export async function forgetSource(options: ForgetSourceOptions): Promise<ForgetSourceResult> {
  const { begunMs = performance.now(), over } = options;
  return withStoreOnly(options, async (store) => {
    await requireWritable(store);
    const node = await holdNode(store, options.node, { source: null, begunMs });
    if (options.sourceUrl !== null) await refuseLivingSource(options.sourceUrl, node);
    throwIfAborted(over);
    const removed = node.status !== 'removed';
    const left = removed ? leftOnSource(node) : [];
    await inTransaction(store, async (tx) => {
      if (removed) {
        await markRemoved(tx, node);
        const message = `The source of node "${node.node}" was given up. If it comes back, run there: ${left.join(' ')}`;
        // an event without a node, because a purge also removes the events of the node
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
    throw error; // for instance a refused login: the server is alive
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
