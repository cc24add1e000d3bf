/**
 * The settings of a throw-away server: everything logical decoding needs, and output formats that no program may rely
 * on (time zone with half an hour, day before month, octal bytea, rounded floats): whoever does not pin them, fails here.
 */
export interface ServerPlace {
  readonly port: number;
  readonly socketDir: string;
  /** Whether this server knows `output_plugin_libraries`: an older minor version would not start with it. */
  readonly restrictsPlugins: boolean;
  /** Commits survive a crash of the machine; a crash of the server alone they always survive. */
  readonly durable: boolean;
}

/** Text of a configuration file; `extra` wins over what is set here. */
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
