/**
 * Row data and key of a change, cut out of the text of wal2json at the places that a {@link ColumnRun} holds.
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

/** The texts of a row and what has to be said beside it. */
export interface RowTexts {
  rowData: string | null;
  partial: PartialRow | null;
  incomplete: string[] | null;
  doubtfulNulls: string[] | null;
  nullsAssumed: boolean;
  jsonNulls: string[] | null;
}

/** Of a deletion. */
export const NO_ROW: RowTexts = {
  rowData: null,
  partial: null,
  incomplete: null,
  doubtfulNulls: null,
  nullsAssumed: false,
  jsonNulls: null,
};

/** Row data of an insert or update; what an update left out comes from the old row where that has it. */
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

/** JSON text of column `i`, null when it does not belong into the row; notes beside the row what it cannot hold. */
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
 * Names of the columns that an update left out because their TOASTed value did not change. One that was added to the
 * table after this change cannot be told from them (see PartialRow).
 */
function findHoles(relation: Wal2jsonRelation, run: ColumnRun): string[] | null {
  const holes = toastableNames(relation.table).filter((name) => run.indexOf(name) === -1);
  return holes.length === 0 ? null : holes;
}

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
 * Whether the column had another name, under which this change does not carry it either. A name that another column has
 * by now says nothing. Renamed since the last run, it may have had names in between that nobody has noted: then any name
 * that the table does not have now could be one.
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

/** Where a column belongs among `columns`: after the nearest one that stands before it in the table. */
function placeOf(name: string, columns: readonly string[], order: readonly string[]): number {
  for (let i = order.indexOf(name) - 1; i >= 0; i--) {
    const at = columns.indexOf(order[i]!);
    if (at !== -1) return at + 1;
  }
  return 0;
}

/** Canonical key of a list of columns; a TOASTed key column that did not change is in `fallback`. Null: not there. */
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
