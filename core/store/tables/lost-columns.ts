/** Reports, once per column and not once per row, that the output plugin does not deliver every value of it. */
import type { StoreTransaction } from '../../pg/transaction.ts';

export interface LostColumn {
  readonly relationId: number;
  readonly column: string;
}

/**
 * Records columns of which the plugin lost a value.
 * @param known columns that are recorded already; the function adds to it
 */
// biome-ignore lint/complexity/useMaxParams: `known` is what the function adds to, beside what it records
export async function noteLostColumns(
  store: StoreTransaction,
  nodeId: string,
  lost: readonly LostColumn[],
  known: Set<string>,
): Promise<void> {
  const found = lost.filter(({ relationId, column }) => !known.has(`${relationId} ${column}`));
  for (const { relationId, column } of found) known.add(`${relationId} ${column}`);
  if (found.length === 0) return;
  await store.query(
    `INSERT INTO pgtimewarp.health_events (node_id, severity, code, message, meta)
     SELECT n.node_id, 'warn', 'COLUMN_INCOMPLETE',
            format('%s does not carry every value of column %s of %s.%s: where it does not, the column is named in "incomplete"',
                   n.plugin, quote_ident(f.column_name), quote_ident(t.schema_name), quote_ident(t.table_name)),
            jsonb_build_object('relation_id', f.relation_id, 'column', f.column_name)
       FROM unnest($2::int[], $3::text[]) AS f (relation_id, column_name)
       JOIN pgtimewarp.tracked_relations AS t ON t.relation_id = f.relation_id
       JOIN pgtimewarp.nodes AS n ON n.node_id = $1::text
      WHERE NOT EXISTS (
              SELECT FROM pgtimewarp.health_events AS e
               WHERE e.node_id = $1::text AND e.code = 'COLUMN_INCOMPLETE'
                 AND e.meta @> jsonb_build_object('relation_id', f.relation_id, 'column', f.column_name))`,
    [nodeId, found.map(({ relationId }) => relationId), found.map(({ column }) => column)],
  );
}
