/**
 * The path segment that names a table, percent-decoded: `schema.table`, each part the true name, letter case kept. A part
 * that holds a dot or begins with a double quote is written in double quotes, as in SQL, since `%2E` and `.` are the same
 * to every proxy on the way: `public."v1.orders"`.
 */
import { TimewarpError } from '../core/errors/timewarp-error.ts';
import type { TableName } from '../core/pg/identifiers.ts';

const PART = '"(?:[^"\\u0000]|"")+"|[^".\\u0000][^.\\u0000]*';
/** What {@link parseTableSegment} takes, but for the length of names, which is counted in bytes. */
export const SEGMENT = new RegExp(`^(${PART})\\.(${PART})$`);
const MAX_BYTES = 63; // as in SQL: the server knows no longer names

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
