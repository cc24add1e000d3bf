/**
 * Column lists of the publication follow their tables: a column added later is not published until it is listed. What
 * changed in between names it as `incomplete`.
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
 * For the relations with excluded columns; call it outside a peek, which has a transaction open on the source. Answers
 * whether what the store knows of them is another now.
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

/** What somebody else did to the entry has to be noticed first, and would not be after it was replaced. */
function isOutdated({ relation, facts }: RelationNow): boolean {
  const published = facts?.published ?? null;
  if (relation.excludedColumns.length === 0 || published === null || published.isFiltered) return false;
  if (published.entry === null || published.entry !== relation.catalogFacts?.published?.entry) return false;
  return (
    JSON.stringify(published.columns) !== JSON.stringify(listedColumns(facts!, relation.excludedColumns))
  );
}

/** Should the run end in between, the next one takes the new entry for somebody else's, and reads the table again. */
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
