/**
 * The facts of one column that a decoder needs, computed once per relation. Rows and keys are put together from them and from the
 * texts of the values.
 */

import { quoteJson } from '../types/json-text.ts';
import { canonicalKeyValue, isKeyTextVerbatim } from '../types/key.ts';
import { FIRST_USER_OID, type TypeCatalog, type TypeKind } from '../types/pg-types.ts';
import type { DecodedTable } from '../types/stream.ts';

export interface Column {
  readonly name: string;
  /** The JSON text before the value: `{"name":` for the first column of a row, `,"name":` for the others. */
  readonly firstLabel: Buffer;
  readonly nextLabel: Buffer;
  readonly kind: TypeKind;
  /** Excluded by the user: its value must not leave the decoder. */
  readonly excluded: boolean;
  /** Its type was created and dropped since the last run: the meaning of its text is unknown. */
  readonly unreadable: boolean;
  /** Position in the tracked key, -1 when not part of it. */
  readonly keyIndex: number;
  /** Whether the canonical key text is the text output itself. */
  readonly keyVerbatim: boolean;
}

/** A column as the stream describes it. */
interface StreamColumn {
  readonly name: string;
  /** The name as a JSON string. */
  readonly quotedName: string;
  readonly typeOid: number;
}

export function describeColumn(
  { name, quotedName, typeOid }: StreamColumn,
  table: DecodedTable,
  types: TypeCatalog,
): Column {
  const kind = types(typeOid);
  const excluded = table.excludedColumns.has(name);
  return {
    name,
    firstLabel: Buffer.from(`{${quotedName}:`),
    nextLabel: Buffer.from(`,${quotedName}:`),
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

/** Adds a name to a list that is null while empty. */
export function append(list: string[] | null, name: string): string[] {
  if (list === null) return [name];
  list.push(name);
  return list;
}
