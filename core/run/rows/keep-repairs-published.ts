/**
 * A table that is made anew is in no publication, and others are taken out of theirs, or restricted in it: pgoutput tells
 * nothing of them, and a repair would end with nobody listening. Such a repair begins again when every change is published.
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
 * For pgoutput, before anything that lets a repair begin. Answers whether a repair begins again. Where the
 * run cannot publish the table its repair waits, and begins again with every run, until somebody has.
 */
export async function keepRepairsPublished(
  { source, store, claim }: Pick<RunContext, 'source' | 'store' | 'claim'>,
  publication: string,
  relations: readonly RelationNow[],
): Promise<boolean> {
  let restarted = false;
  for (const { relation, facts } of relations) {
    if (!isUnderRepair(relation.state) || facts === null) continue;
    // such a table is not read, and publishing it may make the server refuse its application's writes
    if (whyNotTrackable(facts, relation.name, 'pgoutput') !== null || !hasTrackedKey({ relation, facts }))
      continue;
    if (isPublishedWhole(facts, relation.excludedColumns)) continue;
    const isTracked = await inTransaction(store, async (tx) => {
      await lockCheckpoint(tx, claim);
      if (!(await lockTracked(tx, relation.relationId))) return false;
      await restartRepair(tx, relation.relationId); // first: what was read before must not become history
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
