/**
 * Copies row and key of a change out of the output of wal2json, at the positions in a {@link ColumnRun}.
 */
import { quoteJson } from '../types/json-text.ts';
import type { PartialRow } from '../types/stream.ts';
import { append } from './column.ts';
import type { TextWriter } from './text-writer.ts';
import { type ColumnRun, toastableNames, type Wal2jsonRelation } from './wal2json-relation.ts';
import { isJsonNullToken, renderToken, writeKeyToken, writeToken } from './wal2json-token.ts';

/** What a row has beside its text. */
export interface RowRemarks {
  partial: PartialRow | null;
  incomplete: string[] | null;
  doubtfulNulls: string[] | null;
  nullsAssumed: boolean;
  jsonNulls: string[] | null;
}

/** The remarks of a deletion. */
export const NO_REMARKS: RowRemarks = {
  partial: null,
  incomplete: null,
  doubtfulNulls: null,
  nullsAssumed: false,
  jsonNulls: null,
};

const COMMA = 0x2c;
const OPENING_BRACKET = 0x5b;
const CLOSING_BRACKET = 0x5d;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;

/** Writes the row of an insert or update as a field. Values that an update left out come from the old row if that has them. */
// biome-ignore lint/complexity/useMaxParams: called for each row
export function writeRow(
  writer: TextWriter,
  relation: Wal2jsonRelation,
  op: 'I' | 'U',
  run: ColumnRun,
  old: ColumnRun,
): RowRemarks {
  const row: RowRemarks = { ...NO_REMARKS };
  const holes = op === 'U' && run.toastableCount < relation.toastableTotal ? findHoles(relation, run) : null;
  if (holes !== null) {
    writeTextField(writer, withHoles(relation, run, old, holes, row));
    return row;
  }
  let isFirst = true;
  writer.openField();
  for (let i = 0; i < run.count; i++) {
    const column = run.columns[i]!;
    const replacement = remarkOn(run, i, row);
    if (replacement === LEFT_OUT) continue;
    const label = isFirst ? column.firstLabel : column.nextLabel;
    isFirst = false;
    writer.copy(label, 0, label.length);
    if (replacement === null) writeToken(writer, column, run.bytes, run.starts[i]!, run.ends[i]!);
    else writer.text(replacement);
  }
  if (isFirst) writer.byte(OPENING_BRACE);
  writer.byte(CLOSING_BRACE);
  writer.closeField();
  return row;
}

function writeTextField(writer: TextWriter, text: string | null): void {
  if (text === null) {
    writer.nullField();
    return;
  }
  writer.openField();
  writer.text(text);
  writer.closeField();
}

/** Tokens of JSON null are shorter, with white space and escapes. */
const NULL_TOKEN_BYTES = 100;

/** The column does not belong in the row. */
const LEFT_OUT = '';

/**
 * Adds the remarks of column `i` to `row`.
 * @returns the JSON text to write; null: the value as it is; {@link LEFT_OUT}
 */
function remarkOn(run: ColumnRun, i: number, row: RowRemarks): string | null {
  const column = run.columns[i]!;
  if (column.excluded) return LEFT_OUT;
  if (column.unreadable) {
    row.incomplete = append(row.incomplete, column.name);
    return LEFT_OUT;
  }
  if (run.isNull(i)) {
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
        return LEFT_OUT;
      default:
    }
    return 'null';
  }
  if (
    column.kind.rendering === 'json' &&
    run.ends[i]! - run.starts[i]! < NULL_TOKEN_BYTES &&
    isJsonNullToken(column, run.token(i))
  )
    row.jsonNulls = append(row.jsonNulls, column.name);
  return null;
}

/** JSON text of column `i`; null when it does not belong in the row. Adds the remarks of the column to `row`. */
function fragmentAt(run: ColumnRun, i: number, row: RowRemarks): string | null {
  const replacement = remarkOn(run, i, row);
  if (replacement === LEFT_OUT) return null;
  return replacement ?? renderToken(run.columns[i]!, run.token(i));
}

/**
 * Names of the columns that an update left out because their TOASTed value did not change. A column that was added after this
 * change looks the same (see PartialRow).
 */
function findHoles(relation: Wal2jsonRelation, run: ColumnRun): string[] | null {
  const holes = toastableNames(relation.table).filter((name) => run.indexOf(name) === -1);
  return holes.length === 0 ? null : holes;
}

/** The row as a JSON object; null if it has holes that the old row does not fill. */
// biome-ignore lint/complexity/useMaxParams: called for each row with holes
function withHoles(
  relation: Wal2jsonRelation,
  run: ColumnRun,
  old: ColumnRun,
  holes: readonly string[],
  row: RowRemarks,
): string | null {
  const columns: string[] = [];
  const fragments: (string | undefined)[] = [];
  for (let i = 0; i < run.count; i++) {
    const fragment = fragmentAt(run, i, row);
    if (fragment === null) continue;
    columns.push(run.columns[i]!.name);
    fragments.push(fragment);
  }
  const order = relation.table.columns ?? [];
  for (const name of holes) {
    const oldIndex = old.indexOf(name);
    const at = placeOf(name, columns, order);
    columns.splice(at, 0, name);
    fragments.splice(at, 0, oldIndex === -1 ? undefined : (fragmentAt(old, oldIndex, row) ?? undefined));
  }
  if (fragments.includes(undefined)) {
    const renamedHoles = holes.filter((name) => isRenamed(relation, run, name));
    row.partial = {
      ...{ columns, fragments, holesAreCertain: false },
      ...(renamedHoles.length === 0 ? {} : { renamedHoles }),
    };
    return null;
  }
  return `{${columns.map((name, i) => `${quoteJson(name)}:${fragments[i]}`).join(',')}}`;
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

/**
 * Writes the canonical key of a list of columns as a field. An unchanged TOASTed key column comes from `fallback`.
 * @returns false if a key column is missing or null: a key is never NULL, so wal2json lost NaN or infinity
 */
// biome-ignore lint/complexity/useMaxParams: called for each row
export function writeKey(
  writer: TextWriter,
  run: ColumnRun,
  keyLength: number,
  fallback: ColumnRun | null = null,
): boolean {
  writer.openField();
  writer.byte(OPENING_BRACKET);
  for (let k = 0; k < keyLength; k++) {
    let from = run;
    let i = run.indexOfKey(k);
    if (i === -1 && fallback !== null) {
      from = fallback;
      i = fallback.indexOfKey(k);
    }
    if (i === -1 || from.isNull(i)) return false;
    if (k > 0) writer.byte(COMMA);
    writeKeyToken(writer, from.columns[i]!, from.bytes, from.starts[i]!, from.ends[i]!);
  }
  writer.byte(CLOSING_BRACKET);
  writer.closeField();
  return true;
}
