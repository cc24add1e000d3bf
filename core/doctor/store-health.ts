/**
 * The checks that cost little. readStoreHealth() needs the store only, for readers without access to the sources. quickChecks()
 * also checks the slot if the caller has read the facts of the source. Doctor runs all other checks.
 */
import type { Queryable } from '../pg/connection.ts';
import type { SourceFacts } from '../source/slot/source-facts.ts';
import { type NodeOverview, readOverview } from '../store/overview.ts';
import { type CommitTime, parseCommitTime, secondsBetween } from '../types/commit-time.ts';
import { type Check, ok, summarize, warn } from './check.ts';
import { checkNodeStatus } from './checks/connections.ts';
import { checkOpenGaps } from './checks/gaps.ts';
import { LATE_SECONDS } from './checks/progress.ts';
import { checkSlotItself } from './checks/slot.ts';
import { checkBudget } from './checks/wal.ts';

export interface StoreHealth {
  readonly status: Check['status'];
  readonly nodes: readonly {
    readonly node: string;
    readonly status: Check['status'];
    readonly checks: readonly Check[];
  }[];
}

/** All nodes that have not been removed. */
export async function readStoreHealth(store: Queryable): Promise<StoreHealth> {
  const overviews = await readOverview(store, null);
  const { rows } = await store.query<{ now: string }>('SELECT clock_timestamp()::text AS now');
  return judgeStore(overviews, parseCommitTime(rows[0]!.now));
}

/** Judges what was read, at the time of the store's clock. Sends no query. */
export function judgeStore(overviews: readonly NodeOverview[], now: CommitTime): StoreHealth {
  const nodes = overviews
    .filter(({ node }) => node.status !== 'removed')
    .map((overview) => ({ node: overview.node.node, ...summarize(quickChecks(overview, now, null)) }));
  return healthOf(nodes);
}

/** The health of some of the nodes. */
export function healthOf(nodes: StoreHealth['nodes']): StoreHealth {
  return { status: summarize(nodes.flatMap((node) => [...node.checks])).status, nodes };
}

/** @param server facts of the source that the node follows; null when the caller has not read them */
export function quickChecks(
  { node, openGaps }: NodeOverview,
  now: CommitTime,
  server: SourceFacts | null,
): Check[] {
  const checks = [checkNodeStatus(node, null), ...checkOpenGaps(openGaps, node.node)];
  if (server !== null) {
    checks.push(...checkSlotItself(server, node, 'self-managed'), ...checkBudget(server, node, null));
  }
  if (node.horizon === null) return checks;
  const behind = secondsBetween(node.horizon.ts, now);
  const message = `The horizon is ${behind} s old.`;
  checks.push(
    behind > LATE_SECONDS
      ? warn(
          'lag',
          message,
          'Make sure that a run starts every minute: check the schedule, or `pgtimewarp poll`.',
        )
      : ok('lag', message),
  );
  return checks;
}
