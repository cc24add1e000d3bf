/**
 * Tracking by patterns. `trackMatching` tracks every matching table that can be tracked, and returns the others with the reason.
 * With `follow`, runs also track matching tables that are created later (core/run/catalog/follow-tables.ts).
 * `untrackMatching` ends both.
 */
import type pg from 'pg';
import { TimewarpError } from './errors/timewarp-error.ts';
import { connect } from './pg/connection.ts';
import { fromDatabaseError } from './pg/database-error.ts';
import { formatTableName, type TableName } from './pg/identifiers.ts';
import type { TablePattern } from './pg/table-pattern.ts';
import { requireWindow } from './retention/periods.ts';
import { askTracking, obstacleOfPattern, presentColumns } from './setup/ask-tracking.ts';
import { type MatchingTable, readMatchingTables } from './source/catalog/matching-tables.ts';
import { readTableFacts, type TableFacts } from './source/catalog/table-facts.ts';
import { publicationOf } from './source/publication/publication.ts';
import { requireNode } from './store/node/nodes.ts';
import { requireWritable } from './store/schema/migrate.ts';
import { isTrackedNow, readMatchingEntries, readRelationEntries } from './store/tables/entries.ts';
import { removeFollowRules, writeFollowRule } from './store/tables/follow-rules.ts';
import {
  bringIn,
  settle,
  type TrackResult,
  type TrackSettings,
  type UntrackResult,
  type UntrackSettings,
  untrackTables,
  wantedTracking,
} from './track.ts';

export interface TrackMatchingOptions extends TrackSettings {
  readonly patterns: readonly TablePattern[];
  /** true: also track tables created later; false: stop that; undefined: leave it as it is. */
  readonly follow?: boolean | undefined;
}

export interface TrackMatchingResult {
  readonly tables: readonly TrackResult[];
  /** Matching tables that cannot be tracked. */
  readonly notTracked: readonly NotTrackedTable[];
  /** Patterns that are followed from now on. */
  readonly followed: readonly string[];
  /** Patterns that were followed and no longer are. */
  readonly unfollowed: readonly string[];
}

export interface NotTrackedTable {
  readonly table: string;
  readonly code: string;
  readonly reason: string;
  readonly remedy: string;
}

/**
 * Throws TABLE_UNKNOWN when no table matches and nothing is followed, TABLE_NOT_TRACKABLE when no matching table can be
 * tracked, BAD_FLAGS when no table has an excluded column, and errors of `track` that concern all tables.
 */
export async function trackMatching(options: TrackMatchingOptions): Promise<TrackMatchingResult> {
  const { patterns, follow } = options;
  const store = await connect(options.storeUrl, { side: 'store', node: options.node });
  try {
    await requireWritable(store);
    await requireNode(store, options.node);
    await requireWindow(store, options.retention);
    if (follow === true) await followAll(options, store);
    const unfollowed = follow === false ? await removeFollowRules(store, options.node, patterns) : [];
    const asked = await askMatching(options, store);
    const notTracked = [...asked.notTracked];
    const brought = await bringIn(options, store, [...asked.tables.values()], (table, error) => {
      notTracked.push(refused(table, error));
    });
    const tables = [...brought].map(([name, result]) => ({ ...result, ...asked.results.get(name)! }));
    if (tables.length === 0 && notTracked.length > 0 && follow !== true) throw nothingOf(notTracked);
    const followed = follow === true ? patterns.map((pattern) => pattern.text) : [];
    return { tables, notTracked, followed, unfollowed };
  } catch (error) {
    throw fromDatabaseError(error, 'store');
  } finally {
    await store.end().catch(() => {});
  }
}

/** Call it before the present tables are read: the next run then finds tables that appear meanwhile. */
async function followAll(options: TrackMatchingOptions, store: pg.Client): Promise<void> {
  for (const pattern of options.patterns) {
    const settings = { ...wantedTracking(options), excludedColumns: options.exclude ?? [] };
    await writeFollowRule(store, options.node, { ...settings, pattern });
  }
}

interface Asked {
  /** Tables that are tracked, or whose tracking was requested, by formatted name. */
  readonly tables: Map<string, TableName>;
  readonly results: Map<string, Pick<TrackResult, 'alreadyTracked' | 'notes'>>;
  readonly notTracked: NotTrackedTable[];
}

async function askMatching(options: TrackMatchingOptions, store: pg.Client): Promise<Asked> {
  const source = await connect(options.sourceUrl, { side: 'source', node: options.node });
  try {
    const node = await requireNode(store, options.node);
    const matching = await readMatchingTables(source, options.patterns);
    if (matching.length === 0 && options.follow !== true) throw noMatch(options.patterns);
    const all = await readTableFacts(source, matching, publicationOf(node));
    if (options.follow !== true) refuseUnknownColumns(options, all);
    const entries = await readRelationEntries(store, options.node, matching);
    const asked: Asked = { tables: new Map(), results: new Map(), notTracked: [] };
    for (const [index, match] of matching.entries()) {
      const table = { schema: match.schema, name: match.name };
      const name = formatTableName(table);
      const alreadyTracked = isTrackedNow(entries.get(name));
      const facts = all[index] ?? null;
      try {
        const exclude = options.exclude && presentColumns(facts, options.exclude);
        const notes = alreadyTracked
          ? await settle({ ...options, table, exclude }, store)
          : await askOne({ source, store }, { match, facts }, { options, node, exclude: exclude ?? [] });
        asked.tables.set(name, table);
        asked.results.set(name, { alreadyTracked, notes });
      } catch (error) {
        if (!(error instanceof TimewarpError) || CONCERNS_ALL.has(error.code)) throw error;
        asked.notTracked.push(refused(table, error));
      }
    }
    return asked;
  } catch (error) {
    throw fromDatabaseError(error, 'source');
  } finally {
    await source.end().catch(() => {});
  }
}

const CONCERNS_ALL: ReadonlySet<string> = new Set(['PUBLICATION_MISSING', 'TRANSACTION_CONFLICT']);

async function askOne(
  sessions: { readonly source: pg.Client; readonly store: pg.Client },
  {
    match: { schema, name, extension },
    facts,
  }: { readonly match: MatchingTable; readonly facts: TableFacts | null },
  {
    options,
    node,
    exclude,
  }: {
    readonly options: TrackMatchingOptions;
    readonly node: Awaited<ReturnType<typeof requireNode>>;
    readonly exclude: readonly string[];
  },
): Promise<string[]> {
  const obstacle = obstacleOfPattern(facts, {
    ...{ table: { schema, name }, extension, exclude },
    plugin: node.plugin,
  });
  if (obstacle !== null) throw obstacle;
  return await askTracking(sessions, node, facts!, { ...wantedTracking(options), exclude });
}

/** Refuses an excluded column that no table has: a mistyped name would let the real column into the history. */
function refuseUnknownColumns(
  { exclude = [], patterns }: TrackMatchingOptions,
  all: readonly (TableFacts | null)[],
): void {
  const unknown = exclude.find((name) => !all.some((facts) => presentColumns(facts, [name]).length > 0));
  if (unknown === undefined) return;
  const where = patterns.map((pattern) => pattern.text).join(', ');
  throw new TimewarpError(
    'BAD_FLAGS',
    `No table that matches ${where} has a column "${unknown}" to exclude.`,
  );
}

function noMatch(patterns: readonly TablePattern[]): TimewarpError {
  const where = patterns.map((pattern) => pattern.text).join(', ');
  return new TimewarpError('TABLE_UNKNOWN', `The source has no table that matches ${where}.`, {
    remedy: 'Look at the schemas with psql: \\dt *.*; or add --follow, for tables that are still to come.',
  });
}

function refused(table: TableName, { code, message, remedy }: TimewarpError): NotTrackedTable {
  return { table: formatTableName(table), code, reason: message, remedy };
}

function nothingOf(notTracked: readonly NotTrackedTable[]): TimewarpError {
  const [first, ...others] = notTracked as [NotTrackedTable, ...NotTrackedTable[]];
  const more = others.length === 0 ? '' : ` And ${others.length} more.`;
  return new TimewarpError(
    'TABLE_NOT_TRACKABLE',
    `Nothing that matches can be tracked. ${first.reason}${more}`,
    { remedy: first.remedy, facts: { tables: notTracked.map(({ table }) => table) } },
  );
}

/** Removes the rules of these patterns and ends the tracking of every matching table. Throws TABLE_NOT_TRACKED when there is neither. */
export async function untrackMatching(
  options: UntrackSettings & { readonly patterns: readonly TablePattern[] },
): Promise<{ readonly tables: readonly UntrackResult[]; readonly unfollowed: readonly string[] }> {
  const { node, patterns, purge } = options;
  const store = await connect(options.storeUrl, { side: 'store', node });
  let tables: TableName[];
  let unfollowed: string[];
  try {
    await requireWritable(store);
    await requireNode(store, node);
    unfollowed = await removeFollowRules(store, node, patterns); // first, so that no run tracks another table
    tables = await readMatchingEntries(store, node, { patterns, ended: purge });
  } catch (error) {
    throw fromDatabaseError(error, 'store');
  } finally {
    await store.end().catch(() => {});
  }
  if (tables.length === 0 && unfollowed.length === 0) {
    const where = patterns.map((pattern) => pattern.text).join(', ');
    throw new TimewarpError(
      'TABLE_NOT_TRACKED',
      `Nothing that matches ${where} is tracked by node "${node}".`,
    );
  }
  return { tables: tables.length === 0 ? [] : await untrackTables({ ...options, tables }), unfollowed };
}
