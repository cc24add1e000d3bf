/** The columns of a table as the catalog has them now, with since when, and under which names before, each was known. Pure. */
import type { TableFacts } from '../source/catalog/table-facts.ts';
import type { FormerName, StoredColumn } from '../store/tables/facts.ts';
import type { TrackedRelation } from '../store/tables/read.ts';
import { formatLsn, LSN_ZERO, type Lsn, tryParseLsn } from '../types/lsn.ts';

/** Between which positions the catalog may have changed. */
export interface ChangeWindow {
  /** Where the last run ended. */
  readonly horizonBefore: Lsn;
  /** A position past every change of this peek. */
  readonly positionNow: Lsn;
}

/**
 * The columns as they are now. A column that kept number and name keeps its position; a name that is new to us was
 * used, if ever, by a column that was gone at the last run; a name that went from one column to another did so at an
 * unknown moment before now.
 */
export function columnsNow(
  known: Pick<TrackedRelation, 'columns' | 'relid'>,
  facts: TableFacts,
  positions: ChangeWindow,
): StoredColumn[] {
  const stored = known.columns;
  return facts.columns.map((column) => {
    const same = stored.find((each) => each.name === column.name);
    const formerNames = namesBefore(known, column, facts, positions);
    let since: Lsn;
    if (stored.length === 0) since = LSN_ZERO;
    else if (same === undefined) since = positions.horizonBefore;
    else if (same.attnum === column.attnum) since = tryParseLsn(same.since_lsn) ?? positions.positionNow;
    else since = positions.positionNow;
    return {
      attnum: column.attnum,
      name: column.name,
      type_oid: column.typeOid,
      type_name: column.typeName,
      since_lsn: formatLsn(since),
      ...(formerNames.length === 0 ? {} : { former_names: formerNames }),
    };
  });
}

/** Whether the column was known under another name before. */
export function hadAnotherName(stored: readonly StoredColumn[], { attnum, name }: StoredColumn): boolean {
  return stored.some((each) => each.attnum === attnum && each.name !== name);
}

/**
 * All the names that a column had before. A change of this run may still come with the last of them, unless another column
 * has that name now: then nobody knows whose it is. Of a table that was made anew nobody knows which column is which.
 */
function namesBefore(
  { columns, relid }: Pick<TrackedRelation, 'columns' | 'relid'>,
  { attnum, name }: TableFacts['columns'][number],
  facts: TableFacts,
  { horizonBefore, positionNow }: ChangeWindow,
): FormerName[] {
  const before = columns.find((each) => each.attnum === attnum);
  if (before === undefined) return [];
  const former = before.former_names ?? [];
  if (before.name === name) return [...former];
  const isTaken = facts.columns.some((each) => each.name === before.name);
  const isSameTable = relid === null || relid === facts.oid;
  const zero = formatLsn(LSN_ZERO);
  const last = isSameTable
    ? { since_lsn: before.since_lsn, until_lsn: formatLsn(isTaken ? horizonBefore : positionNow) }
    : { since_lsn: zero, until_lsn: zero };
  return [...former, { name: before.name, ...last }];
}
