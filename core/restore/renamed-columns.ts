/**
 * Columns that were renamed after the undone changes, or that have the name of a column which was dropped. The history has values by name, so
 * they would go into another column.
 */
import { type Lsn, parseLsn } from '../types/lsn.ts';
import type { TableNow } from './table-now.ts';
import type { HistoryFacts, UndoneChange } from './undone-changes.ts';

interface Undone {
  /** Of the table. */
  readonly changes: readonly UndoneChange[];
  /** The rows come back as of this position. null: as they were before each change. */
  readonly fromLsn: string | null;
  /** The position of the first change. */
  readonly first: string;
}

/** The present names of such columns, those that no run has seen too. */
export function renamedColumns(
  { columns }: HistoryFacts,
  now: TableNow,
  { changes, fromLsn, first }: Undone,
): string[] {
  const from = fromLsn === null ? null : parseLsn(fromLsn);
  const comesBackFromBefore = (name: string, since: Lsn): boolean =>
    changes.some(({ before, lsn }) => before?.has(name) === true && (from ?? lsn) <= since);
  return now.columns
    .filter(({ attnum, name }) => {
      const stored = columns.find((each) => each.attnum === attnum);
      if (stored === undefined) return columns.some((each) => each.name === name);
      const { since_lsn, former_names = [] } = stored;
      return (
        stored.name !== name ||
        former_names.some(({ until_lsn }) => parseLsn(until_lsn) >= parseLsn(first)) ||
        comesBackFromBefore(name, parseLsn(since_lsn))
      );
    })
    .map(({ name }) => name);
}
