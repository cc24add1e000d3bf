/** The two output plugins, and the options that our decoders read the stream with: names and values in turn. */

export type Plugin = 'wal2json' | 'pgoutput';

/** Of a node that is made without a word about it. */
export const DEFAULT_PLUGIN: Plugin = 'wal2json';

/** Messages under this prefix are ours: `pg_logical_emit_message(true, 'pgtimewarp', '{…}')`. */
export const MESSAGE_PREFIX = 'pgtimewarp';

/** Of the messages by which a run finds out how far the stream has come (see end-of-wal.ts). */
export const END_PREFIX = 'pgtimewarp.end';

export const OUR_PREFIXES: ReadonlySet<string> = new Set([MESSAGE_PREFIX, END_PREFIX]);

/**
 * wal2json from 2.6 on: numbers come as texts, NaN and infinity among them, which otherwise are printed as null. What does
 * not know the option fails.
 */
export const NUMBERS_AS_TEXT: readonly string[] = ['numeric-data-types-as-string', '1'];

/** OIDs of float4, float8 and numeric, of which wal2json prints NaN and infinity as null (not of domains over them). */
export const PRINTED_AS_NULL: ReadonlySet<number> = new Set([700, 701, 1700]);

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
    ...['add-msg-prefixes', [...OUR_PREFIXES].join(',')],
  ],
  pgoutput: ['proto_version', '1', 'messages', 'true'],
};
