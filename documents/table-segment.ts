/**
 * The path segment that names a table, percent-decoded: `schema.table`, each part as in the catalog, with its letter case. A part
 * with a dot, or with a double quote at its start, stands in double quotes as in SQL: `public."v1.orders"`. Percent-encoding the
 * dot would not help: to proxies `%2E` and `.` are the same.
 */
import { TimewarpError } from '../core/errors/timewarp-error.ts';
import type { TableName } from '../core/pg/identifiers.ts';

const PART = '"(?:[^"\\u0000]|"")+"|[^".\\u0000][^.\\u0000]*';
/** The form that {@link parseTableSegment} accepts. It also checks the length of names, in bytes. */
export const SEGMENT = new RegExp(`^(${PART})\\.(${PART})$`);
const MAX_BYTES = 63; // as in SQL: PostgreSQL has no longer names

/** Throws BAD_TABLE_NAME. */
export function parseTableSegment(segment: string): TableName {
  const match = SEGMENT.exec(segment);
  const [schema = '', name = ''] = [match?.[1], match?.[2]].map(unquote);
  const fits = [schema, name].every((part) => Buffer.byteLength(part) <= MAX_BYTES);
  if (match !== null && fits) return { schema, name };
  throw new TimewarpError('BAD_TABLE_NAME', `Not a table: ${segment.slice(0, 80)}`, {
    remedy:
      'Write schema.table, percent-encoded; a name with a dot in double quotes: public.%22v1.orders%22.',
  });
}

/** The segment of a table, not yet percent-encoded. */
export function formatTableSegment({ schema, name }: TableName): string {
  return [schema, name]
    .map((part) => (part.includes('.') || part.startsWith('"') ? `"${part.replaceAll('"', '""')}"` : part))
    .join('.');
}

function unquote(part: string | undefined): string {
  if (part === undefined) return '';
  return part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part;
}
