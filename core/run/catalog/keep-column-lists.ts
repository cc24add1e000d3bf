/**
 * Keeps the publication's column lists in step with their tables. A column added later is not published until the list names
 * it. Versions from before that name the column in `incomplete`.
 */
import type pg from 'pg';
import { inTransaction } from '../../pg/transaction.ts';
import { hasColumnLists, listedColumns } from '../../source/publication/column-lists.ts';
import { replaceInPublication } from '../../source/publication/publication-tables.ts';
import { type Claim, lockCheckpoint } from '../../store/node/claim.ts';
import { writePublishedEntry } from '../../store/tables/facts.ts';
import { tellRefusal } from '../refused-by-source.ts';
import type { RelationNow } from './tables-of-run.ts';

interface Places {
  readonly source: pg.Client;
  readonly store: pg.Client;
  readonly claim: Claim;
}

/**
 * Only for relations with excluded columns. Call it outside a peek, which has a transaction open on the source.
 * @returns whether it changed what the store knows of a relation
 */
export async function keepColumnLists(
  places: Places,
  publication: string,
  relations: readonly RelationNow[],
): Promise<boolean> {
  const outdated = relations.filter(isOutdated);
  if (outdated.length === 0 || !(await hasColumnLists(places.source))) return false;
  let replaced = false;
  for (const now of outdated) {
    try {
      replaced = (await keepOne(places, publication, now)) || replaced;
    } catch (error) {
      await tellRefusal({ store: places.store, nodeId: places.claim.nodeId }, 'COLUMN_LIST_OUTDATED', error);
    }
  }
  return replaced;
}

/** Not if somebody else changed the entry: the run must find that change first, and replacing the entry would hide it. */
function isOutdated({ relation, facts }: RelationNow): boolean {
  const published = facts?.published ?? null;
  if (relation.excludedColumns.length === 0 || published === null || published.isFiltered) return false;
  if (published.entry === null || published.entry !== relation.catalogFacts?.published?.entry) return false;
  return (
    JSON.stringify(published.columns) !== JSON.stringify(listedColumns(facts!, relation.excludedColumns))
  );
}

/** If the run dies between the two writes, the next run takes the new entry for a stranger's and repairs the table. */
async function keepOne(
  { source, store, claim }: Places,
  publication: string,
  now: RelationNow,
): Promise<boolean> {
  const { relation, facts } = now;
  const columns = listedColumns(facts!, relation.excludedColumns);
  const before = facts!.published!.entry!;
  const entry = await replaceInPublication(source, publication, relation.name, columns, before);
  if (entry === null) return false;
  await inTransaction(store, async (tx) => {
    await lockCheckpoint(tx, claim);
    await writePublishedEntry(tx, relation.relationId, entry);
  });
  return true;
}
