/**
 * One peek: it opens the peek under the present names of the tables, compares the catalog with that of the last run, and writes
 * what the slot delivers to the store. It reads the catalog after the slot function has run, so that the catalog is younger than
 * every change of the peek. The slot does not move.
 */
import { createPgoutputDecoder } from '../../decode/pgoutput.ts';
import { createWal2jsonDecoder } from '../../decode/wal2json.ts';
import { TimewarpError } from '../../errors/timewarp-error.ts';
import { publicationName, publicationOf } from '../../source/publication/publication.ts';
import { readClock, readInsertLsn, readSnapshot } from '../../source/slot/end-of-wal.ts';
import { Peek } from '../../source/slot/peek.ts';
import { isOptionRefused } from '../../source/slot/slot-lifecycle.ts';
import { readConfirmedLsn } from '../../source/slot/source-facts.ts';
import { reportSkew } from '../../store/node/clock-skew.ts';
import { ClockMoved } from '../../store/node/lineage.ts';
import { writeNumbersAsText } from '../../store/node/nodes.ts';
import { boundTime } from '../../store/node/trusted-clock.ts';
import { refreshRelations, type TrackedRelation } from '../../store/tables/read.ts';
import { readWholeHistories } from '../../store/tables/whole-histories.ts';
import type { Lsn } from '../../types/lsn.ts';
import { messagePrefixes } from '../../types/plugin.ts';
import type { ApplyOptions } from '../apply/apply-options.ts';
import { applyStream, KeyForgotten } from '../apply/apply-stream.ts';
import { noteCatalog } from '../catalog/note-catalog.ts';
import {
  type RelationNow,
  readRelationsNow,
  type SeenRelations,
  streamNames,
  tablesOfRun,
} from '../catalog/tables-of-run.ts';
import { detectMovedSlot } from '../loss/detect-loss.ts';
import { RunClock } from '../run-clock.ts';
import type { RunContext } from '../run-context.ts';
import { whenSlotIsFree } from '../when-slot-is-free.ts';
import { NullConfirmer } from './confirm-nulls-of-run.ts';

/** How often a run repeats a peek because the catalog changed meanwhile. Then it continues with the last one. */
const MAX_REPEEKS = 5;

/** How often a run repeats a peek because wal2json named no key. Then the table had none at that time. */
const MAX_READINGS = 3;

export interface PeekAndApplyOptions extends Pick<ApplyOptions, 'onFailure' | 'onProgress'> {
  readonly relations: readonly TrackedRelation[];
  /** The relations from the beginning of the run, for its first peek. */
  readonly seen: SeenRelations | null;
  readonly upto: Lsn;
  /** The server stops at the first commit after this many rows. */
  readonly maxRows: number;
}

export interface Counted {
  readonly rows: number;
  readonly bytes: number;
}

/**
 * Applies what one peek delivers; `run.claim.horizon` is then the last commit of it.
 * @returns how many rows the slot function counted against its bound, and how much they were
 */
export async function peekAndApply(run: RunContext, options: PeekAndApplyOptions): Promise<Counted> {
  let { relations, seen } = options;
  for (let readings = 1; ; ) {
    try {
      return await peekOnce(run, { ...options, relations, seen }, readings < MAX_READINGS);
    } catch (error) {
      if (error instanceof KeyForgotten) readings++;
      else if (!(error instanceof ClockMoved)) throw error; // ClockMoved: another node has stored commits, so each retry sees progress
      relations = await refreshRelations(run.store, run.claim.nodeId, relations); // the failed attempt may have changed them
      seen = null;
    }
  }
}

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: one peek from top to bottom, in the order that its comments require
async function peekOnce(
  run: RunContext,
  options: PeekAndApplyOptions,
  repeatsForgottenKeys: boolean,
): Promise<Counted> {
  const { node, source, store, claim, limits } = run;
  const { relations, maxRows, onFailure, onProgress } = options;
  const { peek, now, numbersAsText } = await openPeek(run, options);
  let nulls: NullConfirmer | null = null;
  try {
    // Read after the slot function has run, before anything is stored. A dying run of this node moves the slot at most to
    // what the store had committed before this claim. If it moves after this reading, the peek has already delivered everything.
    const standsAt = await limits.onSource(() => readConfirmedLsn(source, node.slotName));
    const loss = detectMovedSlot(standsAt, node, claim.horizon);
    if (loss !== null) throw new TimewarpError(loss.code, loss.reason);
    const positionNow = await limits.onSource(() => readInsertLsn(source));
    const { time: ceiling } = await boundTime(store, await limits.onSource(() => readClock(source)));
    const positions = {
      horizonBefore: claim.horizon.lsn,
      horizon: claim.horizon,
      foundNow: run.found,
      positionNow,
      timeNow: ceiling,
    };
    const found = await noteCatalog(now, {
      ...{ store, claim, plugin: node.plugin, positions },
      hasLeftOut: (table) => peek.hasLeftOut(table),
    });
    for (const relationId of found) run.found.add(relationId);
    const tables = await limits.onSource(() => tablesOfRun({ source, store }, now, positions));
    const confirmer = new NullConfirmer({ source, node: node.node }, now, tables.columnKnownSince);
    nulls = confirmer;
    const prefixes = messagePrefixes(node.contextPrefixes);
    const clock = await RunClock.open(store, claim, ceiling);
    const isReplayed = standsAt !== null && standsAt < claim.horizon.lsn;
    const delivered = await applyStream(
      {
        store,
        claim,
        nextRows: () => limits.namingSource(() => peek.next()),
        lastRowOfTransaction: (xid) => limits.namingSource(() => peek.lastRowOfTransaction(xid)),
        decoder:
          node.plugin === 'wal2json'
            ? createWal2jsonDecoder(tables.lookup, tables.types, { numbersAsText, prefixes })
            : createPgoutputDecoder(tables.lookup, tables.types, prefixes),
        clock,
        newLeaves: tables.newLeaves,
        columnKnownSince: tables.columnKnownSince,
        refutesNoNan: tables.refutesNoNan,
        confirmNulls: (changes) => limits.namingSource(() => confirmer.confirm(changes)),
        replay: {
          from: standsAt,
          whole: isReplayed
            ? await readWholeHistories(
                store,
                claim,
                now.filter(({ facts }) => facts !== null).map(({ relation }) => relation),
              )
            : new Map(),
          maxRows,
        },
        repeatsForgottenKeys,
        keepsRaw: relations.every((relation) => relation.excludedColumns.length === 0),
        onFailure,
        onEndMark: (id, lsn) => run.endMarks.set(id, lsn),
        checkStop: () => limits.checkStop(),
        beforeWrite: () => limits.limitStore(),
        onProgress,
      },
      run.counts,
    );
    await reportSkew(store, claim, clock.clock.skew);
    return delivered;
  } finally {
    await nulls?.close();
    await peek.close().catch(() => {});
  }
}

/** wal2json gets the names of the leaves. If a new leaf has appeared meanwhile, the peek is repeated. */
async function openPeek(
  { node, source, store, limits }: RunContext,
  { relations, seen, upto, maxRows }: PeekAndApplyOptions,
): Promise<{ peek: Peek; now: RelationNow[]; numbersAsText: boolean }> {
  let { numbersAsText } = node;
  /** While no transaction ends the catalog does not change, so a quiet source is not asked twice. */
  const unchanged = async (before: SeenRelations | null): Promise<RelationNow[] | null> => {
    const snapshot = before && (await limits.onSource(() => readSnapshot(source)));
    if (before === null || snapshot !== before.snapshot) return null;
    return paired(relations, before.relations);
  };
  const read = () => limits.onSource(() => readRelationsNow(source, relations, publicationOf(node)));
  let names = seen?.relations ?? (await read());
  for (let attempt = 0; ; attempt++) {
    const peek = await whenSlotIsFree(limits, () =>
      Peek.open(source, {
        plugin: node.plugin,
        slotName: node.slotName,
        upto,
        maxRows,
        tables: streamNames(names),
        numbersAsText,
        prefixes: messagePrefixes(node.contextPrefixes),
        publication: publicationName(node.node),
      }).catch((error: unknown) => {
        if (numbersAsText && isOptionRefused(error)) return null;
        throw error;
      }),
    );
    if (peek === null) {
      numbersAsText = false; // an older plugin than before, for instance after a failover
      await writeNumbersAsText(store, node.node, false);
      continue;
    }
    let now: RelationNow[];
    try {
      now = (await unchanged(seen)) ?? (await read());
    } catch (error) {
      await peek.close().catch(() => {}); // the end of the run needs a session without a failed transaction
      throw error;
    }
    if (JSON.stringify(streamNames(now)) === JSON.stringify(streamNames(names)) || attempt >= MAX_REPEEKS) {
      return { peek, now, numbersAsText };
    }
    await peek.close();
    names = now;
  }
}

/** The relations as the store has them now, each with its catalog facts; null when the facts of one are missing. */
function paired(relations: readonly TrackedRelation[], seen: readonly RelationNow[]): RelationNow[] | null {
  const facts = new Map(seen.map(({ relation, facts }) => [relation.relationId, facts]));
  return relations.every(({ relationId }) => facts.has(relationId))
    ? relations.map((relation) => ({ relation, facts: facts.get(relation.relationId)! }))
    : null;
}
