/** Whether a row that was read is the one that history has. Pure; values are compared as the text they are stored as. */
import { jsonMembers } from '../types/json-text.ts';

interface KnownVersion {
  readonly rowData: string | null;
  readonly incomplete: readonly string[] | null;
  readonly jsonNulls: readonly string[] | null;
}

/**
 * A column that history does not know counts as the same while it is NULL (it was added since), and one that the table
 * has no more does not count. @param known null when history has no such row
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
