/** Suggests the table that a user may have meant by a name that does not exist. Pure. */
import type { TableName } from '../pg/identifiers.ts';

/** The one table whose name is close enough to the wanted one: the same name in another schema, or a typing error. */
export function nearestTable(wanted: TableName, tables: readonly TableName[]): TableName | null {
  const elsewhere = tables.filter((table) => fold(table.name) === fold(wanted.name));
  if (elsewhere.length > 0) return elsewhere[0]!;
  const limit = Math.max(1, Math.floor(wanted.name.length / 3));
  let best: { table: TableName; distance: number } | null = null;
  for (const table of tables) {
    const schema = table.schema === wanted.schema ? 0 : 0.5; // a table in the same schema is preferred
    const distance = editDistance(fold(table.name), fold(wanted.name), limit) + schema;
    if (distance <= limit + schema && (best === null || distance < best.distance)) best = { table, distance };
  }
  return best?.table ?? null;
}

function fold(name: string): string {
  return name.toLowerCase();
}

/** The number of insertions, deletions, replacements and swaps of neighbours between two texts; infinity above `limit`. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return Number.POSITIVE_INFINITY;
  let [beforeLast, last]: [number[], number[]] = [[], [...Array(b.length + 1).keys()]];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let cost = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, beforeLast[j - 2]! + 1);
      row.push(cost);
    }
    [beforeLast, last] = [last, row];
  }
  const distance = last[b.length]!;
  return distance <= limit ? distance : Number.POSITIVE_INFINITY;
}
