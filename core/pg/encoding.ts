/**
 * Encodings that keep text unchanged. The store needs UTF8, because it holds text of any source. A source may have any encoding
 * that the server converts to UTF8. The server does not convert SQL_ASCII, whose bytes belong to no character set (PostgreSQL
 * manual, "Character Set Support"): one byte that is not UTF-8 would end every run.
 */
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { Queryable } from './connection.ts';
import type { DatabaseSide } from './database-error.ts';

/** The value of `server_encoding`: UTF8, SQL_ASCII, LATIN1, … */
export async function readEncoding(session: Queryable): Promise<string> {
  const { rows } = await session.query<{ encoding: string }>(
    `SELECT current_setting('server_encoding') AS encoding`,
  );
  return rows[0]!.encoding;
}

/** Throws ENCODING_REFUSED when text of this database could not be read or stored unchanged. */
export async function refuseEncoding(session: Queryable, side: DatabaseSide): Promise<void> {
  const refusal = whyEncodingRefused(await readEncoding(session), side);
  if (refusal !== null) throw refusal;
}

/** The refusal with its remedy; null when text of such a database can be read and stored unchanged. */
export function whyEncodingRefused(encoding: string, side: DatabaseSide): TimewarpError | null {
  if (side === 'store' ? encoding === 'UTF8' : encoding !== 'SQL_ASCII') return null;
  return new TimewarpError(
    'ENCODING_REFUSED',
    side === 'store'
      ? `The database of the store has the encoding ${encoding}. It must be UTF8 to store every text of a source.`
      : 'The source has the encoding SQL_ASCII: its bytes belong to no character set, so they cannot be stored as text.',
    {
      facts: { side, encoding },
      remedy:
        side === 'store'
          ? `CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8', and name it as --store.`
          : 'Dump the database and restore it into one with the encoding UTF8. Correct bytes that are not UTF-8 first.',
    },
  );
}
