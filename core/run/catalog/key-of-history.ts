/**
 * A history belongs to the columns of one key. These columns may get other names, and wider types that print every former
 * key as the same text, so that a question for a former key still finds it. A key of other columns needs a new history.
 */
import type { StoreTransaction } from '../../pg/transaction.ts';
import type { TableFacts } from '../../source/catalog/table-facts.ts';
import { writeKey } from '../../store/tables/facts.ts';
import type { TrackedRelation } from '../../store/tables/read.ts';

/** Kinds that may replace a kind of key column: every text of the former kind is the same text in the new kind. */
const WIDER: Readonly<Record<string, readonly string[]>> = {
  int2: ['int4', 'int8', 'numeric'],
  int4: ['int8', 'numeric'],
  int8: ['numeric'],
  varchar: ['text'],
  text: ['varchar'],
};

/** Whether the table still has the key of its history: columns of the same names, or the same columns of the same table. */
export function isKeyOfHistory(
  relation: Pick<TrackedRelation, 'keyColumns' | 'keyKinds' | 'columns' | 'relid'>,
  facts: TableFacts,
): boolean {
  const { keyColumns, keyKinds, columns, relid } = relation;
  if (facts.key.length !== keyColumns.length) return false;
  return facts.key.every(({ name, kind }, index) => {
    const before = keyKinds[index]!;
    if (kind.name !== before && WIDER[before]?.includes(kind.name) !== true) return false;
    if (name === keyColumns[index]) return true;
    const attnum = facts.columns.find((column) => column.name === name)?.attnum;
    const then = columns.find((column) => column.name === keyColumns[index])?.attnum;
    return relid === facts.oid && then !== undefined && then === attnum;
  });
}

/** Stores the names and types that the columns of the key have now. Call it while a gap is open. */
export async function followKey(
  store: StoreTransaction,
  { relationId, keyColumns, keyKinds }: Pick<TrackedRelation, 'relationId' | 'keyColumns' | 'keyKinds'>,
  facts: TableFacts,
): Promise<void> {
  const [names, kinds] = [facts.key.map(({ name }) => name), facts.key.map(({ kind }) => kind.name)];
  if ([...names, ...kinds].join('\n') === [...keyColumns, ...keyKinds].join('\n')) return;
  await writeKey(store, relationId, { columns: names, kinds });
}
