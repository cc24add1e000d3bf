/**
 * A tracked table. Two documents have it: the list of the tables of a node, with the HTTP path of each, and the status, which adds
 * facts for the operator (documents/status.ts).
 */
import * as z from 'zod';
import type { NodeOverview, RelationOverview } from '../core/store/overview.ts';
import { formatTableSegment } from './table-segment.ts';
import { NodeName, Point, pointDocument, Text } from './values.ts';

/** The members that both documents have. */
const TableState = z.object({
  status: z.enum(['starting', 'active', 'needs_rebaseline', 'untracked']),
  status_reason: Text.nullable(),
  key: z.array(Text),
  tracked_from: Point.nullable(),
  tracked_to: Point.nullable(),
  baseline: z.enum(['none', 'pending', 'done']),
  retention: Text.nullable(),
  excluded: z.array(Text),
  no_nan: z.boolean().meta({ description: 'tracked with --no-nan' }),
});
export const Table = z.object({
  schema: Text,
  table: Text,
  segment: Text.meta({ description: 'the value of {table} in a path, not yet percent-encoded' }),
  path: Text.meta({ description: 'the beginning of every path of the table, percent-encoded' }),
  ...TableState.shape,
});
export const Tables = z.object({ node: NodeName, tables: z.array(Table) });

export type TableStateDocument = Readonly<z.input<typeof TableState>>;
export type TablesDocument = Readonly<z.input<typeof Tables>>;

export function tablesDocument({ node, relations }: NodeOverview): TablesDocument {
  return { node: node.node, tables: relations.map((relation) => tableDocument(node.node, relation)) };
}

function tableDocument(node: string, relation: RelationOverview): z.input<typeof Table> {
  const segment = formatTableSegment(relation.name);
  return {
    schema: relation.name.schema,
    table: relation.name.name,
    segment,
    path: `/v1/nodes/${node}/tables/${encodeURIComponent(segment)}`,
    ...tableState(relation),
  };
}

export function tableState(relation: RelationOverview): TableStateDocument {
  return {
    status: relation.status,
    status_reason: relation.statusReason,
    key: [...relation.keyColumns],
    tracked_from: relation.trackedFrom && pointDocument(relation.trackedFrom),
    tracked_to: relation.trackedTo && pointDocument(relation.trackedTo),
    baseline: relation.baseline,
    retention: relation.retention,
    excluded: [...relation.excludedColumns],
    no_nan: relation.noNan,
  };
}
