import { TimewarpError } from '../errors/timewarp-error.ts';

export function nameOf({ schema, name }: { readonly schema: string; readonly name: string }): string {
  return `${schema}.${name}`;
}

/** How the data of a row begins that was too large to be fetched: only its beginning follows. */
export const CUT = '\u0001';

/**
 * The error of a row that cannot be held at once.
 * @param what the table, and the key where it stands at the beginning of the row
 */
export function tooLarge(
  lsn: string,
  what: { readonly table: string; readonly key: string | null },
): TimewarpError {
  const row = what.key === null ? 'A row' : `The row ${what.key}`;
  return new TimewarpError(
    'ROW_TOO_LARGE',
    `${row} of ${what.table} is larger, in the log at ${lsn}, than this program can hold at once.`,
    { facts: { lsn, table: what.table } },
  );
}

/**
 * The error of a row that a decoder cannot read. Parsing functions throw RangeError with a reason that holds no row
 * data; anything else is not about the row and passes through.
 */
export function unreadable(plugin: string, lsn: string, error: unknown): unknown {
  if (!(error instanceof RangeError)) return error;
  return new TimewarpError(
    'STREAM_UNREADABLE',
    `${plugin} wrote a row at ${lsn} that cannot be read: ${error.message}`,
    {
      facts: { plugin, lsn },
      cause: error,
    },
  );
}
