/** Values as wal2json writes them (tokens): its JSON text becomes the JSON text that is stored. */
import { quoteJson, unquoteJson } from '../types/json-text.ts';
import { canonicalKeyValue } from '../types/key.ts';
import { isJsonNull, renderText } from '../types/render-text.ts';
import type { TextWriter } from './text-writer.ts';
import { isUsualTimestamp, writeTimestamp } from './value-writer.ts';
import type { Wal2jsonColumn } from './wal2json-relation.ts';

const QUOTE = 0x22;
/** Before the digits of bytea: wal2json leaves out its `\\x`. */
const BYTEA_START = Buffer.from('"\\\\x', 'latin1');

/** Writes what {@link renderToken} gives, bytes to bytes where the token needs no reading. */
// biome-ignore lint/complexity/useMaxParams: called for each value
export function writeToken(
  writer: TextWriter,
  column: Wal2jsonColumn,
  bytes: Buffer,
  from: number,
  to: number,
): void {
  const quoted = bytes[from] === QUOTE;
  switch (column.kind.rendering) {
    case 'number':
    case 'boolean':
      if (quoted) break;
      writer.copy(bytes, from, to);
      return;
    case 'text':
      if (!quoted) writeInQuotes(writer, bytes, from, to);
      else if (column.isBytea) {
        writer.copy(BYTEA_START, 0, BYTEA_START.length);
        writer.copy(bytes, from + 1, to);
      } else writer.copy(bytes, from, to);
      return;
    case 'timestamp':
    case 'timestamptz':
      if (!quoted || !isUsualTimestamp(bytes, from + 1, to - 1)) break;
      writeTimestamp(writer, column.kind, bytes, from + 1, to - 1);
      return;
    default:
  }
  writer.text(renderToken(column, bytes.toString('utf8', from, to)));
}

/** Writes the canonical text of a key column as a JSON string, from a token that is not null. */
// biome-ignore lint/complexity/useMaxParams: called for each key column
export function writeKeyToken(
  writer: TextWriter,
  column: Wal2jsonColumn,
  bytes: Buffer,
  from: number,
  to: number,
): void {
  const quoted = bytes[from] === QUOTE;
  if (column.isBytea) writeToken(writer, column, bytes, from, to);
  else if (!column.keyVerbatim) {
    const token = bytes.toString('utf8', from, to);
    writer.text(quoteJson(canonicalKeyValue(column.kind, quoted ? unquoteJson(token) : token)));
  } else if (quoted) writer.copy(bytes, from, to);
  else writeInQuotes(writer, bytes, from, to);
}

// biome-ignore lint/complexity/useMaxParams: called for each value
function writeInQuotes(writer: TextWriter, bytes: Buffer, from: number, to: number): void {
  writer.byte(QUOTE);
  writer.copy(bytes, from, to);
  writer.byte(QUOTE);
}

/** JSON text of a value as it is stored, from wal2json's token (not null). */
export function renderToken(column: Wal2jsonColumn, token: string): string {
  const quoted = token.charCodeAt(0) === QUOTE;
  switch (column.kind.rendering) {
    case 'number':
    case 'boolean':
      return quoted ? renderText(column.kind, unquoteJson(token)) : token; // domains come as strings
    case 'text':
      if (!quoted) return `"${token}"`; // oid comes as a number
      return column.isBytea ? `"\\\\x${token.slice(1)}` : token;
    default:
      return renderText(column.kind, quoted ? unquoteJson(token) : token);
  }
}

/** Whether the token of a json or jsonb column is JSON null (SQL NULL is a bare null). */
export function isJsonNullToken(column: Wal2jsonColumn, token: string): boolean {
  return isJsonNull(column.kind, unquoteJson(token));
}
