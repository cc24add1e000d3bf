/**
 * Restarts a node after a loss: it creates a new slot and reads every table once more. Changes that happened during the gap
 * are recorded at its end. The gap is recorded before the old slot is dropped, so after a crash the store shows the gap, and
 * the command can be repeated. docs/decisions/0015 explains when a new LSN space begins.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { TimewarpError } from './errors/timewarp-error.ts';
import { formatTableName } from './pg/identifiers.ts';
import { inTransaction } from './pg/transaction.ts';
import { poll } from './poll.ts';
import { isPublishedWhole } from './run/catalog/catalog-facts.ts';
import { type RelationNow, readRelationsNow } from './run/catalog/tables-of-run.ts';
import type { BaselineStep } from './run/rows/read-baseline.ts';
import { readBeginning } from './setup/beginning.ts';
import { cancelOnAbort, throwIfAborted } from './setup/cancel-on-abort.ts';
import { type DatabaseUrls, refuseSameDatabase, withDatabases } from './setup/databases.ts';
import { describeTable } from './setup/describe-table.ts';
import { refuseUnsuitable } from './setup/unsuitable.ts';
import { whyNotTrackable } from './source/catalog/trackable.ts';
import { ensurePublication, publicationOf } from './source/publication/publication.ts';
import { ensurePublished, removeFromPublication } from './source/publication/publication-tables.ts';
import { createSlot, dropSlot, knowsNumbersAsText } from './source/slot/slot-lifecycle.ts';
import { readSourceFacts, type SourceFacts } from './source/slot/source-facts.ts';
import { type Claim, type Horizon, lockCheckpoint, releaseClaim } from './store/node/claim.ts';
import { type StoredNode, writeNumbersAsText } from './store/node/nodes.ts';
import { takeIdleNode } from './store/node/take-node.ts';
import { requireWritable } from './store/schema/migrate.ts';
import { openNodeGap, readOpenNodeGap } from './store/tables/node-gap.ts';
import { readTrackedRelations } from './store/tables/read.ts';
import { restartNode } from './store/tables/restart-node.ts';
import { rowsFromBefore } from './store/tables/state.ts';
import { formatCommitTime } from './types/commit-time.ts';
import type { Plugin } from './types/plugin.ts';
import { isKnownSystem } from './types/server-identity.ts';

export interface RebaselineNodeOptions extends DatabaseUrls {
  /** Version of this program, stored with the node. */
  readonly version: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (message: string, step?: BaselineStep) => void;
}

export interface RebaselineNodeResult {
  readonly node: string;
  readonly gap: { readonly from: string; readonly to: string };
  /** false: a new LSN space begins, because positions of this source do not sort after the stored ones. */
  readonly samePositions: boolean;
  readonly tables: readonly string[];
  /** Tables that cannot be tracked any more, with the reason: their tracking ends at the beginning of the gap. */
  readonly ended: readonly { readonly table: string; readonly reason: string }[];
}

const LEASE_SECONDS = 3600;
const PAUSE_MS = 200;

/**
 * Throws SLOT_BUSY while a run is under way, SLOT_CONFLICT when the slot of that name belongs to somebody else,
 * PUBLICATION_RIGHTS, and what `init` and `poll` throw.
 */
export async function rebaselineNode(options: RebaselineNodeOptions): Promise<RebaselineNodeResult> {
  const result = await restart(options);
  await readBaselines(options);
  return result;
}

async function restart(options: RebaselineNodeOptions): Promise<RebaselineNodeResult> {
  return withDatabases(options, async ({ source, store }) => {
    await requireWritable(store);
    await refuseSameDatabase(source, store);
    const { node, claim } = await takeIdleNode(store, options.node, LEASE_SECONDS);
    try {
      const facts = await readSourceFacts(source, node.slotName);
      refuseUnsuitable(facts);
      refuseForeignSlot(facts, node);
      return await claimed({ options, source, store, node, facts, claim });
    } finally {
      await releaseClaim(store, claim).catch(() => {});
    }
  });
}

interface Restart {
  readonly options: RebaselineNodeOptions;
  readonly source: pg.Client;
  readonly store: pg.Client;
  readonly node: StoredNode;
  readonly facts: SourceFacts;
  readonly claim: Claim;
}

async function claimed(restart: Restart): Promise<RebaselineNodeResult> {
  const { options, source, store, node, facts, claim } = restart;
  const publication = publicationOf(node);
  if (publication !== null) await ensurePublication(source, publication); // it may be missing, or come from a restored backup
  const tables = await readRelationsNow(source, await readTrackedRelations(store, node.node), publication);
  if (publication !== null) await publish(source, publication, tables); // first, because the server may refuse it
  await inTransaction(store, async (tx) => {
    await lockCheckpoint(tx, claim);
    await openNodeGap(tx, claim, 'REBASELINE_ASKED', 'the node was read again on request');
  });
  const samePositions =
    comparable(facts, node, claim) && (await readOpenNodeGap(store, node.node)) !== 'HISTORY_FORKED';
  throwIfAborted(options.signal);
  options.onProgress?.(`making a new slot ${node.slotName} (waits for open transactions to end)`);
  const { end, ended } = await cancelOnAbort(
    source,
    { url: options.sourceUrl, side: 'source', node: node.node, signal: options.signal },
    () => withNewSlot(restart, tables, samePositions),
  );
  return {
    node: node.node,
    gap: { from: formatCommitTime(claim.horizon.time), to: formatCommitTime(end.time) },
    samePositions,
    tables: tables
      .filter((table) => why(table, node.plugin) === null)
      .map(({ relation }) => formatTableName(relation.name)),
    ended,
  };
}

/** Whether positions of this source sort after the stored ones: the same server and timeline, and not restored from an older copy. */
function comparable(facts: SourceFacts, node: StoredNode, claim: Claim): boolean {
  return (
    isKnownSystem(facts) &&
    facts.systemIdentifier === node.systemIdentifier &&
    facts.timeline === node.timeline &&
    facts.insertLsn >= claim.horizon.lsn
  );
}

async function withNewSlot(
  { options, source, store, node, facts, claim }: Restart,
  tables: readonly RelationNow[],
  samePositions: boolean,
): Promise<{ end: Horizon; ended: { table: string; reason: string }[] }> {
  await dropSlot(source, node.slotName);
  const slotStart = await createSlot(source, {
    name: node.slotName,
    plugin: node.plugin,
    failover: node.slotFailover,
  });
  try {
    throwIfAborted(options.signal);
    const identity = {
      node: node.node,
      systemIdentifier: facts.systemIdentifier,
      timeline: facts.timeline,
      database: facts.database,
      slotName: node.slotName,
      plugin: node.plugin,
      version: options.version,
    };
    const relations = tables.map((table) => ({
      before: table.relation,
      after:
        why(table, node.plugin) === null
          ? {
              nodeId: node.node,
              name: table.relation.name,
              excludedColumns: table.relation.excludedColumns,
              noNan: table.relation.noNan,
              ...describeTable(table.facts!),
            }
          : null,
    }));
    const asText = await knowsNumbersAsText(source, { name: node.slotName, plugin: node.plugin }, slotStart);
    const start = await readBeginning({ source, store }, slotStart);
    const end = await inTransaction(store, async (tx) => {
      await lockCheckpoint(tx, claim);
      await writeNumbersAsText(tx, node.node, asText === true);
      return restartNode(tx, claim, { identity, start, samePositions, relations });
    });
    const ended = tables.flatMap((table) => {
      const reason = why(table, node.plugin);
      return reason === null ? [] : [{ table: formatTableName(table.relation.name), reason: reason.message }];
    });
    return { end, ended };
  } catch (error) {
    await dropSlot(source, node.slotName).catch(() => {});
    throw error;
  }
}

function why({ relation, facts }: RelationNow, plugin: Plugin): TimewarpError | null {
  return whyNotTrackable(facts, relation.name, plugin);
}

/**
 * Publishes the tables before the slot is created: pgoutput needs the publication at the slot's first position. A table that
 * cannot be tracked any more is removed, because the server may refuse the application's writes while it is published.
 */
async function publish(
  source: pg.Client,
  publication: string,
  tables: readonly RelationNow[],
): Promise<void> {
  for (const table of tables) {
    const { relation, facts } = table;
    if (facts === null) continue;
    if (why(table, 'pgoutput') !== null) await removeFromPublication(source, publication, relation.name);
    else if (!isPublishedWhole(facts, relation.excludedColumns))
      await ensurePublished(source, publication, facts, relation.excludedColumns);
  }
}

function refuseForeignSlot(facts: SourceFacts, node: StoredNode): void {
  const slot = facts.slot;
  if (slot === null || (slot.plugin === node.plugin && slot.database === facts.database)) return;
  throw new TimewarpError(
    'SLOT_CONFLICT',
    `The slot "${node.slotName}" is another one (${slot.plugin} in database ${slot.database ?? '(none)'}).`,
    {
      remedy: `If no program needs it: SELECT pg_drop_replication_slot('${node.slotName}'); then repeat this.`,
      facts: { slot: node.slotName },
    },
  );
}

/** Starts runs until every baseline is decided. When it is interrupted, later runs continue. */
async function readBaselines(options: RebaselineNodeOptions): Promise<void> {
  const { sourceUrl, storeUrl, node, signal } = options;
  for (;;) {
    throwIfAborted(signal);
    const run = await poll({
      sourceUrl,
      storeUrl,
      node,
      ...(signal === undefined ? {} : { signal }),
      onBaseline: (table, step) => options.onProgress?.(`reading ${table}`, step),
    });
    if (run.outcome === 'gap' || run.outcome === 'blocked') {
      throw new TimewarpError(
        run.outcome === 'gap' ? 'NODE_GAP' : 'NODE_BLOCKED',
        `The node "${node}" cannot go on: ${run.reason ?? ''}.`,
      );
    }
    if (await everyBaselineDecided(options)) return;
    await sleep(run.caughtUp ? 0 : PAUSE_MS);
  }
}

function everyBaselineDecided(options: RebaselineNodeOptions): Promise<boolean> {
  return withDatabases(options, async ({ store }) => {
    const relations = await readTrackedRelations(store, options.node);
    return relations.every(({ state }) =>
      state.kind === 'starting' ? !state.wantsRows : rowsFromBefore(state)?.kind === 'complete',
    );
  });
}
