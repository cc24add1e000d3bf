/**
 * A table that is made anew while its history is being repaired is in no publication: pgoutput tells nothing of it, and the
 * repair would end with nobody listening. Such a repair begins again when the table is published again.
 */
import { TimewarpError } from '../errors/timewarp-error.ts';
import { inTransaction } from '../pg/transaction.ts';
import { whyNotTrackable } from '../setup/trackable.ts';
import { columnsToPublish } from '../slot/column-lists.ts';
import { addToPublication, isPublished } from '../slot/publication-tables.ts';
import { lockCheckpoint } from '../store/claim.ts';
import { restartRepair } from '../store/repairs.ts';
import { hasTrackedKey } from './read-repairs.ts';
import type { RunContext } from './run-context.ts';
import type { RelationNow } from './tables-of-run.ts';

/**
 * For pgoutput, before anything that lets a repair begin. Answers whether a repair begins again. Without the right to
 * publish the table its repair waits, and begins again with every run, until somebody has.
 */
export async function keepRepairsPublished(
  { source, store, claim }: Pick<RunContext, 'source' | 'store' | 'claim'>,
  publication: string,
  relations: readonly RelationNow[],
): Promise<boolean> {
  let restarted = false;
  for (const { relation, facts } of relations) {
    if (relation.repair === null || facts === null) continue;
    // PostgreSQL refuses updates of a published table without a key; and such a table is not read
    if (whyNotTrackable(facts, relation.name) !== null || !hasTrackedKey({ relation, facts })) continue;
    if (await isPublished(source, publication, relation.name)) continue;
    await inTransaction(store, async () => {
      await lockCheckpoint(store, claim);
      await restartRepair(store, relation.relationId); // first: what was read before must not become history
    });
    restarted = true;
    try {
      const columns = await columnsToPublish(source, facts, relation.excludedColumns);
      await addToPublication(source, publication, relation.name, columns);
    } catch (error) {
      // other tables go on; doctor says what the owner has to run
      if (!(error instanceof TimewarpError) || error.code !== 'PUBLICATION_RIGHTS') throw error;
    }
  }
  return restarted;
}
