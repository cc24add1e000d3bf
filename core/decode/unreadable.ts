import { TimewarpError } from '../errors/timewarp-error.ts';

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
