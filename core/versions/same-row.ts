/** Compares a row that was read with the one in history. Pure; values are compared by their stored text. */
import { jsonMembers } from '../types/json-text.ts';

interface KnownVersion {
  readonly rowData: string | null;
  readonly incomplete: readonly string[] | null;
  readonly jsonNulls: readonly string[] | null;
}

/**
 * A column that is missing in history counts as equal while it is NULL, because it was added later. A column that the table no
 * longer has does not count. @param known null when history has no such row
 */
export function isSameRow(
  known: KnownVersion | null,
  read: { readonly rowData: string; readonly jsonNulls: readonly string[] | null },
): boolean {
  if (known === null || known.rowData === null || known.incomplete !== null) return false;
  if ((known.jsonNulls ?? []).join('\n') !== (read.jsonNulls ?? []).join('\n')) return false;
  if (known.rowData === read.rowData) return true;
  const before = jsonMembers(known.rowData, 0).members;
  for (const [column, value] of jsonMembers(read.rowData, 0).members) {
    if ((before.get(column) ?? 'null') !== value) return false;
  }
  return true;
}
