import { TimewarpError } from '../errors/timewarp-error.ts';
import { formatLsn, type Lsn } from '../types/lsn.ts';

export function nameOf({ schema, name }: { readonly schema: string; readonly name: string }): string {
  return `${schema}.${name}`;
}

/** The data of a row that was too large to fetch begins with this byte. Only the beginning of the row follows. */
export const CUT = 0x01;

/**
 * The error for a row that is too large for memory.
 * @param what the table, and the key if the beginning of the row contains it
 */
export function tooLarge(
  lsn: Lsn,
  what: { readonly table: string; readonly key: string | null },
): TimewarpError {
  const row = what.key === null ? 'A row' : `The row ${what.key}`;
  return new TimewarpError(
    'ROW_TOO_LARGE',
    `${row} of ${what.table} in the log at ${formatLsn(lsn)} is larger than this program can hold in memory.`,
    { facts: { lsn: formatLsn(lsn), table: what.table } },
  );
}

/**
 * The error for a row that a decoder cannot read. Parsing functions throw RangeError with a reason without row data. Any other
 * error does not concern the row and is returned unchanged.
 */
export function unreadable(plugin: string, lsn: Lsn, error: unknown): unknown {
  if (!(error instanceof RangeError)) return error;
  return new TimewarpError(
    'STREAM_UNREADABLE',
    `The row that ${plugin} wrote at ${formatLsn(lsn)} cannot be read: ${error.message}`,
    {
      facts: { plugin, lsn: formatLsn(lsn) },
      cause: error,
    },
  );
}
