/**
 * No write of the application fails because we publish its table, longer than until the next run: history is worth less. A
 * table of which the server refuses UPDATE and DELETE is taken out of the publication, and is unknown from there on. It
 * comes back by itself: a run that finds it in order has it read again, and published (keep-repairs-published.ts).
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
 * For pgoutput, before anything else looks at the publication; outside a peek, which has a transaction open on the source.
 * Answers whether the source, or what the store knows of the relations, is another now. What the role may not change is
 * told, and tried again by the next run.
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
    try {
      changed = (await takeOut(run, publication, now)) || changed;
    } catch (error) {
      await tellRefusal(place, 'SOURCE_WRITES_FAIL', error);
      await tellFailing(run, now);
    }
  }
  return changed;
}

/**
 * The gap is recorded from the catalog as it was when the table was taken out. Somebody may put the identity right before
 * the peek looks, and what was not noted by then could not be found gone.
 */
async function takeOut(run: Run, publication: string, { relation }: RelationNow): Promise<boolean> {
  const { source, store, claim } = run;
  const facts = await takeOutIf(
    source,
    publication,
    relation.name,
    (each) => whyWritesRefused(each) !== null,
  );
  if (facts === null) return false;
  const table = formatTableName(relation.name);
  const { why, remedy } = whyWritesRefused(facts)!;
  await writeHealthEvent(store, {
    nodeId: claim.nodeId,
    severity: 'fail',
    code: 'SOURCE_WRITES_FAIL',
    message:
      `The source refused UPDATE and DELETE on ${table}: ${why}. It is no longer published, so that its application can write, ` +
      `and is unknown from here on. ${remedy} The next runs publish and read it again.`,
    meta: { table },
  });
  if (relation.state.kind === 'starting') return true; // the run after its start finds what stands in the way
  const positionNow = await readInsertLsn(source);
  const { time: timeNow } = await boundTime(store, await readClock(source));
  const positions = { horizonBefore: claim.horizon.lsn, horizon: claim.horizon, positionNow, timeNow };
  const options = { store, claim, plugin: 'pgoutput', positions, hasLeftOut: () => false } as const;
  for (const relationId of await noteCatalog([{ relation, facts }], options)) run.found.add(relationId);
  return true;
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
