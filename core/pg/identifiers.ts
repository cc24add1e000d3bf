/**
 * SQL identifiers. Parsing turns the text of a user into exactly one schema and table name. Quoting turns a name into SQL text
 * that PostgreSQL cannot read as anything else (PostgreSQL manual, "Identifiers and Key Words").
 */
import { TimewarpError } from '../errors/timewarp-error.ts';

/** A table by its names as in the catalog: already folded, without quotes. */
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

/** Always adds quotes, so that no name can be read as a key word or end early. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** `"schema"."table"` for use in SQL text. */
export function quoteTable(table: TableName): string {
  return `${quoteIdentifier(table.schema)}.${quoteIdentifier(table.name)}`;
}

/**
 * As {@link quoteTable}, for reading the rows of the table itself: the log contains exactly those under its name. Without ONLY,
 * the rows of tables that inherit from it would come too. A partitioned table is read without ONLY: its partitions have its rows.
 */
export function quoteOwnRows(table: TableName & { readonly relkind: string }): string {
  return table.relkind === 'p' ? quoteTable(table) : `ONLY ${quoteTable(table)}`;
}

/** For messages: as a user would type it, with quotes only where {@link parseTableName} needs them. */
export function formatTableName(table: TableName): string {
  return [table.schema, table.name].map(formatIdentifier).join('.');
}

/** For messages: with quotes only where the name needs them. */
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
