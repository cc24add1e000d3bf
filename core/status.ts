/**
 * The status of nodes: what the store holds of each, and facts of the source if it can be asked. It only reads. If the source
 * does not answer, it returns the part of the store.
 */
import { type Check, summarize } from './doctor/check.ts';
import { quickChecks } from './doctor/store-health.ts';
import type { TimewarpError } from './errors/timewarp-error.ts';
import { connect, type Queryable } from './pg/connection.ts';
import { fromDatabaseError } from './pg/database-error.ts';
import { type RetentionOverview, readRetentionOverview } from './retention/retention-overview.ts';
import { readSourceFacts, type SourceFacts } from './source/slot/source-facts.ts';
import { requireNode } from './store/node/nodes.ts';
import { type NodeOverview, readOverview } from './store/overview.ts';
import { type FollowRule, readFollowRules } from './store/tables/follow-rules.ts';
import { type CommitTime, parseCommitTime, secondsBetween } from './types/commit-time.ts';
import { lsnDistanceBytes } from './types/lsn.ts';
import { maybeSameSystem } from './types/server-identity.ts';

export interface Status {
  /** Why the source did not answer; null when it did, or when no source was given. */
  readonly sourceError: TimewarpError | null;
  readonly nodes: readonly NodeStatus[];
}

export interface NodeStatus {
  readonly overview: NodeOverview;
  /** Size, ranges and age of the history of each table. */
  readonly histories: readonly RetentionOverview[];
  /** null: not asked, or not the database that the node observes. */
  readonly source: SourceFacts | null;
  readonly rules: readonly FollowRule[];
  /** How far the horizon is behind the source. */
  readonly lag: { readonly bytes: bigint; readonly seconds: bigint } | null;
  /** WAL that the slot retains on the source. */
  readonly retainedBytes: bigint | null;
  /** The cheap checks, the worst first; empty for a removed node. */
  readonly checks: readonly Check[];
}

export interface StatusOptions {
  /** The only node to report; null: all nodes. */
  readonly only: string | null;
  /** null: ask only the store. */
  readonly sourceUrl: string | null;
  /** Names the sessions on the source. */
  readonly sessionNode: string;
}

/** Throws NODE_UNKNOWN, and errors of the store. */
export async function readStatus(store: Queryable, options: StatusOptions): Promise<Status> {
  if (options.only !== null) await requireNode(store, options.only);
  const overviews = await readOverview(store, options.only);
  const source = await askSource(options, overviews);
  const { rows } = await store.query<{ now: string }>('SELECT clock_timestamp()::text AS now');
  const now = parseCommitTime(rows[0]!.now);
  const nodes: NodeStatus[] = [];
  for (const overview of overviews) {
    const { node } = overview.node;
    const histories = await readRetentionOverview(store, node);
    const rules = await readFollowRules(store, node);
    const facts = source.facts.get(node) ?? null;
    nodes.push({ overview, histories, rules, ...judge(overview, facts, now) });
  }
  return { sourceError: source.error, nodes };
}

/** Facts for every node that observes the database at the URL. */
async function askSource(
  { sourceUrl, sessionNode }: StatusOptions,
  overviews: readonly NodeOverview[],
): Promise<{ facts: Map<string, SourceFacts>; error: TimewarpError | null }> {
  const facts = new Map<string, SourceFacts>();
  if (sourceUrl === null) return { facts, error: null };
  try {
    const source = await connect(sourceUrl, { side: 'source', node: sessionNode });
    try {
      for (const { node } of overviews) {
        const found = await readSourceFacts(source, node.slotName);
        const same = maybeSameSystem(found, node) && found.database === node.database;
        if (same && node.status !== 'removed') facts.set(node.node, found);
      }
    } finally {
      await source.end().catch(() => {});
    }
    return { facts, error: null };
  } catch (thrown) {
    return { facts, error: fromDatabaseError(thrown, 'source') };
  }
}

function judge(
  overview: NodeOverview,
  source: SourceFacts | null,
  now: CommitTime,
): Pick<NodeStatus, 'source' | 'lag' | 'retainedBytes' | 'checks'> {
  const { status, horizon } = overview.node;
  const restartLsn = source?.slot?.restartLsn ?? null;
  return {
    source,
    lag:
      source === null || horizon === null
        ? null
        : {
            bytes: lsnDistanceBytes(horizon.lsn, source.insertLsn),
            seconds: secondsBetween(horizon.ts, source.clock),
          },
    retainedBytes:
      source === null || restartLsn === null ? null : lsnDistanceBytes(restartLsn, source.insertLsn),
    checks: status === 'removed' ? [] : summarize(quickChecks(overview, now, source)).checks,
  };
}
