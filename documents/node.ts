/** The documents that this code makes itself, from what the store knows of nodes and tables. No row data in them. */
import type * as z from 'zod';
import type { StoredNode } from '../core/store/node/nodes.ts';
import type { NodeOverview, Point, RelationOverview } from '../core/store/overview.ts';
import { formatCommitTime } from '../core/types/commit-time.ts';
import { formatLsn } from '../core/types/lsn.ts';
import type { Nodes, Tables } from '../http/schemas.ts';
import { formatTableSegment } from './table-segment.ts';

type NodeDocument = z.input<typeof Nodes>['nodes'][number];
type TableDocument = z.input<typeof Tables>['tables'][number];

export function nodeDocument(node: StoredNode): NodeDocument {
  const { horizon } = node;
  const ran = horizon?.lastRunAt ?? null;
  return {
    node: node.node,
    status: node.status,
    status_reason: node.statusReason,
    database: node.database,
    plugin: node.plugin,
    horizon: horizon && point(horizon),
    caught_up: horizon?.caughtUp ?? false,
    last_run: ran === null ? null : { at: formatCommitTime(ran), outcome: horizon?.lastRunOutcome ?? null },
  };
}

export function tablesDocument({ node, relations }: NodeOverview): z.input<typeof Tables> {
  return { node: node.node, tables: relations.map((relation) => tableDocument(node.node, relation)) };
}

function tableDocument(node: string, relation: RelationOverview): TableDocument {
  const segment = formatTableSegment(relation.name);
  return {
    schema: relation.name.schema,
    table: relation.name.name,
    segment,
    path: `/v1/nodes/${node}/tables/${encodeURIComponent(segment)}`,
    status: relation.status,
    status_reason: relation.statusReason,
    key: [...relation.keyColumns],
    tracked_from: relation.trackedFrom && point(relation.trackedFrom),
    tracked_to: relation.trackedTo && point(relation.trackedTo),
    baseline: relation.baseline,
    retention: relation.retention,
    excluded: [...relation.excludedColumns],
    no_nan: relation.noNan,
  };
}

function point({ lsn, ts }: Point): { lsn: string; ts: string } {
  return { lsn: formatLsn(lsn), ts: formatCommitTime(ts) };
}
