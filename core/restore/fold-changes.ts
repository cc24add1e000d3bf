/**
 * Undone changes become one state per row: what the newest of them left, what was there before the oldest, and the columns
 * between them. A change between two undone ones that is not undone, and that concerns the same columns or whether the row exists,
 * makes the row a conflict. Pure.
 */
import { formatLsn } from '../types/lsn.ts';
import type { Members, UndoneChange } from './undone-changes.ts';

/** What a restore does to one row. */
export interface RowRestore {
  readonly op: 'insert' | 'update' | 'delete';
  readonly pk: string;
  readonly pkText: string;
  /** The commit of the newest undone change. */
  readonly lsn: string;
  /** What must be there now; of an update, the key and the columns. null: no row. */
  readonly expected: Members | null;
  /** What is put back. null: no row. */
  readonly target: Members | null;
  /** Of an update: the columns that the undone changes touched. */
  readonly columns: readonly string[];
  /** Of an insert: columns without a known value, which get their defaults. */
  readonly defaults?: readonly string[];
  readonly conflict: 'later_change' | 'key_reused' | null;
}

/** One per row that is to change. @param changes of one table, in the order of commits */
export function foldChanges(changes: readonly UndoneChange[], keyColumns: readonly string[]): RowRestore[] {
  const byKey = new Map<string, UndoneChange[]>();
  for (const change of changes) {
    const ofKey = byKey.get(change.pk);
    if (ofKey === undefined) byKey.set(change.pk, [change]);
    else ofKey.push(change);
  }
  return [...byKey.values()].map((ofKey) => foldKey(ofKey, keyColumns)).filter((row) => row !== null);
}

function foldKey(changes: readonly UndoneChange[], keyColumns: readonly string[]): RowRestore | null {
  return changes.every(({ op }) => op === 'U') ? foldUpdates(changes, keyColumns) : foldExistence(changes);
}

function foldUpdates(changes: readonly UndoneChange[], keyColumns: readonly string[]): RowRestore | null {
  const expected = new Map<string, string>();
  const target = new Map<string, string>();
  let isBroken = false;
  for (const { before, after } of changes)
    for (const name of touched(before!, after!)) {
      const left = expected.get(name);
      isBroken ||= left !== undefined && left !== before!.get(name);
      if (!target.has(name)) target.set(name, before!.get(name)!);
      expected.set(name, after!.get(name)!);
    }
  const columns = [...target.keys()].filter((name) => isBroken || target.get(name) !== expected.get(name));
  if (columns.length === 0) return null;
  for (const name of keyColumns)
    for (const row of [expected, target]) row.set(name, changes[0]!.before!.get(name)!);
  return { ...common(changes), op: 'update', expected, target, columns, ...conflictIf(isBroken) };
}

function foldExistence(changes: readonly UndoneChange[]): RowRestore | null {
  const target = changes[0]!.before;
  const expected = changes.at(-1)!.after;
  const isBroken = changes.some(
    ({ before }, index) => index > 0 && !isSame(changes[index - 1]!.after, before),
  );
  const conflict = conflictIf(isBroken);
  if (target === null && expected === null)
    return isBroken ? { ...common(changes), op: 'insert', expected, target, columns: [], ...conflict } : null;
  if (target === null)
    return { ...common(changes), op: 'delete', expected, target, columns: [], ...conflict };
  if (expected === null)
    return { ...common(changes), op: 'insert', expected, target, columns: [], ...conflict };
  const columns = touched(target, expected);
  if (columns.length === 0 && !isBroken) return null;
  return { ...common(changes), op: 'update', expected, target, columns, ...conflict };
}

const conflictIf = (isBroken: boolean): Pick<RowRestore, 'conflict'> => ({
  conflict: isBroken ? 'later_change' : null,
});

function common(changes: readonly UndoneChange[]): Pick<RowRestore, 'pk' | 'pkText' | 'lsn'> {
  const { pk, pkText, lsn } = changes.at(-1)!;
  return { pk, pkText, lsn: formatLsn(lsn) };
}

/** Columns that both rows have, with different values. A column that only one has was added or removed between them. */
function touched(before: Members, after: Members): string[] {
  return [...before.keys()].filter((name) => after.has(name) && before.get(name) !== after.get(name));
}

function isSame(left: Members | null, right: Members | null): boolean {
  if (left === null || right === null) return left === right;
  return left.size === right.size && touched(left, right).length === 0;
}
