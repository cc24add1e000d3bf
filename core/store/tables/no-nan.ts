/**
 * The declaration --no-nan of a table: its numeric and float columns never hold NaN or Infinity. wal2json prints such values
 * as NULL; with the declaration a NULL counts as NULL. The declaration holds until a run sees such a value.
 */

import { formatTableName } from '../../pg/identifiers.ts';
import type { StoreTransaction } from '../../pg/transaction.ts';
import { writeHealthEvent } from '../health-events.ts';
import type { LostColumn } from './lost-columns.ts';

/**
 * Records, once, that the declaration of a table is false: later runs ignore it, and doctor fails. Does nothing for a table
 * without the declaration.
 */
export async function refuteNoNan(
  store: StoreTransaction,
  nodeId: string,
  { relationId, column }: LostColumn,
): Promise<void> {
  const { rows } = await store.query<{ schema_name: string; table_name: string }>(
    `UPDATE pgtimewarp.tracked_relations
        SET no_nan_refuted = $2::text, updated_at = now()
      WHERE relation_id = $1::int AND no_nan AND no_nan_refuted IS NULL
     RETURNING schema_name, table_name`,
    [relationId, column],
  );
  const found = rows[0];
  if (found === undefined) return;
  const table = formatTableName({ schema: found.schema_name, name: found.table_name });
  await writeHealthEvent(store, {
    nodeId,
    severity: 'fail',
    code: 'NO_NAN_FALSE',
    message: `${table} is tracked with --no-nan, but its column "${column}" holds NaN or infinity: NULLs that were taken at their word before may have been such values`,
    meta: { relation_id: relationId, column },
  });
}
