/** The two output plugins, and the options that our decoders read the stream with: names and values in turn. */

export type Plugin = 'wal2json' | 'pgoutput';

/** Messages under this prefix are ours: `pg_logical_emit_message(true, 'pgtimewarp', '{…}')`. */
export const MESSAGE_PREFIX = 'pgtimewarp';

/** The caller adds `add-tables` for wal2json and `publication_names` for pgoutput. */
export const PLUGIN_OPTIONS: Readonly<Record<Plugin, readonly string[]>> = {
  wal2json: [
    ...['format-version', '2'],
    ...['include-timestamp', '1'],
    ...['include-types', '0'],
    ...['include-type-oids', '1'],
    ...['include-pk', '1'],
    ...['include-xids', '0'],
    ...['include-lsn', '0'],
    ...['add-msg-prefixes', MESSAGE_PREFIX],
  ],
  pgoutput: ['proto_version', '1', 'messages', 'true'],
};
