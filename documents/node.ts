/** A node as in the store. Over HTTP it is a document by itself; the status contains it too. */
import * as z from 'zod';
import type { StoredNode } from '../core/store/node/nodes.ts';
import { formatCommitTime } from '../core/types/commit-time.ts';
import { NodeName, Point, pointDocument, Text, Time } from './values.ts';

export const LastRun = z.object({ at: Time, outcome: Text.nullable() });
export const Node = z.object({
  node: NodeName,
  status: z.enum(['active', 'gap', 'blocked', 'removed']),
  status_reason: Text.nullable(),
  database: Text,
  plugin: z.enum(['wal2json', 'pgoutput']),
  horizon: Point.nullable(),
  caught_up: z.boolean(),
  last_run: LastRun.nullable(),
});
export const Nodes = z.object({ nodes: z.array(Node) });

export type NodeDocument = Readonly<z.input<typeof Node>>;

export function nodeDocument(node: StoredNode): NodeDocument {
  const { horizon } = node;
  const ran = horizon?.lastRunAt ?? null;
  return {
    node: node.node,
    status: node.status,
    status_reason: node.statusReason,
    database: node.database,
    plugin: node.plugin,
    horizon: horizon && pointDocument(horizon),
    caught_up: horizon?.caughtUp ?? false,
    last_run: ran === null ? null : { at: formatCommitTime(ran), outcome: horizon?.lastRunOutcome ?? null },
  };
}
