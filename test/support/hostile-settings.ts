/** Settings that could change what our sessions print, see or wait for. */

/** A hostile value for each setting that our sessions fix (core/pg/session-settings.ts). */
export const HOSTILE: Readonly<Record<string, string>> = {
  TimeZone: 'Asia/Kolkata',
  DateStyle: 'SQL, DMY',
  IntervalStyle: 'iso_8601',
  bytea_output: 'escape',
  extra_float_digits: '-3',
  xmlbinary: 'hex',
  xmloption: 'document',
  array_nulls: 'off',
  quote_all_identifiers: 'on',
  transform_null_equals: 'on',
  standard_conforming_strings: 'off',
  search_path: 'pg_temp, public',
  row_security: 'on',
  statement_timeout: '150ms',
  lock_timeout: '1ms',
  idle_in_transaction_session_timeout: '100ms',
  idle_session_timeout: '150ms',
  default_transaction_isolation: 'serializable',
  default_transaction_read_only: 'on',
  default_transaction_deferrable: 'on',
  synchronous_commit: 'off',
  client_min_messages: 'error',
  tcp_keepalives_idle: '7000',
  tcp_keepalives_interval: '700',
  tcp_keepalives_count: '30',
};

/** The text after the `=` of an assignment: search_path is a list of names, every other setting one text. */
export function settingValue(name: string, value: string): string {
  return name === 'search_path' ? value : `'${value}'`;
}
