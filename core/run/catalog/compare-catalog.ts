/**
 * Which silent changes of a table a run has to record: those that the catalog shows, and rows that the log could not
 * identify. Pure: changes that an open gap already covers are left out.
 */
import { formatTableName, type TableName } from '../../pg/identifiers.ts';
import { whyNotTrackable } from '../../source/catalog/trackable.ts';
import { isInGap, isUnderRepair } from '../../store/tables/state.ts';
import type { CatalogFacts } from '../../types/catalog-facts.ts';
import type { Plugin } from '../../types/plugin.ts';
import { isPublishedWhole, toCatalogFacts } from './catalog-facts.ts';
import { detectSilentChanges, type SilentChange, type SilentChangeCode } from './detect-silent-changes.ts';
import { type RelationNow, streamNames } from './tables-of-run.ts';

/** What the catalog shows. With any of these, rows read from the table now may not fit the history of the table. */
export function silentChanges({ relation, facts }: RelationNow, plugin: Plugin): SilentChange[] {
  const { catalogFacts: before, excludedColumns, name, state } = relation;
  const now = facts === null ? null : toCatalogFacts(facts, plugin, excludedColumns);
  const changes = detectSilentChanges({ name, before, now, excluded: excludedColumns });
  const publication = { before: before?.published, now: now?.published };
  if (!isInGap(state)) return changes.map((change) => repairedIfTakenOut(change, publication));
  const isTakenOut = typeof before?.obstacle === 'string'; // or is about to be: see let-writes-through.ts
  return changes.filter(
    ({ code }) =>
      !(code === 'UNPUBLISHED' && isTakenOut) && !isCoveredByGap(code, publication, isUnderRepair(state)),
  );
}

/**
 * A table that was in no publication at the last look has a gap, unless it was starting then. A run had taken it out
 * (let-writes-through.ts), and a run publishes and repairs it.
 */
function repairedIfTakenOut(
  change: SilentChange,
  { before }: { readonly before: CatalogFacts['published'] },
): SilentChange {
  return change.code === 'UNPUBLISHED' && before === null ? { ...change, repairsItself: true } : change;
}

/** Whether the change was recorded when the gap began, and has not changed since. */
function isCoveredByGap(
  code: SilentChangeCode,
  { before, now }: { readonly before: CatalogFacts['published']; readonly now: CatalogFacts['published'] },
  isRepaired: boolean,
): boolean {
  switch (code) {
    case 'TABLE_GONE':
      return !isRepaired; // under repair: rows read of it must not become history at a horizon where it is gone
    case 'UNPUBLISHED':
    case 'PUBLISHED_IN_PART':
      return before?.entry === now?.entry && before?.whole === now?.whole;
    case 'PUBLISHED_AGAIN':
      return isRepaired && before?.whole !== true;
    default:
      return false;
  }
}

/**
 * wal2json leaves out an UPDATE or DELETE whose row has no key in the log, so the change is lost, whatever the catalog says
 * now. The table can be repaired when its rows have a key in the log again. A table in a gap that waits for a person was
 * reported before.
 */
export function rowsLeftOut(
  now: RelationNow,
  plugin: Plugin,
  hasLeftOut: (table: TableName) => boolean,
): SilentChange[] {
  const { relation, facts } = now;
  const { kind } = relation.state;
  if (kind === 'starting' || kind === 'gap' || !streamNames([now]).some(hasLeftOut)) return [];
  const table = formatTableName(relation.name);
  return [
    {
      code: 'ROWS_LEFT_OUT',
      reason: `the log had no key of rows of ${table} that were updated or deleted`,
      repairsItself: facts !== null && whyNotTrackable(facts, relation.name, plugin) === null,
    },
  ];
}

/** Whether the publication hides part of a table under repair. The repair must not start, or wait for lockers, meanwhile. */
export function isRepairPartlyHidden({ relation, facts }: RelationNow, plugin: Plugin): boolean {
  if (!isUnderRepair(relation.state) || facts === null) return false;
  return plugin === 'pgoutput' && !isPublishedWhole(facts, relation.excludedColumns);
}
