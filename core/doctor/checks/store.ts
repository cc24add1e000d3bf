/** Checks whether the store can take more history, and whether its time map is in order. */

import { SEE_EACH_OTHER } from '../../store/node/claim.ts';
import { formatBytes } from '../../types/byte-size.ts';
import { type Check, fail, notKnown, ok, warn } from '../check.ts';
import type { DoctorFacts } from '../facts.ts';
import type { StoreCondition } from '../store-condition.ts';

const DAY_SECONDS = 86_400;
/** Autovacuum freezes rows from 200 million on; from 1.6 billion on vacuum does nothing else (vacuum_failsafe_age). */
const OLD_TRANSACTIONS = 1_500_000_000;

export function checkStoreCondition({ node, store }: DoctorFacts): Check[] {
  const condition = store.facts?.condition ?? null;
  if (condition === null) return [];
  const { connectionsUsed, connectionsMax, sizeBytes, ageSeconds } = condition;
  const perDay = Math.round(((sizeBytes ?? 0) / Math.max(ageSeconds, DAY_SECONDS)) * DAY_SECONDS);
  return [
    ...(condition.unknown.length === 0
      ? []
      : [ok('not_known', `The store refuses access to ${condition.unknown.join(', ')}.`)]),
    checkWritable(condition),
    condition.mayWrite
      ? ok('store_role', 'The role may write history.')
      : fail(
          'store_role',
          'The role of --store may not write history.',
          `On the store: GRANT pgtimewarp_writer TO ${condition.role};`,
        ),
    ...checkHolder(condition),
    connectionsUsed === null
      ? notKnown('store_connections', 'How many connections of the store are used')
      : connectionsUsed < connectionsMax * 0.9
        ? ok(
            'store_connections',
            `${connectionsUsed} of ${connectionsMax} connections of the store are used.`,
          )
        : warn(
            'store_connections',
            `${connectionsUsed} of ${connectionsMax} connections of the store are used.`,
            `On the store: ALTER SYSTEM SET max_connections = ${connectionsMax * 2}; and restart it, or end idle sessions.`,
          ),
    condition.autovacuum
      ? ok('store_autovacuum', 'Autovacuum is on.')
      : warn(
          'store_autovacuum',
          'Autovacuum of the store is off: reads get slow, and in the end the store stops accepting writes.',
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
    sizeBytes === null
      ? notKnown('store_size', 'The size of the store')
      : ok(
          'store_size',
          `The store is ${formatBytes(sizeBytes)}, at most about ${formatBytes(perDay)} more each day.`,
        ),
    condition.mapFaults === 0
      ? ok('time_map', 'Positions and times are in the same order.')
      : fail(
          'time_map',
          `${condition.mapFaults} entries of the time map are out of order, or beyond the horizon.`,
          `The store was changed by hand, or this is a fault of pgtimewarp: report it. The changes contain the times too; on the store: ${timesFromChanges(node)}`,
        ),
  ];
}

/** Sessions of pgtimewarp override a read-only default of transactions, so that is a warning. A standby accepts no writes. */
function checkWritable({ inRecovery, inherited }: StoreCondition): Check {
  const readOnly = inherited?.readOnly ?? null;
  if (inRecovery) {
    return fail(
      'store_writable',
      'The store is a standby: it answers questions, and no run can write to it.',
      'Name the primary (the writer endpoint) as --store; or, to make this one the primary, on the store: SELECT pg_promote();',
    );
  }
  return readOnly === null
    ? ok('store_writable', 'The store can be written.')
    : warn(
        'store_writable',
        `Transactions are read-only by default (default_transaction_read_only of ${readOnly.from}): runs write all the same.`,
        `Unless that is intended, on the store: SET default_transaction_read_only = off; ${readOnly.reset}`,
      );
}

/** PostgreSQL hides from other logins whether a session works or hangs. */
function checkHolder({ hiddenHolder, role }: StoreCondition): Check[] {
  if (hiddenHolder === null) return [];
  return [
    warn(
      'store_other_login',
      `A run under the login ${hiddenHolder.role} (pid ${hiddenHolder.pid}) is under way, and ${role} can neither see whether it works nor end it: if it hangs, other runs wait for a long time.`,
      `On the store, as an administrator: ${SEE_EACH_OTHER}`,
    ),
  ];
}

/** SQL that repairs the time map: every stored change also has the time of its commit. */
function timesFromChanges(node: string): string {
  return (
    'UPDATE pgtimewarp.lsn_time_map AS m SET ts = c.valid_from_ts FROM pgtimewarp.row_changes AS c ' +
    'JOIN pgtimewarp.relation_periods AS p USING (relation_id) ' +
    `WHERE m.node_id = '${node}' AND p.node_id = m.node_id AND p.lsn_space = m.lsn_space ` +
    "AND c.valid_from_lsn = m.lsn AND c.op <> 'S' AND c.valid_from_ts <> m.ts;"
  );
}
