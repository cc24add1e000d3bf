/**
 * Settles doubtful nulls: wal2json prints NaN and infinity of a float or numeric column as null, as it prints NULL. If the source
 * still has the row that the change made, the row shows which value it was. Otherwise the column is left out and named in
 * `incomplete`. Pure: the caller asks the source.
 */
import { jsonMembers, quoteJson } from '../types/json-text.ts';
import { type PendingChange, versionKey } from '../types/stored.ts';
import type { PlacedChange } from './fill-partial.ts';

/** A change with its commit and the transaction that made it. */
export interface TransactedChange extends PlacedChange {
  readonly xid: string;
}

/** For each change, the columns that are NULL in the row that it made. A change is missing if the source no longer has that row. */
export type ConfirmedNulls = ReadonlyMap<PendingChange, ReadonlySet<string>>;

/**
 * The changes about which the source can be asked: the last change of each key in its transaction, because it made the row that
 * the source has.
 * @param whole false for a part of a transaction: later parts are not known
 */
export function askableChanges(changes: readonly TransactedChange[], whole: boolean): TransactedChange[] {
  if (!whole) return [];
  const last = new Map<string, TransactedChange>();
  for (const each of changes) last.set(versionKey(each.change.relationId, each.change.key), each);
  return [...last.values()].filter(({ change }) => change.doubtfulNulls !== null);
}

/** Removes every doubtful null that the source did not confirm. */
export function settleNulls(changes: readonly TransactedChange[], confirmed: ConfirmedNulls): void {
  for (const { change } of changes) {
    if (change.doubtfulNulls === null) continue;
    const nulls = confirmed.get(change);
    const lost = change.doubtfulNulls.filter((name) => nulls?.has(name) !== true);
    if (lost.length > 0) leaveOut(change, new Set(lost));
    change.doubtfulNulls = null;
  }
}

function leaveOut(change: PendingChange, names: ReadonlySet<string>): void {
  change.incomplete = [...(change.incomplete ?? []), ...names];
  if (change.rowData !== null) {
    const kept = [...jsonMembers(change.rowData, 0).members].filter(([name]) => !names.has(name));
    change.rowData = `{${kept.map(([name, value]) => `${quoteJson(name)}:${value}`).join(',')}}`;
  }
  if (change.partial !== null) {
    const { columns, fragments } = change.partial;
    change.partial = {
      ...change.partial,
      columns: columns.filter((name) => !names.has(name)),
      fragments: fragments.filter((_, index) => !names.has(columns[index]!)),
    };
  }
}
