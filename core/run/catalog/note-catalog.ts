/**
 * Compares the catalog with what it said at the last run, and records what the log does not contain. The facts go one way:
 * read the catalog, conclude (pure, {@link Conclusion}), write. A gap and the catalog that shows it are written in one store
 * transaction, so that no silent change is lost or recorded twice.
 */
import type pg from 'pg';
import type { Queryable } from '../../pg/connection.ts';
import type { TableName } from '../../pg/identifiers.ts';
import { inTransaction, type StoreTransaction } from '../../pg/transaction.ts';
import type { TableFacts } from '../../source/catalog/table-facts.ts';
import { whyNotInLog } from '../../source/catalog/trackable.ts';
import { writeHealthEvent } from '../../store/health-events.ts';
import { type Claim, lockCheckpoint } from '../../store/node/claim.ts';
import { recordRelationLoss } from '../../store/tables/gap.ts';
import { readLeaves } from '../../store/tables/leaves.ts';
import { lockTracked, type TrackedRelation } from '../../store/tables/read.ts';
import { askRepair, giveRepairUp } from '../../store/tables/repair.ts';
import type { Plugin } from '../../types/plugin.ts';
import { isRepairPartlyHidden, rowsLeftOut, silentChanges } from './compare-catalog.ts';
import type { SilentChange, SilentChangeCode } from './detect-silent-changes.ts';
import {
  type CatalogPositions,
  catalogToKeep,
  isKeptAlready,
  type KeptCatalog,
  writeKeptCatalog,
} from './kept-catalog.ts';
import { followKey, isKeyOfHistory } from './key-of-history.ts';
import type { RelationNow } from './tables-of-run.ts';

const NONE: ReadonlySet<number> = new Set();

/** A person has to act before a repair can read the table. */
const NEED_A_PERSON: ReadonlySet<SilentChangeCode> = new Set(['TABLE_GONE', 'NOT_IN_LOG', 'KEY_CHANGED']);

export interface NoteCatalogOptions {
  readonly store: pg.Client;
  readonly claim: Claim;
  readonly plugin: Plugin;
  readonly positions: CatalogPositions;
  /** Whether the peek left out rows that came under the name. */
  readonly hasLeftOut: (table: TableName) => boolean;
}

/** What one look at the catalog means for one relation. */
interface Conclusion {
  readonly relation: TrackedRelation;
  readonly changes: readonly SilentChange[];
  readonly repair: RepairStep;
  /** What to write of the table's definition; null: the table is gone, or the store holds it already. */
  readonly kept: KeptCatalog | null;
  /** See `isRepairPartlyHidden`. */
  readonly isPartlyHidden: boolean;
}

/** ask: runs can repair the table, under the key that `facts` has | give_up: a person has to act first | leave: neither */
type RepairStep =
  | { readonly kind: 'ask'; readonly facts: TableFacts }
  | { readonly kind: 'give_up' | 'leave' };

/**
 * Call it after the slot function has run, so that the catalog is younger than every change of the peek.
 * @returns relations with a silent change, or with a repair that the publication partly hides
 */
export async function noteCatalog(
  relations: readonly RelationNow[],
  options: NoteCatalogOptions,
): Promise<Set<number>> {
  const attached = await readAttached(options.store, relations);
  const found = new Set<number>();
  for (const now of relations) {
    const { relationId } = now.relation;
    const conclusion = conclude(now, attached.get(relationId) ?? NONE, options);
    if (conclusion.changes.length > 0 || conclusion.isPartlyHidden) found.add(relationId);
    if (conclusion.changes.length === 0 && conclusion.kept === null) continue;
    await inTransaction(options.store, (tx) => record(tx, options.claim, conclusion));
  }
  return found;
}

function conclude(
  now: RelationNow,
  attached: ReadonlySet<number>,
  { plugin, positions, hasLeftOut }: NoteCatalogOptions,
): Conclusion {
  const { relation, facts } = now;
  const changes = [...silentChanges(now, plugin), ...rowsLeftOut(now, plugin, hasLeftOut)];
  const kept = facts === null ? null : catalogToKeep(relation, facts, { plugin, positions, attached });
  const isNews = kept !== null && (changes.length > 0 || !isKeptAlready(relation, kept, attached));
  return {
    relation,
    changes,
    repair: repairStep(now, changes, plugin),
    kept: isNews ? kept : null,
    isPartlyHidden: isRepairPartlyHidden(now, plugin),
  };
}

/** Runs repair the table by themselves when the log contains its changes again, under the key of its history. */
function repairStep(
  { relation, facts }: RelationNow,
  changes: readonly SilentChange[],
  plugin: Plugin,
): RepairStep {
  const canRepair =
    facts !== null &&
    changes.every((change) => change.repairsItself) &&
    whyNotInLog(facts, relation.name, plugin) === null &&
    isKeyOfHistory(relation, facts);
  if (canRepair) return { kind: 'ask', facts };
  return { kind: changes.some(({ code }) => NEED_A_PERSON.has(code)) ? 'give_up' : 'leave' };
}

/** Writes a conclusion. A table that was untracked meanwhile stays as it is. */
async function record(store: StoreTransaction, claim: Claim, conclusion: Conclusion): Promise<void> {
  const { relation, changes, kept } = conclusion;
  await lockCheckpoint(store, claim);
  if (!(await lockTracked(store, relation.relationId))) return;
  if (changes.length > 0) await recordChanges(store, claim, conclusion);
  if (kept !== null) await writeKeptCatalog(store, kept);
}

async function recordChanges(
  store: StoreTransaction,
  claim: Claim,
  { relation, changes, repair }: Conclusion,
): Promise<void> {
  const { relationId } = relation;
  const reason = changes.map((change) => change.reason).join('; ');
  const isOpenedNow = await recordRelationLoss(store, claim, relationId, reason);
  if (repair.kind === 'ask') {
    await askRepair(store, relationId);
    await followKey(store, relation, repair.facts);
  } else if (repair.kind === 'give_up') {
    await giveRepairUp(store, relationId, reason);
  }
  if (isOpenedNow) return; // recordRelationLoss has written an event
  const event = { severity: 'warn', code: changes[0]!.code, message: reason } as const;
  await writeHealthEvent(store, { nodeId: claim.nodeId, ...event });
}

/** The OIDs of the leaves that the store takes for attached, by relation. */
async function readAttached(
  store: Queryable,
  relations: readonly RelationNow[],
): Promise<Map<number, Set<number>>> {
  const attached = new Map<number, Set<number>>();
  const ids = relations.map(({ relation }) => relation.relationId);
  for (const leaf of await readLeaves(store, ids)) {
    if (!leaf.attached) continue;
    const ofRelation = attached.get(leaf.relationId) ?? new Set();
    attached.set(leaf.relationId, ofRelation.add(leaf.relid));
  }
  return attached;
}
