/**
 * Starts tracking of tables that match a follow rule and were never tracked. A table that was untracked stays untracked. A
 * table that cannot be tracked does not stop the run: the reason is stored with the rule and reported once, and the next run
 * tries again.
 */
import type pg from 'pg';
import { TimewarpError } from '../../errors/timewarp-error.ts';
import { formatTableName, type TableName } from '../../pg/identifiers.ts';
import { askTracking, obstacleOfPattern, presentColumns } from '../../setup/ask-tracking.ts';
import { readMatchingTables } from '../../source/catalog/matching-tables.ts';
import { readTableFacts } from '../../source/catalog/table-facts.ts';
import { publicationOf } from '../../source/publication/publication.ts';
import { writeHealthEvent } from '../../store/health-events.ts';
import type { StoredNode } from '../../store/node/nodes.ts';
import { readKnownNames } from '../../store/tables/entries.ts';
import {
  type FollowRule,
  type NotTracked,
  readFollowRules,
  writeNotTracked,
} from '../../store/tables/follow-rules.ts';

interface Places {
  readonly source: pg.Client;
  readonly store: pg.Client;
  readonly node: StoredNode;
  readonly onSource: <T>(work: () => Promise<T>) => Promise<T>;
}

/** Call it in a run before it reads its relations. @returns the tables whose tracking was requested */
export async function followTables(places: Places): Promise<TableName[]> {
  const { store, node } = places;
  const rules = await readFollowRules(store, node.node);
  if (rules.length === 0) return [];
  const known = await readKnownNames(store, node.node);
  const found = await places.onSource(() => lookFor(places, rules, known));
  const followed: TableName[] = [];
  const notTracked = rules.map((): NotTracked[] => []);
  for (const { table, facts, extension, pattern } of found) {
    const rule = rules[pattern]!;
    const exclude = presentColumns(facts, rule.excludedColumns);
    const failure =
      obstacleOfPattern(facts, { table, extension, exclude, plugin: node.plugin }) ??
      (await ask(places, facts!, { ...rule, exclude }));
    if (failure === null) followed.push(table);
    else notTracked[pattern]!.push({ table: formatTableName(table), reason: failure.message });
  }
  for (const [index, rule] of rules.entries()) await keepNotTracked(places, rule, notTracked[index]!);
  for (const table of followed) {
    const message = `${formatTableName(table)} is tracked from now on: it matches a pattern that is followed.`;
    await writeHealthEvent(store, { nodeId: node.node, severity: 'info', code: 'TABLE_FOLLOWED', message });
  }
  return followed;
}

async function lookFor({ source, node }: Places, rules: readonly FollowRule[], known: readonly TableName[]) {
  const patterns = rules.map((rule) => rule.pattern);
  const matching = await readMatchingTables(source, patterns, known);
  const facts = await readTableFacts(source, matching, publicationOf(node));
  return matching.map(({ schema, name, extension, pattern }, index) => ({
    ...{ table: { schema, name }, extension, pattern },
    facts: facts[index] ?? null,
  }));
}

/** @returns why the request was refused; null: it was accepted */
async function ask(
  { source, store, node, onSource }: Places,
  facts: Parameters<typeof askTracking>[2],
  wanted: Parameters<typeof askTracking>[3],
): Promise<TimewarpError | null> {
  try {
    await onSource(() => askTracking({ source, store }, node, facts, wanted, PATIENCE_MS));
    return null;
  } catch (error) {
    if (error instanceof TimewarpError && OF_ONE_TABLE.has(error.code)) return error;
    throw error;
  }
}

/** Errors that concern one table only. */
const OF_ONE_TABLE: ReadonlySet<string> = new Set([
  'PUBLICATION_RIGHTS',
  'TABLE_CHANGING',
  'TABLE_OF_ANOTHER_NODE',
  'TRANSACTION_CONFLICT',
]);

/** How long to wait for a lock. After that the next run tries again. */
const PATIENCE_MS = 1_000;

/** Stores and reports only differences from the last run. */
async function keepNotTracked(
  { store, node }: Places,
  { pattern, notTracked }: FollowRule,
  now: readonly NotTracked[],
): Promise<void> {
  const before = new Set(notTracked.map((each) => `${each.table}\n${each.reason}`));
  const added = now.filter((each) => !before.has(`${each.table}\n${each.reason}`));
  if (added.length === 0 && now.length === notTracked.length) return;
  await writeNotTracked(store, node.node, { pattern, notTracked: now });
  for (const { table, reason } of added) {
    const message = `${table} matches ${pattern.text}, which is followed, and is not tracked: ${reason}`;
    const event = { severity: 'warn', code: 'TABLE_NOT_FOLLOWED', message, meta: { table } } as const;
    await writeHealthEvent(store, { nodeId: node.node, ...event });
  }
}
