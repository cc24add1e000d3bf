/** Reads the state of a node after a run: the age of its horizon, and how much WAL its slot keeps. */
import type pg from 'pg';
import { readSourceFacts } from '../../core/source/slot/source-facts.ts';
import { walBudget } from '../../core/source/slot/wal-budget.ts';
import { requireNode } from '../../core/store/node/nodes.ts';
import { secondsBetween } from '../../core/types/commit-time.ts';

export interface NodeState {
  /** null until the node has a horizon. */
  readonly horizonAgeSeconds: number | null;
  /** null without a slot. */
  readonly walBudgetPercent: number | null;
}

export async function readNodeState(source: pg.Client, store: pg.Client, name: string): Promise<NodeState> {
  const node = await requireNode(store, name);
  const facts = await readSourceFacts(source, node.slotName);
  return {
    horizonAgeSeconds: node.horizon && Number(secondsBetween(node.horizon.ts, facts.clock)),
    walBudgetPercent: walBudget(facts, node.slotBudgetBytes)?.percent ?? null,
  };
}
