/**
 * Requests the tracking of a table: checks whether it can be tracked, adds it to the publication, makes its entry in the store. Runs do
 * the rest. Used for a table that the user names, and for a new table that matches a followed pattern.
 */
import type pg from 'pg';
import { TimewarpError } from '../errors/timewarp-error.ts';
import { formatTableName, quoteIdentifier, type TableName } from '../pg/identifiers.ts';
import { inPatientTransaction } from '../pg/transaction.ts';
import { whatWouldRefuseWrites } from '../source/catalog/refused-writes.ts';
import type { TableFacts } from '../source/catalog/table-facts.ts';
import { whyNotTrackable } from '../source/catalog/trackable.ts';
import { columnsToPublish } from '../source/publication/column-lists.ts';
import { publicationOf } from '../source/publication/publication.ts';
import { ensurePublished } from '../source/publication/publication-tables.ts';
import type { StoredNode } from '../store/node/nodes.ts';
import { isTrackedNow, readRelationEntry } from '../store/tables/entries.ts';
import { insertRelation } from '../store/tables/start.ts';
import { type Plugin, PRINTED_AS_NULL } from '../types/plugin.ts';
import { describeTable } from './describe-table.ts';
import { lockAgainstOtherNodes, refuseTrackedElsewhere } from './tracked-elsewhere.ts';

export interface WantedTracking {
  readonly exclude: readonly string[];
  readonly baseline: boolean;
  /** As interval text; null: that of the node. */
  readonly retention: string | null;
  readonly noNan: boolean;
  /** Another node of the same database may track the table, too. */
  readonly shared: boolean;
}

/** Why the table cannot be tracked as requested; null: it can. @param facts null: the source has no table of that name */
export function whyNotAsWanted(
  facts: TableFacts | null,
  table: TableName,
  { exclude, plugin }: { readonly exclude: readonly string[]; readonly plugin: Plugin },
): TimewarpError | null {
  const obstacle = whyNotTrackable(facts, table, plugin);
  if (obstacle !== null) return obstacle;
  const name = formatTableName(table);
  for (const excluded of exclude) {
    const column = facts!.columns.find((each) => each.name === excluded);
    if (column === undefined)
      return new TimewarpError('BAD_FLAGS', `${name} has no column "${excluded}" to exclude.`);
    if (column.isKey)
      return new TimewarpError(
        'BAD_FLAGS',
        `"${excluded}" is part of the key of ${name} and cannot be excluded.`,
      );
  }
  return null;
}

/** Those of the columns that the table has. */
export function presentColumns(facts: TableFacts | null, names: readonly string[]): string[] {
  return names.filter((name) => facts?.columns.some((column) => column.name === name));
}

/** As {@link whyNotAsWanted}, for a table that matches a pattern: it also refuses tables that belong to an extension. */
export function obstacleOfPattern(
  facts: TableFacts | null,
  {
    table,
    extension,
    ...wanted
  }: {
    readonly table: TableName;
    readonly extension: string | null;
    readonly exclude: readonly string[];
    readonly plugin: Plugin;
  },
): TimewarpError | null {
  if (extension === null) return whyNotAsWanted(facts, table, wanted);
  const name = formatTableName(table);
  return new TimewarpError('TABLE_NOT_TRACKABLE', `${name} belongs to the extension ${extension}.`, {
    remedy: `To track it anyway, name it: pgtimewarp track ${name}`,
    facts: { table: name },
  });
}

/**
 * Publishes the table if the plugin needs that, and makes its entry unless another command has made it meanwhile. Call it only if
 * {@link whyNotAsWanted} returned null. @returns notes, see TrackResult
 */
// biome-ignore lint/complexity/useMaxParams: sessions, node, table and settings; only runs give a limit as well
export async function askTracking(
  { source, store }: { readonly source: pg.Client; readonly store: pg.Client },
  node: StoredNode,
  facts: TableFacts,
  wanted: WantedTracking,
  patienceMs?: number,
): Promise<string[]> {
  const table = { schema: facts.schema, name: facts.name };
  const publication = publicationOf(node);
  if (!wanted.shared) await refuseTrackedElsewhere(store, node.node, table);
  const listed =
    publication === null ? null : await ensurePublished(source, publication, facts, wanted.exclude);
  await inPatientTransaction(
    store,
    async (tx) => {
      const present = await readRelationEntry(tx, node.node, { ...table, forUpdate: true });
      if (isTrackedNow(present)) return; // another command requested it at the same time
      if (!wanted.shared) {
        await lockAgainstOtherNodes(tx, node.node);
        await refuseTrackedElsewhere(tx, node.node, table);
      }
      await insertRelation(tx, {
        nodeId: node.node,
        name: table,
        ...describeTable(facts),
        baseline: wanted.baseline,
        retention: wanted.retention,
        excludedColumns: wanted.exclude,
        noNan: wanted.noNan,
      });
    },
    patienceMs,
  );
  const doubtful =
    node.plugin === 'wal2json' && !node.numbersAsText && !wanted.noNan
      ? doubtfulColumns(facts, wanted.exclude)
      : [];
  // an entry without a list gets one when the table has its key as its replica identity again
  const willList =
    publication !== null &&
    (await columnsToPublish(source, { ...facts, identity: 'key' }, wanted.exclude)) !== null;
  const wouldRefuse = publication === null ? null : whatWouldRefuseWrites(facts);
  return [
    ...(willList ? [meaningOfList(table, publication, listed === null)] : []),
    ...(wouldRefuse === null ? [] : [meaningOfHalf(table, wouldRefuse)]),
    ...(doubtful.length === 0 ? [] : [meaningOfNulls(table, doubtful)]),
  ];
}

/**
 * The note about statements that the server refuses for a table that is published with a column list (seen on 15 and 18).
 * @param isLater the list comes only when the table has another replica identity
 */
function meaningOfList(table: TableName, publication: string, isLater: boolean): string {
  const name = formatTableName(table);
  const when = isLater ? ' as soon as its primary key is its replica identity' : '';
  return (
    `The publication lists the columns of ${name}${when}, so that excluded ones do not leave the source. The server then refuses ` +
    `to drop a listed column or change its type (before that: ALTER PUBLICATION ${quoteIdentifier(publication)} DROP TABLE ${name}; ` +
    `afterwards: pgtimewarp rebaseline ${name}), and, after another REPLICA IDENTITY or another primary key, UPDATE ` +
    'and DELETE until the next run.'
  );
}

/** The note about a published table for which the server refuses writes as soon as something is added to it (seen on 18). */
function meaningOfHalf(table: TableName, whatWouldRefuse: string): string {
  const name = formatTableName(table);
  return (
    `${name} is published. If it gets ${whatWouldRefuse}, the server refuses UPDATE and DELETE until the next run, which takes ` +
    `${name} out of the publication. Its history then has a gap until one of the two is gone and a run has read the table again.`
  );
}

/** The note about NULL and NaN, which wal2json before 2.6 prints alike. */
function meaningOfNulls(table: TableName, columns: readonly string[]): string {
  const name = formatTableName(table);
  return (
    `wal2json before 2.6 prints NaN as it prints NULL, so answers will call some NULLs of ${columns.join(', ')} incomplete. ` +
    `If these never hold NaN or infinity: pgtimewarp untrack ${name} --purge; pgtimewarp track ${name} --no-nan`
  );
}

function doubtfulColumns({ columns }: TableFacts, excluded: readonly string[]): string[] {
  return columns
    .filter(
      ({ typeOid, notNull, generated }) => PRINTED_AS_NULL.has(typeOid) && !notNull && generated !== 'v',
    )
    .map(({ name }) => name)
    .filter((name) => !excluded.includes(name));
}
