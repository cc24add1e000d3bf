/**
 * What a decoder knows of one column of a stream's row, worked out once per relation, and how a row and a key are put
 * together from the texts of columns.
 */

import { quoteJson } from '../types/json-text.ts';
import { canonicalKeyValue, isKeyTextVerbatim } from '../types/key.ts';
import { FIRST_USER_OID, type TypeCatalog, type TypeKind } from '../types/pg-types.ts';
import type { DecodedTable } from '../types/stream.ts';

export interface Column {
  readonly name: string;
  /** `"name":`, the JSON text before its value; `nextLabel` with the comma that follows another column. */
  readonly label: string;
  readonly nextLabel: string;
  readonly kind: TypeKind;
  /** Its value must not leave the decoder. */
  readonly excluded: boolean;
  /** Its type came and went since the last run: nobody knows what its text means. */
  readonly unreadable: boolean;
  /** Position in the tracked key, -1 when not part of it. */
  readonly keyIndex: number;
  /** The canonical key text is the text output itself. */
  readonly keyVerbatim: boolean;
}

/** @param quotedName the name as a JSON string @param typeOid OID of its type, as the stream gives it */
export function describeColumn(
  table: DecodedTable,
  name: string,
  quotedName: string,
  typeOid: number,
  types: TypeCatalog,
): Column {
  const kind = types(typeOid);
  const excluded = table.excludedColumns.has(name);
  return {
    name,
    label: `${quotedName}:`,
    nextLabel: `,${quotedName}:`,
    kind,
    excluded,
    unreadable: !excluded && kind.name === 'unknown' && typeOid >= FIRST_USER_OID,
    keyIndex: table.keyColumns.indexOf(name),
    keyVerbatim: isKeyTextVerbatim(kind),
  };
}

/** Canonical key text of a value in PostgreSQL's text output, as a JSON string. */
export function quotedKeyText(column: Column, text: string): string {
  return quoteJson(column.keyVerbatim ? text : canonicalKeyValue(column.kind, text));
}

/** Adds to a list that is null while it is empty. */
export function append(list: string[] | null, name: string): string[] {
  if (list === null) return [name];
  list.push(name);
  return list;
}
