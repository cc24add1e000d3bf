/**
 * The settings of a temporary server. They allow logical decoding. Their output formats are unusual on purpose (a time zone with
 * half an hour, day before month, octal bytea, rounded floats), so that code which does not set its own formats fails here.
 */
export interface ServerPlace {
  readonly port: number;
  readonly socketDir: string;
  /** Whether this server has the setting `output_plugin_libraries`; an older minor version would not start with it. */
  readonly restrictsPlugins: boolean;
  /** Whether commits survive a crash of the machine. They always survive a crash of the server alone. */
  readonly durable: boolean;
}

/** The text of a configuration file; `extra` overrides the settings made here. */
export function serverSettings(place: ServerPlace, extra: Readonly<Record<string, string>> = {}): string {
  const settings: Record<string, string> = {
    listen_addresses: '127.0.0.1',
    port: String(place.port),
    unix_socket_directories: place.socketDir,
    timezone: 'America/St_Johns',
    log_timezone: 'UTC',
    datestyle: 'SQL, DMY',
    intervalstyle: 'postgres_verbose',
    bytea_output: 'escape',
    extra_float_digits: '0',
    wal_level: 'logical',
    max_replication_slots: '40',
    max_wal_senders: '40',
    max_prepared_transactions: '20',
    shared_buffers: '64MB',
    fsync: place.durable ? 'on' : 'off',
    full_page_writes: place.durable ? 'on' : 'off',
    ...(place.restrictsPlugins ? { output_plugin_libraries: 'pgoutput, wal2json, test_decoding' } : {}),
    ...extra,
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'\n`)
    .join('');
}
