/**
 * Cuts row data and key of a change out of the text of wal2json, at the positions in a {@link ColumnRun}.
 */
import { quoteJson } from '../types/json-text.ts';
import { joinKey } from '../types/key.ts';
import type { PartialRow } from '../types/stream.ts';
import { append } from './column.ts';
import {
  type ColumnRun,
  isJsonNullToken,
  quotedKeyToken,
  renderToken,
  toastableNames,
  type Wal2jsonRelation,
} from './wal2json-relation.ts';

/** The texts of a row, and the columns that need a remark. */
export interface RowTexts {
  rowData: string | null;
  partial: PartialRow | null;
  incomplete: string[] | null;
  doubtfulNulls: string[] | null;
  nullsAssumed: boolean;
  jsonNulls: string[] | null;
}

/** The row of a deletion. */
export const NO_ROW: RowTexts = {
  rowData: null,
  partial: null,
  incomplete: null,
  doubtfulNulls: null,
  nullsAssumed: false,
  jsonNulls: null,
};

/** Row data of an insert or update. Values that an update left out come from the old row if that has them. */
// biome-ignore lint/complexity/useMaxParams: called for each row
export function rowTexts(
  data: string,
  relation: Wal2jsonRelation,
  op: 'I' | 'U',
  run: ColumnRun,
  old: ColumnRun,
): RowTexts {
  const row: RowTexts = { ...NO_ROW, rowData: '{}' };
  const holes = op === 'U' && run.toastableCount < relation.toastableTotal ? findHoles(relation, run) : null;
  if (holes !== null) return withHoles(data, relation, run, old, holes, row);
  let json = '';
  for (let i = 0; i < run.count; i++) {
    const fragment = fragmentAt(data, run, i, row);
    if (fragment !== null)
      json += (json === '' ? `{${run.columns[i]!.label}` : run.columns[i]!.nextLabel) + fragment;
  }
  if (json !== '') row.rowData = `${json}}`;
  return row;
}

/** JSON text of column `i`; null when it does not belong in the row. Adds the remarks of the column to `row`. */
// biome-ignore lint/complexity/useMaxParams: called for each value
function fragmentAt(data: string, run: ColumnRun, i: number, row: RowTexts): string | null {
  const column = run.columns[i]!;
  if (column.excluded) return null;
  if (column.unreadable) {
    row.incomplete = append(row.incomplete, column.name);
    return null;
  }
  const token = data.slice(run.starts[i]!, run.ends[i]!);
  if (token === 'null') {
    switch (column.nullIs) {
      case 'doubtful':
        row.doubtfulNulls = append(row.doubtfulNulls, column.name);
        break;
      case 'assumed':
        row.nullsAssumed = true;
        break;
      case 'nan':
        return '"NaN"';
      case 'lost':
        row.incomplete = append(row.incomplete, column.name);
        return null;
      default:
    }
    return token;
  }
  if (isJsonNullToken(column, token)) row.jsonNulls = append(row.jsonNulls, column.name);
  return renderToken(column, token);
}

/**
 * Names of the columns that an update left out because their TOASTed value did not change. A column that was added after this
 * change looks the same (see PartialRow).
 */
function findHoles(relation: Wal2jsonRelation, run: ColumnRun): string[] | null {
  const holes = toastableNames(relation.table).filter((name) => run.indexOf(name) === -1);
  return holes.length === 0 ? null : holes;
}

// biome-ignore lint/complexity/useMaxParams: called for each row with holes
function withHoles(
  data: string,
  relation: Wal2jsonRelation,
  run: ColumnRun,
  old: ColumnRun,
  holes: readonly string[],
  row: RowTexts,
): RowTexts {
  const columns: string[] = [];
  const fragments: (string | undefined)[] = [];
  for (let i = 0; i < run.count; i++) {
    const fragment = fragmentAt(data, run, i, row);
    if (fragment === null) continue;
    columns.push(run.columns[i]!.name);
    fragments.push(fragment);
  }
  const order = relation.table.columns ?? [];
  for (const name of holes) {
    const oldIndex = old.indexOf(name);
    const at = placeOf(name, columns, order);
    columns.splice(at, 0, name);
    fragments.splice(
      at,
      0,
      oldIndex === -1 ? undefined : (fragmentAt(data, old, oldIndex, row) ?? undefined),
    );
  }
  if (fragments.includes(undefined)) {
    row.rowData = null;
    const renamedHoles = holes.filter((name) => isRenamed(relation, run, name));
    row.partial = {
      ...{ columns, fragments, holesAreCertain: false },
      ...(renamedHoles.length === 0 ? {} : { renamedHoles }),
    };
  } else {
    row.rowData = `{${columns.map((name, i) => `${quoteJson(name)}:${fragments[i]}`).join(',')}}`;
  }
  return row;
}

/**
 * Whether the column was renamed and this change does not have it under an earlier name either. A name that another column has
 * now does not count. If the column was renamed since the last run, it may have had further names in between that no run has
 * recorded: then any name in the change that the table does not have now may be one of them.
 */
function isRenamed({ table }: Wal2jsonRelation, run: ColumnRun, name: string): boolean {
  const former = table.formerNames?.get(name) ?? [];
  if (former.length === 0) return false;
  const carried = run.columns.slice(0, run.count).map((column) => column.name);
  const gone = carried.filter((each) => table.columns?.includes(each) !== true);
  return table.renamedNow?.has(name) === true
    ? gone.length === 0
    : !gone.some((each) => former.includes(each));
}

/** The index of a column among `columns`: after the nearest one that precedes it in the table. */
function placeOf(name: string, columns: readonly string[], order: readonly string[]): number {
  for (let i = order.indexOf(name) - 1; i >= 0; i--) {
    const at = columns.indexOf(order[i]!);
    if (at !== -1) return at + 1;
  }
  return 0;
}

/** Canonical key of a list of columns. An unchanged TOASTed key column comes from `fallback`. Null: a key column is missing. */
// biome-ignore lint/complexity/useMaxParams: called for each row
export function keyOf(
  data: string,
  run: ColumnRun,
  keyLength: number,
  fallback: ColumnRun | null = null,
): string | null {
  const parts: string[] = [];
  let found = 0;
  for (let i = 0; i < run.count && found < keyLength; i++) {
    const column = run.columns[i]!;
    if (column.keyIndex === -1) continue;
    const token = data.slice(run.starts[i]!, run.ends[i]!);
    if (token === 'null') return null; // a key is never NULL: wal2json lost NaN or infinity
    if (keyLength === 1) return `[${quotedKeyToken(column, token)}]`;
    parts[column.keyIndex] = quotedKeyToken(column, token);
    found += 1;
  }
  if (found === keyLength) return joinKey(parts);
  if (fallback === null) return null;
  for (let i = 0; i < fallback.count; i++) {
    const column = fallback.columns[i]!;
    if (column.keyIndex === -1 || parts[column.keyIndex] !== undefined) continue;
    const token = data.slice(fallback.starts[i]!, fallback.ends[i]!);
    if (token === 'null') return null;
    parts[column.keyIndex] = quotedKeyToken(column, token);
    found += 1;
  }
  return found === keyLength ? joinKey(parts) : null;
}
