/**
 * Plans: what a command that cannot be undone would do, in words. A plan only reads. It may be outdated a moment later, so the
 * command itself checks everything once more.
 */
import type pg from 'pg';
import { connect } from './pg/connection.ts';
import { fromDatabaseError } from './pg/database-error.ts';
import { formatTableName, type TableName } from './pg/identifiers.ts';
import type { TablePattern } from './pg/table-pattern.ts';
import { historyOf, type KeptHistory } from './retention/kept-history.ts';
import { type DatabaseUrls, withDatabases } from './setup/databases.ts';
import { readSourceFacts } from './source/slot/source-facts.ts';
import { walBudget } from './source/slot/wal-budget.ts';
import { requireNode, type StoredNode } from './store/node/nodes.ts';
import { requireWritable } from './store/schema/migrate.ts';
import { isTrackedNow, readMatchingEntries, readRelationEntry } from './store/tables/entries.ts';
import { readFollowRules } from './store/tables/follow-rules.ts';
import { readTrackedRelations } from './store/tables/read.ts';
import { isInGap } from './store/tables/state.ts';
import { formatBytes } from './types/byte-size.ts';
import { formatCommitTime } from './types/commit-time.ts';

export interface Plan {
  readonly node: string;
  /** Whole sentences. */
  readonly would: readonly string[];
  /** The size that the sentences name. */
  readonly bytes?: bigint;
  /** The command would lose nothing. */
  readonly losesNothing: boolean;
}

/** The plan of `releaseSlot`. Throws NODE_UNKNOWN and errors of the connections. */
export async function planRelease(urls: DatabaseUrls): Promise<Plan> {
  return withDatabases(urls, async ({ source, store }) => {
    await requireWritable(store);
    const node = await requireNode(store, urls.node);
    const facts = await readSourceFacts(source, node.slotName);
    const slot = `the slot ${node.slotName} of node "${node.node}"`;
    if (facts.slot === null)
      return plan(node, [`There is no slot ${node.slotName}; the gap is recorded.`], true);
    const kept = walBudget(facts, null)?.keptBytes ?? 0n;
    const would = [
      `Drops ${slot}, which keeps ${formatBytes(kept)} of WAL.`,
      'What changes from then on is lost, for every tracked table, until rebaseline --node.',
    ];
    return { ...plan(node, would), bytes: kept };
  });
}

/** The plan of `deinit` and `forgetSource`. */
export async function planDeinit(
  options: Omit<DatabaseUrls, 'sourceUrl'> & { readonly purge: boolean; readonly asksSource: boolean },
): Promise<Plan> {
  return withStore(options, async (store) => {
    const node = await requireNode(store, options.node, { removed: true });
    const kept = await historyOf(store, options.node, null);
    const slot = node.plugin === 'wal2json' ? 'the slot' : 'slot and publication';
    const would = [
      node.status === 'removed'
        ? `Node "${node.node}" has been removed before.`
        : `Removes node "${node.node}"${options.asksSource ? `, and ${slot} ${node.slotName}` : ', without contacting the source'}.`,
      options.purge ? `Deletes ${describe(kept)}, for good.` : `${describe(kept, 'The')} stays.`,
    ];
    return { ...plan(node, would, !options.purge || kept.tables === 0), bytes: kept.bytes };
  });
}

/** The plan of `untrack`. */
export async function planUntrack(
  options: Omit<DatabaseUrls, 'sourceUrl'> & {
    readonly tables: readonly TableName[];
    readonly patterns: readonly TablePattern[];
    readonly purge: boolean;
  },
): Promise<Plan> {
  return withStore(options, async (store) => {
    const node = await requireNode(store, options.node);
    const would: string[] = [];
    let bytes = 0n;
    const rules = await readFollowRules(store, options.node);
    for (const { text } of options.patterns.filter(({ text }) =>
      rules.some((rule) => rule.pattern.text === text),
    ))
      would.push(`Later tables that match ${text} will not be tracked.`);
    const matching = await readMatchingEntries(store, options.node, {
      patterns: options.patterns,
      ended: options.purge,
    });
    for (const table of [...options.tables, ...matching]) {
      const name = formatTableName(table);
      const entry = await readRelationEntry(store, options.node, table);
      const isTracked = isTrackedNow(entry);
      if (isTracked) would.push(`Ends the tracking of ${name}.`);
      const kept = await historyOf(store, options.node, table);
      if (entry === null || (!isTracked && !options.purge)) would.push(`${name} is not tracked: refused.`);
      else {
        bytes += kept.bytes;
        would.push(
          options.purge ? `Deletes ${describe(kept)}, for good.` : `${describe(kept, 'The')} stays.`,
        );
      }
    }
    return { ...plan(node, would, !options.purge), bytes };
  });
}

/** The plan of `rebaselineNode`, which loses nothing if every tracked table has a gap already. */
export async function planRebaselineNode(options: Omit<DatabaseUrls, 'sourceUrl'>): Promise<Plan> {
  return withStore(options, async (store) => {
    const node = await requireNode(store, options.node);
    const relations = await readTrackedRelations(store, options.node);
    const whole = relations.filter(({ state }) => !isInGap(state));
    const since = node.horizon === null ? '' : ` since ${formatCommitTime(node.horizon.ts)}`;
    const would = [
      `Drops the slot ${node.slotName}, makes a new one, and reads ${count(relations.length, 'table')} again.`,
      `The history of these tables${since} is unknown until then.`,
    ];
    return plan(node, would, node.status === 'gap' || whole.length === 0);
  });
}

function plan({ node }: StoredNode, would: readonly string[], losesNothing = false): Plan {
  return { node, would, losesNothing };
}

function describe({ tables, bytes }: KeptHistory, article = 'the'): string {
  return `${article} history of ${count(tables, 'table')} (${formatBytes(bytes)})`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

async function withStore(
  options: { readonly storeUrl: string; readonly node: string },
  work: (store: pg.Client) => Promise<Plan>,
): Promise<Plan> {
  const store = await connect(options.storeUrl, { side: 'store', node: options.node });
  try {
    await requireWritable(store);
    return await work(store);
  } catch (error) {
    throw fromDatabaseError(error, 'store');
  } finally {
    await store.end().catch(() => {});
  }
}
