/**
 * Encodings that text survives. The store holds what any source may hold, so it is UTF8; a source may have any encoding
 * that the server converts to UTF8, which SQL_ASCII is not: its bytes mean nothing that could be converted (PostgreSQL
 * manual, "Character Set Support"), and one byte that is no UTF-8 would end every run.
 */
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { Queryable } from './connection.ts';
import type { DatabaseSide } from './database-error.ts';

/** As `server_encoding` says it: UTF8, SQL_ASCII, LATIN1, … */
export async function readEncoding(session: Queryable): Promise<string> {
  const { rows } = await session.query<{ encoding: string }>(
    `SELECT current_setting('server_encoding') AS encoding`,
  );
  return rows[0]!.encoding;
}

/** Throws ENCODING_REFUSED when text of this database could not be read, or kept, as it is. */
export async function refuseEncoding(session: Queryable, side: DatabaseSide): Promise<void> {
  const refusal = whyEncodingRefused(await readEncoding(session), side);
  if (refusal !== null) throw refusal;
}

/** The refusal, with its remedy; null when text of such a database is read, and kept, as it is. */
export function whyEncodingRefused(encoding: string, side: DatabaseSide): TimewarpError | null {
  if (side === 'store' ? encoding === 'UTF8' : encoding !== 'SQL_ASCII') return null;
  return new TimewarpError(
    'ENCODING_REFUSED',
    side === 'store'
      ? `The store's database has the encoding ${encoding}; it has to be UTF8, to hold whatever a source holds.`
      : 'The source has the encoding SQL_ASCII: its bytes belong to no character set, and cannot be kept as text.',
    {
      facts: { side, encoding },
      remedy:
        side === 'store'
          ? `CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8', and name it as --store.`
          : 'Dump the database and restore it into one with the encoding UTF8; bytes that are no UTF-8 have to be mended first.',
    },
  );
}
