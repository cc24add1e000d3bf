/**
 * Keeps tables under repair in the publication. A recreated table is in no publication; other tables were removed from it
 * or restricted in it. pgoutput delivers no changes of these, so their repair would miss them. The run adds the table, and
 * the repair restarts.
 */
import { inTransaction } from '../../pg/transaction.ts';
import { whyNotTrackable } from '../../source/catalog/trackable.ts';
import { ensurePublished } from '../../source/publication/publication-tables.ts';
import { lockCheckpoint } from '../../store/node/claim.ts';
import { lockTracked } from '../../store/tables/read.ts';
import { restartRepair } from '../../store/tables/repair.ts';
import { isUnderRepair } from '../../store/tables/state.ts';
import { isPublishedWhole } from '../catalog/catalog-facts.ts';
import type { RelationNow } from '../catalog/tables-of-run.ts';
import { tellRefusal } from '../refused-by-source.ts';
import type { RunContext } from '../run-context.ts';
import { hasTrackedKey } from './read-repairs.ts';

/**
 * For pgoutput. Call it before anything that lets a repair begin. Where the run cannot publish the table, every run restarts
 * the repair until somebody publishes it.
 * @returns whether a repair restarted
 */
export async function keepRepairsPublished(
  { source, store, claim }: Pick<RunContext, 'source' | 'store' | 'claim'>,
  publication: string,
  relations: readonly RelationNow[],
): Promise<boolean> {
  let restarted = false;
  for (const { relation, facts } of relations) {
    if (!isUnderRepair(relation.state) || facts === null) continue;
    // a repair cannot read such a table, and after publishing it the server may refuse the application's writes
    if (whyNotTrackable(facts, relation.name, 'pgoutput') !== null || !hasTrackedKey({ relation, facts }))
      continue;
    if (isPublishedWhole(facts, relation.excludedColumns)) continue;
    const isTracked = await inTransaction(store, async (tx) => {
      await lockCheckpoint(tx, claim);
      if (!(await lockTracked(tx, relation.relationId))) return false;
      await restartRepair(tx, relation.relationId); // first: rows read before must not become history
      return true;
    });
    if (!isTracked) continue;
    restarted = true;
    try {
      await ensurePublished(source, publication, facts, relation.excludedColumns);
    } catch (error) {
      await tellRefusal({ store, nodeId: claim.nodeId }, 'REPAIR_WAITS', error);
    }
  }
  return restarted;
}
