/** The retention window of a table, as it was requested. core/retention applies it. */
import type { TableName } from '../../pg/identifiers.ts';
import type { StoreTransaction } from '../../pg/transaction.ts';

/** Sets the window of a tracked table; null keeps everything. @returns false: the table is not known */
export async function writeRetention(
  store: StoreTransaction,
  nodeId: string,
  { table, retention }: { readonly table: TableName; readonly retention: string | null },
): Promise<boolean> {
  const { rowCount } = await store.query(
    `UPDATE pgtimewarp.tracked_relations SET retention = $4::interval, updated_at = now()
      WHERE node_id = $1::text AND schema_name = $2::text AND table_name = $3::text`,
    [nodeId, table.schema, table.name, retention],
  );
  return rowCount === 1;
}
