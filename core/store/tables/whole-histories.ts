/** Reads where the histories of relations are whole. */
import type { Queryable } from '../../pg/connection.ts';
import { maxLsn, parseLsn } from '../../types/lsn.ts';
import type { WholeHistory } from '../../types/whole-history.ts';
import type { Claim } from '../node/claim.ts';
import type { TrackedRelation } from './read.ts';

/** The whole history of each relation in the present LSN space; without relations whose history has not begun. */
export async function readWholeHistories(
  store: Queryable,
  claim: Claim,
  relations: readonly TrackedRelation[],
): Promise<Map<number, WholeHistory>> {
  const { rows } = await store.query<{ relation_id: number; ended: string | null; began: string | null }>(
    `SELECT r.relation_id, max(g.to_lsn) AS ended, min(g.from_lsn) FILTER (WHERE g.to_ts IS NULL) AS began
       FROM unnest($3::int[]) AS r (relation_id)
       LEFT JOIN pgtimewarp.history_gaps AS g
         ON g.node_id = $1::text AND g.lsn_space = $2::int AND coalesce(g.relation_id, r.relation_id) = r.relation_id
      GROUP BY r.relation_id`,
    [claim.nodeId, claim.lsnSpace, relations.map(({ relationId }) => relationId)],
  );
  const gaps = new Map(rows.map((row) => [row.relation_id, row]));
  const found = new Map<number, WholeHistory>();
  for (const { relationId, trackedFrom } of relations) {
    if (trackedFrom === null) continue;
    const { ended = null, began = null } = gaps.get(relationId) ?? {};
    found.set(relationId, {
      from: ended === null ? trackedFrom : maxLsn(trackedFrom, parseLsn(ended)),
      upto: began === null ? null : parseLsn(began),
    });
  }
  return found;
}
