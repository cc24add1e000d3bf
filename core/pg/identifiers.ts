/**
 * SQL identifiers: what a person types becomes exactly one schema and table name, and a name becomes SQL text that can
 * be nothing but that name (PostgreSQL manual, "Identifiers and Key Words").
 */
import { TimewarpError } from '../errors/timewarp-error.ts';

/** A table by its true names: folded or unquoted already, never quoted. */
export interface TableName {
  readonly schema: string;
  readonly name: string;
}

const MAX_BYTES = 63; // NAMEDATALEN - 1: the server would cut a longer name silently
const PART = /^(?:"((?:[^"\0]|"")+)"|([A-Za-z_\u0080-\u{10ffff}][\w$\u0080-\u{10ffff}]*))/u;
const PLAIN = /^[a-z_][a-z0-9_$]*$/;

/**
 * Reads `orders`, `Sales.Orders` (folded to lower case) or `"Odd Name"."T"` (kept); `public` when there is no schema.
 * Throws BAD_TABLE_NAME for everything else.
 */
export function parseTableName(text: string): TableName {
  const parts: string[] = [];
  let rest = text.trim();
  while (true) {
    const match = PART.exec(rest);
    if (match === null) throw badTableName(text);
    const part = match[1] === undefined ? foldCase(match[2]!) : match[1].replaceAll('""', '"');
    if (Buffer.byteLength(part) > MAX_BYTES) throw badTableName(text);
    parts.push(part);
    rest = rest.slice(match[0].length);
    if (rest === '') break;
    if (!rest.startsWith('.') || parts.length === 2) throw badTableName(text);
    rest = rest.slice(1);
  }
  return parts.length === 1 ? { schema: 'public', name: parts[0]! } : { schema: parts[0]!, name: parts[1]! };
}

/** Always quoted, so that no name can be read as a key word or end early. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** `"schema"."table"` for use in SQL text. */
export function quoteTable(table: TableName): string {
  return `${quoteIdentifier(table.schema)}.${quoteIdentifier(table.name)}`;
}

/**
 * As {@link quoteTable}, for reading: the rows of the table itself, which are those that the log tells of under its name.
 * Without ONLY the rows of tables that inherit from it come too. A partitioned table has its rows in its partitions.
 */
export function quoteOwnRows(table: TableName & { readonly relkind: string }): string {
  return table.relkind === 'p' ? quoteTable(table) : `ONLY ${quoteTable(table)}`;
}

/** For messages: as a person would type it, quoted only where {@link parseTableName} needs it. */
export function formatTableName(table: TableName): string {
  return [table.schema, table.name].map(formatIdentifier).join('.');
}

/** For messages: quoted only where it needs it. */
export function formatIdentifier(name: string): string {
  return PLAIN.test(name) ? name : quoteIdentifier(name);
}

/** The server folds ASCII letters only (in multi-byte encodings). */
function foldCase(identifier: string): string {
  return identifier.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

function badTableName(text: string): TimewarpError {
  return new TimewarpError('BAD_TABLE_NAME', `Not a table name: ${text.slice(0, 80)}`);
}
