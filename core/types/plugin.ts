/** The two output plugins, and the options that our decoders need: name and value in turn. */

import { TimewarpError } from '../errors/timewarp-error.ts';

export type Plugin = 'wal2json' | 'pgoutput';

/** For a node whose plugin the user does not name. */
export const DEFAULT_PLUGIN: Plugin = 'wal2json';

/**
 * Messages with these prefixes are contexts: our own, `pg_logical_emit_message(true, 'pgtimewarp', '{…}')`, and those of the packages
 * of Bemi. A node may have more prefixes.
 */
const CONTEXT_PREFIXES = ['pgtimewarp', '_bemi'];

/** The prefix of the messages by which a run finds the end of the stream (see end-of-wal.ts). */
export const END_PREFIX = 'pgtimewarp.end';

/** The prefixes of the messages that a run reads. @param own further prefixes of the node */
export function messagePrefixes(own: readonly string[] = []): ReadonlySet<string> {
  return new Set([...CONTEXT_PREFIXES, ...own, END_PREFIX]);
}

/** Throws BAD_FLAGS if a node cannot have this prefix for contexts. wal2json splits lists of prefixes at commas. */
export function requireContextPrefix(prefix: string): void {
  if (/^[A-Za-z0-9_.:-]{1,63}$/.test(prefix) && prefix !== END_PREFIX) return;
  throw new TimewarpError('BAD_FLAGS', `"${prefix}" cannot be the prefix of contexts.`, {
    remedy: 'Use 1 to 63 letters, digits, underscores, dots, colons and hyphens.',
  });
}

/**
 * Since wal2json 2.6: numbers come as strings, also NaN and infinity. Without the option wal2json prints those as null. Older
 * versions refuse the option with an error.
 */
export const NUMBERS_AS_TEXT: readonly string[] = ['numeric-data-types-as-string', '1'];

/** OIDs of float4, float8 and numeric: wal2json prints their NaN and infinity as null (not those of domains over them). */
export const PRINTED_AS_NULL: ReadonlySet<number> = new Set([700, 701, 1700]);

/** The caller adds `add-tables` for wal2json and `publication_names` for pgoutput, which delivers messages of all prefixes. */
export function pluginOptions(plugin: Plugin, prefixes = messagePrefixes()): readonly string[] {
  if (plugin === 'pgoutput') return ['proto_version', '1', 'messages', 'true'];
  return [
    ...['format-version', '2'],
    ...['include-timestamp', '1'],
    ...['include-types', '0'],
    ...['include-type-oids', '1'],
    ...['include-pk', '1'],
    ...['include-xids', '0'],
    ...['include-lsn', '0'],
    ...['add-msg-prefixes', [...prefixes].join(',')],
  ];
}
