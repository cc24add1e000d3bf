/**
 * The settings of every session. They override those of server, database, role and pooler. So each session prints values the
 * same way, sees every row or fails, ends by our own time-outs only, and commits durably.
 */
import type { DatabaseSide } from './database-error.ts';

/**
 * PostgreSQL manual, "Client Connection Defaults" and "Version and Platform Compatibility": these settings change the text
 * of values, and how text is read as a value. lc_monetary decides the text of money, DateStyle and IntervalStyle those of
 * dates and intervals, quote_all_identifiers those of type names and reg* values.
 */
const OUTPUT = {
  TimeZone: 'UTC',
  DateStyle: 'ISO, YMD',
  IntervalStyle: 'postgres',
  bytea_output: 'hex',
  extra_float_digits: '1',
  client_encoding: 'UTF8',
  lc_monetary: 'C',
  xmlbinary: 'base64',
  xmloption: 'content',
  array_nulls: 'on',
  quote_all_identifiers: 'off',
  transform_null_equals: 'off',
  standard_conforming_strings: 'on',
  search_path: 'pg_catalog',
  /** wal2json warns of rows that it cannot write. */
  client_min_messages: 'warning',
  /** PostgreSQL then refuses a query whose rows a policy would filter. Otherwise a run would take the visible rows for all. */
  row_security: 'off',
} as const;

/**
 * The server ends a session whose client is gone without a word (a frozen function, a dead host) after 90 seconds. With the usual
 * settings of the system it would keep the session, with its locks and its slot, for two hours (PostgreSQL manual, "TCP Settings").
 */
const KEEP_ALIVE = {
  tcp_keepalives_idle: '60',
  tcp_keepalives_interval: '10',
  tcp_keepalives_count: '3',
} as const;

/**
 * Inherited time-outs of a role or database would end our sessions during their work. Our own limits are set per statement (see
 * run-limits.ts). jit is off because our statements are short: compiling one costs more than running it.
 */
const SESSION = {
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  idle_session_timeout: '0',
  default_transaction_isolation: 'read committed',
  default_transaction_read_only: 'off',
  default_transaction_deferrable: 'off',
  jit: 'off',
  ...KEEP_ALIVE,
} as const;

/**
 * What a commit waits for. On the store: at least its own disk, because the slot moves past everything that the store has
 * committed. On the source: its own disk only. Our commits there need not survive a failover, and a missing standby would let
 * them wait without end (PostgreSQL manual, "Synchronous Replication").
 */
const SYNCHRONOUS_COMMIT: Readonly<Record<DatabaseSide, string>> = { source: 'local', store: 'on' };

/** As SQL, for the start of a session. @param statementTimeoutMs 0: none */
export function sessionSettingsSql(side: DatabaseSide, statementTimeoutMs = 0): string {
  const settings = {
    ...OUTPUT,
    ...SESSION,
    statement_timeout: String(statementTimeoutMs),
    synchronous_commit: SYNCHRONOUS_COMMIT[side],
  };
  return `${assignments('SET', settings)};
    SELECT set_config('transaction_timeout', '0', false) -- from 17 on
     WHERE current_setting('transaction_timeout', true) IS NOT NULL`;
}

/**
 * SQL to follow BEGIN: sets for this transaction how rows are printed and which ones are visible. Behind a pooler the transaction
 * may run in another session, without our settings.
 */
export const TRANSACTION_OUTPUT_SQL = assignments('SET LOCAL', OUTPUT);

function assignments(command: 'SET' | 'SET LOCAL', settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `${command} ${name} = ${name === 'search_path' ? value : `'${value}'`}`)
    .join('; ');
}
