/** Reads the tables and their catalog at the beginning of a run. Changes of the publication come first. */
import { publicationOf } from '../../source/publication/publication.ts';
import { readSnapshot } from '../../source/slot/end-of-wal.ts';
import { readTrackedRelations, type TrackedRelation } from '../../store/tables/read.ts';
import { followTables } from '../catalog/follow-tables.ts';
import { keepColumnLists } from '../catalog/keep-column-lists.ts';
import { letWritesThrough } from '../catalog/let-writes-through.ts';
import { type RelationNow, readRelationsNow, type SeenRelations } from '../catalog/tables-of-run.ts';
import type { RunContext } from '../run-context.ts';
import type { RunReport } from '../run-report.ts';
import { keepRepairsPublished } from './keep-repairs-published.ts';

/** Follows new tables, then reads every tracked one. The report names new and missing tables. */
export async function lookAtTables(run: RunContext, report: RunReport): Promise<SeenRelations> {
  const { source, store, claim, node, limits } = run;
  const publication = publicationOf(node);
  const onSource = <T>(work: () => Promise<T>): Promise<T> => limits.onSource(work);
  report.followed = await followTables({ source, store, node, onSource });
  const tracked = await readTrackedRelations(store, claim.nodeId);
  const snapshot = await onSource(() => readSnapshot(source));
  const relations = await onSource(async () => {
    const seen = await readRelationsNow(source, tracked, publication);
    if (publication === null) return seen;
    const again = async (): Promise<RelationNow[]> =>
      readRelationsNow(source, await readTrackedRelations(store, claim.nodeId), publication);
    const present = (await letWritesThrough(run, publication, seen)) ? await again() : seen;
    return (await keepRepairsPublished(run, publication, present)) ? await again() : present;
  });
  report.missing = relations.filter(({ facts }) => facts === null).map(({ relation }) => relation.name);
  return { relations, snapshot };
}

/** Updates the column lists of the publication. @returns the relations as the store has them afterwards */
export async function withColumnLists(
  run: RunContext,
  { relations }: SeenRelations,
): Promise<readonly TrackedRelation[]> {
  const { store, claim, node, limits } = run;
  const publication = publicationOf(node);
  if (publication !== null && (await limits.onSource(() => keepColumnLists(run, publication, relations))))
    return readTrackedRelations(store, claim.nodeId);
  return relations.map(({ relation }) => relation);
}
