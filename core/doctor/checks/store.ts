/** Can the store take more, and is what it says of positions and times in order? */
import { type Check, fail, ok, warn } from '../check.ts';
import type { DoctorFacts } from '../facts.ts';

const DAY_SECONDS = 86_400;
/** Autovacuum begins to hurry at 200 million; from 1.6 billion on vacuum leaves out all else (vacuum_failsafe_age). */
const OLD_TRANSACTIONS = 1_500_000_000;

export function checkStoreCondition({ node, store }: DoctorFacts): Check[] {
  const condition = store.facts?.condition ?? null;
  if (condition === null) return [];
  const { connectionsUsed, connectionsMax, sizeBytes, ageSeconds } = condition;
  const perDay = Math.round((sizeBytes / Math.max(ageSeconds, DAY_SECONDS)) * DAY_SECONDS);
  return [
    condition.writable
      ? ok('store_writable', 'The store can be written.')
      : fail(
          'store_writable',
          'The store is read-only: a standby, or default_transaction_read_only is on.',
          `On the store: SET default_transaction_read_only = off; ALTER DATABASE ${condition.database} SET default_transaction_read_only = off; or name the primary as --store.`,
        ),
    condition.mayWrite
      ? ok('store_role', 'The role may write history.')
      : fail(
          'store_role',
          'The role of --store may not write history.',
          `On the store: GRANT pgtimewarp_writer TO ${condition.role};`,
        ),
    connectionsUsed < connectionsMax * 0.9
      ? ok('store_connections', `${connectionsUsed} of ${connectionsMax} connections of the store are used.`)
      : warn(
          'store_connections',
          `${connectionsUsed} of ${connectionsMax} connections of the store are used.`,
          `On the store: ALTER SYSTEM SET max_connections = ${connectionsMax * 2}; and restart it, or end sessions that nobody uses.`,
        ),
    condition.autovacuum
      ? ok('store_autovacuum', 'Autovacuum is on.')
      : warn(
          'store_autovacuum',
          'Autovacuum of the store is off: reads get slow, and one day it stops.',
          'On the store: ALTER SYSTEM SET autovacuum = on; SELECT pg_reload_conf();',
        ),
    condition.transactionAge < OLD_TRANSACTIONS
      ? ok(
          'store_transaction_age',
          `The oldest rows of the store are ${condition.transactionAge} transactions old.`,
        )
      : warn(
          'store_transaction_age',
          `The oldest rows of the store are ${condition.transactionAge} transactions old.`,
          'On the store, soon: VACUUM (FREEZE, VERBOSE);',
        ),
    ok('store_size', `The store is ${sizeBytes} bytes, at most about ${perDay} more each day.`),
    condition.mapFaults === 0
      ? ok('time_map', 'Positions and times are in the same order.')
      : fail(
          'time_map',
          `${condition.mapFaults} entries of the time map are out of order, or beyond the horizon.`,
          `The store was changed by hand, or this is a fault of pgtimewarp: report it. The times are kept with the changes too; on the store: ${timesFromChanges(node)}`,
        ),
  ];
}

/** Every change has the time of its commit beside it: the map is mended from there. */
function timesFromChanges(node: string): string {
  return (
    'UPDATE pgtimewarp.lsn_time_map AS m SET ts = c.valid_from_ts FROM pgtimewarp.row_changes AS c ' +
    'JOIN pgtimewarp.relation_periods AS p USING (relation_id) ' +
    `WHERE m.node_id = '${node}' AND p.node_id = m.node_id AND p.lsn_space = m.lsn_space ` +
    "AND c.valid_from_lsn = m.lsn AND c.op <> 'S' AND c.valid_from_ts <> m.ts;"
  );
}
