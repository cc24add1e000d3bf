/**
 * Takes a table out of the publication when the server refuses UPDATE and DELETE on it because it is published. The writes of
 * the application matter more than the history, so they fail until the next run at most. The table is unknown from there on.
 * When its replica identity is in order again, a run publishes and repairs it (keep-repairs-published.ts).
 */
import { formatTableName } from '../../pg/identifiers.ts';
import { whyWritesRefused } from '../../source/catalog/refused-writes.ts';
import { showGenerated } from '../../source/publication/publication.ts';
import { takeOutIf } from '../../source/publication/publication-tables.ts';
import { readClock, readInsertLsn } from '../../source/slot/end-of-wal.ts';
import { writeDailyEvent, writeHealthEvent } from '../../store/health-events.ts';
import { boundTime } from '../../store/node/trusted-clock.ts';
import { tellRefusal } from '../refused-by-source.ts';
import type { RunContext } from '../run-context.ts';
import { noteCatalog } from './note-catalog.ts';
import type { RelationNow } from './tables-of-run.ts';

type Run = Pick<RunContext, 'source' | 'store' | 'claim' | 'found'>;

/**
 * For pgoutput. Call it before anything else looks at the publication, and outside a peek, which has a transaction open on the
 * source. A change that the role has no right to make is reported, and the next run tries again.
 * @returns whether it changed the source, or what the store knows of the relations
 */
export async function letWritesThrough(
  run: Run,
  publication: string,
  relations: readonly RelationNow[],
): Promise<boolean> {
  let changed = false;
  const place = { store: run.store, nodeId: run.claim.nodeId };
  if (relations.some(({ facts }) => facts?.published?.hidesGenerated === true)) {
    try {
      await showGenerated(run.source, publication);
      changed = true;
    } catch (error) {
      await tellRefusal(place, 'GENERATED_HIDDEN', error);
    }
  }
  for (const now of relations) {
    if (typeof now.facts?.published?.entry !== 'number' || whyWritesRefused(now.facts) === null) continue;
    // the run after its start finds the obstacle, or finds that the table is in no publication
    if (now.relation.state.kind !== 'starting') changed = (await recordGap(run, now)) || changed;
    try {
      changed = (await takeOut(run, publication, now)) || changed;
    } catch (error) {
      await tellRefusal(place, 'SOURCE_WRITES_FAIL', error);
      await tellFailing(run, now);
    }
  }
  return changed;
}

/** @returns whether the table was published, and its writes were still refused */
async function takeOut(
  { source, store, claim }: Run,
  publication: string,
  { relation }: RelationNow,
): Promise<boolean> {
  const after = await takeOutIf(
    source,
    publication,
    relation.name,
    (each) => whyWritesRefused(each) !== null,
  );
  if (after === null) return false;
  const table = formatTableName(relation.name);
  const { why, remedy } = whyWritesRefused(after)!;
  await writeHealthEvent(store, {
    nodeId: claim.nodeId,
    severity: 'fail',
    code: 'SOURCE_WRITES_FAIL',
    message:
      `The source refused UPDATE and DELETE on ${table}: ${why}. It is no longer published, so that its application can write, ` +
      `and is unknown from here on. ${remedy} The next runs publish and read it again.`,
    meta: { table },
  });
  return true;
}

/**
 * Records the gap before the table is taken out. If a run died between the two steps and the replica identity was then
 * corrected, the next run could not see why the table is in no publication, and would wait for a person. @returns whether the
 * gap was new
 */
async function recordGap({ source, store, claim, found }: Run, now: RelationNow): Promise<boolean> {
  const positionNow = await readInsertLsn(source);
  const { time: timeNow } = await boundTime(store, await readClock(source));
  const positions = { horizonBefore: claim.horizon.lsn, horizon: claim.horizon, positionNow, timeNow };
  const options = { store, claim, plugin: 'pgoutput', positions, hasLeftOut: () => false } as const;
  const changed = await noteCatalog([now], options);
  for (const relationId of changed) found.add(relationId);
  return changed.size > 0;
}

async function tellFailing({ store, claim }: Run, { relation, facts }: RelationNow): Promise<void> {
  const table = formatTableName(relation.name);
  const { why, remedy } = whyWritesRefused(facts!)!;
  const message = `UPDATE and DELETE on ${table} FAIL on the source: ${why}. ${remedy} Or run: pgtimewarp untrack ${table}`;
  await writeDailyEvent(store, {
    ...{ nodeId: claim.nodeId, severity: 'fail', code: 'SOURCE_WRITES_FAIL', message },
    meta: { table },
  });
}
