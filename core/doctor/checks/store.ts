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
          `On the store: ALTER DATABASE ${condition.database} SET default_transaction_read_only = off; or name the primary as --store.`,
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
          `The store was changed by hand, or this is a fault of pgtimewarp: report it, then pgtimewarp rebaseline --node ${node}`,
        ),
  ];
}
