import { TimewarpError } from '../errors/timewarp-error.ts';

export function nameOf({ schema, name }: { readonly schema: string; readonly name: string }): string {
  return `${schema}.${name}`;
}

/** The data of a row that was too large to fetch begins with this character. Only the beginning of the row follows. */
export const CUT = '\u0001';

/**
 * The error for a row that is too large for memory.
 * @param what the table, and the key if the beginning of the row contains it
 */
export function tooLarge(
  lsn: string,
  what: { readonly table: string; readonly key: string | null },
): TimewarpError {
  const row = what.key === null ? 'A row' : `The row ${what.key}`;
  return new TimewarpError(
    'ROW_TOO_LARGE',
    `${row} of ${what.table} in the log at ${lsn} is larger than this program can hold in memory.`,
    { facts: { lsn, table: what.table } },
  );
}

/**
 * The error for a row that a decoder cannot read. Parsing functions throw RangeError with a reason without row data. Any other
 * error does not concern the row and is returned unchanged.
 */
export function unreadable(plugin: string, lsn: string, error: unknown): unknown {
  if (!(error instanceof RangeError)) return error;
  return new TimewarpError(
    'STREAM_UNREADABLE',
    `The row that ${plugin} wrote at ${lsn} cannot be read: ${error.message}`,
    {
      facts: { plugin, lsn },
      cause: error,
    },
  );
}
