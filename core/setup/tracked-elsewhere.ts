/**
 * Whether another node of the same database tracks a table. Two slots would then decode its changes and two nodes store them, which
 * is hardly ever meant, so it must be asked for.
 */
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { Queryable } from '../pg/connection.ts';
import { formatTableName, type TableName } from '../pg/identifiers.ts';

/** Throws TABLE_OF_ANOTHER_NODE. It sees nodes of the same store on the same server, timeline and database. */
export async function refuseTrackedElsewhere(
  store: Queryable,
  nodeId: string,
  table: TableName,
): Promise<void> {
  const { rows } = await store.query<{ node_id: string }>(
    `SELECT n.node_id
       FROM pgtimewarp.nodes AS own
       JOIN pgtimewarp.nodes AS n
         ON n.system_identifier = own.system_identifier AND n.timeline = own.timeline
        AND n.database_name = own.database_name AND n.node_id <> own.node_id AND n.status <> 'removed'
       JOIN pgtimewarp.tracked_relations AS t ON t.node_id = n.node_id
      WHERE own.node_id = $1::text AND t.schema_name = $2::text AND t.table_name = $3::text AND t.status <> 'untracked'
      ORDER BY n.node_id LIMIT 1`,
    [nodeId, table.schema, table.name],
  );
  const other = rows[0]?.node_id;
  if (other === undefined) return;
  const name = formatTableName(table);
  throw new TimewarpError(
    'TABLE_OF_ANOTHER_NODE',
    `${name} is tracked by node "${other}", which observes the same database.`,
    {
      remedy: `Ask that node: --node ${other}. To store its changes a second time: pgtimewarp track ${name} --shared`,
      facts: { node: other, table: name },
    },
  );
}

/** Until the end of the transaction no other node of the same server asks for a table. */
export async function lockAgainstOtherNodes(store: Queryable, nodeId: string): Promise<void> {
  await store.query('SELECT pgtimewarp.lock_lineage($1::text)', [nodeId]);
}
