/** The columns of a table as in the catalog now. For each: since which position it has its name, and its earlier names. Pure. */
import type { TableFacts } from '../source/catalog/table-facts.ts';
import type { FormerName, StoredColumn } from '../store/tables/facts.ts';
import type { TrackedRelation } from '../store/tables/read.ts';
import { formatLsn, LSN_ZERO, type Lsn, tryParseLsn } from '../types/lsn.ts';

/** The positions between which the catalog may have changed. */
export interface ChangeWindow {
  /** The horizon of the last run. */
  readonly horizonBefore: Lsn;
  /** A position after every change of this peek. */
  readonly positionNow: Lsn;
}

/**
 * The columns now. A column with the same number and name keeps its position. A name that no column had at the last run counts from that
 * run on: only an older column can have had it before. A name that moved from one column to another did so at an unknown moment before
 * now.
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
    const typedSince = typedSinceLsn(known, column, facts, positions);
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
      ...(column.baseTypeOid === column.typeOid ? {} : { base_type_oid: column.baseTypeOid }),
      since_lsn: formatLsn(since),
      ...(typedSince === undefined ? {} : { typed_since_lsn: typedSince }),
      ...(formerNames.length === 0 ? {} : { former_names: formerNames }),
    };
  });
}

/** A position before which the column may have had another type; none if it has had its type as long as it is known. */
// biome-ignore lint/complexity/useMaxParams: one column, with the parameters of columnsNow()
function typedSinceLsn(
  { columns, relid }: Pick<TrackedRelation, 'columns' | 'relid'>,
  { attnum, name, typeOid, typeName }: TableFacts['columns'][number],
  facts: TableFacts,
  { positionNow }: ChangeWindow,
): string | undefined {
  const isSameTable = relid === null || relid === facts.oid;
  const before = columns.find((each) => (isSameTable ? each.attnum === attnum : each.name === name));
  if (before === undefined) return undefined;
  const isSameType = before.type_oid === typeOid && before.type_name === typeName;
  return isSameType ? before.typed_since_lsn : formatLsn(positionNow);
}

/** Whether the store has the column under another name. */
export function hadAnotherName(stored: readonly StoredColumn[], { attnum, name }: StoredColumn): boolean {
  return stored.some((each) => each.attnum === attnum && each.name !== name);
}

/**
 * All earlier names of a column. A change of this run may still use the last of them, unless another column has that name now: then the
 * name is ambiguous. After a table was dropped and created again, it is unknown which column was which.
 */
// biome-ignore lint/complexity/useMaxParams: one column, with the parameters of columnsNow()
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
