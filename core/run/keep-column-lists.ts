/**
 * Column lists of the publication follow their tables: a column added later is not published until it is listed. What
 * changed in between names it as `incomplete`. A table that has left the publication (ALTER TABLE … DROP COLUMN …
 * CASCADE of a listed column takes it out) may have changed unseen, which is a gap.
 */
import type pg from 'pg';
import { TimewarpError } from '../errors/timewarp-error.ts';
import { formatTableName } from '../pg/identifiers.ts';
import { inTransaction } from '../pg/transaction.ts';
import { hasColumnLists, listedColumns } from '../slot/column-lists.ts';
import {
  addToPublication,
  type PublishedTable,
  readPublishedTables,
  replaceColumnList,
} from '../slot/publication-tables.ts';
import { type Claim, lockCheckpoint } from '../store/claim.ts';
import { openRelationGap, writeHealthEvent } from '../store/gaps.ts';
import type { RelationNow } from './tables-of-run.ts';

interface Places {
  readonly source: pg.Client;
  readonly store: pg.Client;
  readonly claim: Claim;
}

/** For the relations with excluded columns; call it outside a peek, which has a transaction open on the source. */
export async function keepColumnLists(
  places: Places,
  publication: string,
  relations: readonly RelationNow[],
): Promise<void> {
  const excluding = relations.filter(({ relation }) => relation.excludedColumns.length > 0);
  if (excluding.length === 0 || !(await hasColumnLists(places.source))) return;
  const published = await readPublishedTables(places.source, publication);
  for (const now of excluding) {
    if (now.facts === null) continue;
    try {
      await keepOne(places, publication, now, published);
    } catch (error) {
      if (!(error instanceof TimewarpError) || error.code !== 'PUBLICATION_RIGHTS') throw error;
      await tellOnce(places, `${error.message} ${error.remedy}`);
    }
  }
}

async function keepOne(
  { source, store, claim }: Places,
  publication: string,
  { relation, facts }: RelationNow,
  published: readonly PublishedTable[],
): Promise<void> {
  const { name } = relation;
  const wanted = listedColumns(facts!, relation.excludedColumns);
  const present = published.find((each) => each.name.schema === name.schema && each.name.name === name.name);
  if (present === undefined) {
    const reason = `${formatTableName(name)} was taken out of the publication "${publication}"`;
    await inTransaction(store, async () => {
      await lockCheckpoint(store, claim);
      await openRelationGap(store, claim, relation.relationId, reason);
    });
    await addToPublication(source, publication, name, wanted);
  } else if (JSON.stringify(present.columns) !== JSON.stringify(wanted)) {
    await replaceColumnList(source, publication, name, wanted);
  }
}

async function tellOnce({ store, claim }: Places, message: string): Promise<void> {
  const { rows } = await store.query(
    `SELECT FROM pgtimewarp.health_events
      WHERE node_id = $1::text AND code = 'COLUMN_LIST_OUTDATED' AND message = $2::text AND ts > now() - interval '1 day'`,
    [claim.nodeId, message],
  );
  if (rows.length > 0) return;
  await writeHealthEvent(store, {
    nodeId: claim.nodeId,
    severity: 'warn',
    code: 'COLUMN_LIST_OUTDATED',
    message,
  });
}
