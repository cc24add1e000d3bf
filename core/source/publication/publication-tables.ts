/** Adds tables to the publication of a node and removes them. The stream has changes of a table from the commit that added it. */
import { TimewarpError } from '../../errors/timewarp-error.ts';
import type { Queryable } from '../../pg/connection.ts';
import { sqlState } from '../../pg/database-error.ts';
import { formatTableName, quoteIdentifier, quoteTable, type TableName } from '../../pg/identifiers.ts';
import { inSourceTransaction } from '../../pg/transaction.ts';
import { readTableFacts, type TableFacts } from '../catalog/table-facts.ts';
import { columnsToPublish } from './column-lists.ts';
import { SHOW_GENERATED } from './publication.ts';

const INSUFFICIENT_PRIVILEGE = '42501';
const DUPLICATE_OBJECT = '42710';
const LOCK_NOT_AVAILABLE = '55P03';

/** How long to wait for a table that another session has locked. */
const LONGEST_LOCK = '3s';

/** The settings of our publications. */
const EVERY_ACTION = `SET (publish = 'insert, update, delete, truncate', publish_via_partition_root = false)`;

/**
 * Makes the publication show every change of the table: adds the table and removes restrictions. Throws PUBLICATION_MISSING,
 * PUBLICATION_RIGHTS with the SQL for the owner, and TABLE_CHANGING if the table is locked.
 * @param facts facts of the table, read with this publication
 * @param excluded columns that are not to be published
 * @returns the columns that it lists; null: it publishes all columns
 */
// biome-ignore lint/complexity/useMaxParams: the publication, the table, and the columns to leave out
export async function ensurePublished(
  source: Queryable,
  publication: string,
  facts: TableFacts,
  excluded: readonly string[],
): Promise<readonly string[] | null> {
  const columns = await columnsToPublish(source, facts, excluded);
  const { published } = facts;
  if (published === null) throw missing(publication);
  const isAsWanted = !published.isFiltered && JSON.stringify(published.columns) === JSON.stringify(columns);
  // restricted entries are dropped first: with them the server refuses publish_via_partition_root = false
  const actions = published.restrictedPartitions.map(dropTable); // the entry of the partitioned table shows all partitions
  if (published.entry !== null && !isAsWanted) actions.push(dropTable(facts));
  if (!published.everyAction) actions.push(EVERY_ACTION);
  if (published.hidesGenerated) actions.push(SHOW_GENERATED);
  if (published.entry === null || !isAsWanted) actions.push(addTable(facts, columns));
  try {
    await alter(source, publication, facts, actions);
  } catch (error) {
    if (sqlState(error) !== DUPLICATE_OBJECT) throw error; // another session has just added it
  }
  return columns;
}

/** Removes the table from the publication; does nothing if it is not there. Throws as {@link ensurePublished} does. */
export async function removeFromPublication(
  source: Queryable,
  publication: string,
  table: TableName,
): Promise<boolean> {
  if ((await readEntry(source, publication, table)) === null) return false;
  await alter(source, publication, table, [dropTable(table)]);
  return true;
}

/**
 * Replaces the entry of a published table by one with this column list and every row. It does so in one transaction, so that the table
 * is published at every commit. Throws as {@link ensurePublished} does.
 * @param entry the OID of the entry to replace @returns the OID of the new entry; null if the entry was replaced meanwhile
 */
// biome-ignore lint/complexity/useMaxParams: the publication, the entry before and the list after
export async function replaceInPublication(
  source: Queryable,
  publication: string,
  table: TableName,
  columns: readonly string[] | null,
  entry: number,
): Promise<number | null> {
  const actions = [dropTable(table), addTable(table, columns)];
  return await changing(source, publication, table, actions, async () => {
    await source.query(`LOCK TABLE ONLY ${quoteTable(table)} IN SHARE UPDATE EXCLUSIVE MODE`); // as ALTER PUBLICATION does
    if ((await readEntry(source, publication, table)) !== entry) return null;
    for (const action of actions) await source.query(statement(publication, action));
    return await readEntry(source, publication, table);
  });
}

/**
 * Removes the table from the publication if `isToGo` is true for its current facts, and with it partitions that have their own entries.
 * Throws as {@link ensurePublished} does.
 * @returns its facts afterwards; null: the table stays, or was not there
 */
// biome-ignore lint/complexity/useMaxParams: the publication, the table, and the condition
export async function takeOutIf(
  source: Queryable,
  publication: string,
  table: TableName,
  isToGo: (facts: TableFacts) => boolean,
): Promise<TableFacts | null> {
  return await changing(source, publication, table, [dropTable(table)], async () => {
    await source.query(`LOCK TABLE ONLY ${quoteTable(table)} IN SHARE UPDATE EXCLUSIVE MODE`); // as ALTER PUBLICATION does
    const [facts = null] = await readTableFacts(source, [table], publication);
    if (facts === null || typeof facts.published?.entry !== 'number' || !isToGo(facts)) return null;
    for (const each of [table, ...facts.leaves]) {
      if ((await readEntry(source, publication, each)) !== null)
        await source.query(statement(publication, dropTable(each)));
    }
    const [after = null] = await readTableFacts(source, [table], publication);
    return after;
  });
}

/** With ONLY, because tables that inherit from it are other tables with their own entries. */
function dropTable(table: TableName): string {
  return `DROP TABLE ONLY ${quoteTable(table)}`;
}

function addTable(table: TableName, columns: readonly string[] | null): string {
  const list = columns === null ? '' : ` (${columns.map(quoteIdentifier).join(', ')})`;
  return `ADD TABLE ONLY ${quoteTable(table)}${list}`;
}

function statement(publication: string, action: string): string {
  return `ALTER PUBLICATION ${quoteIdentifier(publication)} ${action}`;
}

/** OID of the entry of the table in pg_publication_rel; null if the publication does not have it. */
async function readEntry(source: Queryable, publication: string, table: TableName): Promise<number | null> {
  const { rows } = await source.query<{ oid: number }>(
    `SELECT pr.oid FROM pg_catalog.pg_publication_rel AS pr
       JOIN pg_catalog.pg_publication AS p ON p.oid = pr.prpubid
       JOIN pg_catalog.pg_class AS c ON c.oid = pr.prrelid
       JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
      WHERE p.pubname = $1::name AND n.nspname = $2::name AND c.relname = $3::name`,
    [publication, table.schema, table.name],
  );
  return rows[0]?.oid ?? null;
}

// biome-ignore lint/complexity/useMaxParams: as changing()
async function alter(
  source: Queryable,
  publication: string,
  table: TableName,
  actions: readonly string[],
): Promise<void> {
  if (actions.length === 0) return;
  await changing(source, publication, table, actions, async () => {
    for (const action of actions) await source.query(statement(publication, action));
  });
}

/** Changes the publication in one transaction and with a short wait for locks. If this role may not do it, the error has the SQL for the owner. */
// biome-ignore lint/complexity/useMaxParams: the statement and what a message about its failure names
async function changing<T>(
  source: Queryable,
  publication: string,
  table: TableName,
  actions: readonly string[],
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await inSourceTransaction(source, async () => {
      await source.query(`SET LOCAL lock_timeout = '${LONGEST_LOCK}'`);
      return await work();
    });
  } catch (cause) {
    switch (sqlState(cause)) {
      case INSUFFICIENT_PRIVILEGE: {
        const all = actions.map((action) => statement(publication, action));
        const sql = all.length === 1 ? all[0]! : ['BEGIN', ...all, 'COMMIT'].join('; ');
        throw new TimewarpError(
          'PUBLICATION_RIGHTS',
          `This role may not change the publication of ${formatTableName(table)}.`,
          {
            cause,
            remedy: `Let the owner of table and publication run: ${sql}; then repeat the command.`,
            facts: { sql },
          },
        );
      }
      case LOCK_NOT_AVAILABLE:
        throw new TimewarpError(
          'TABLE_CHANGING',
          `Another session holds a lock on ${formatTableName(table)}, as VACUUM and CREATE INDEX do.`,
          { cause, remedy: 'Repeat the command when that session has ended its work.' },
        );
      default:
        throw cause;
    }
  }
}

function missing(publication: string): TimewarpError {
  return new TimewarpError('PUBLICATION_MISSING', `The publication "${publication}" does not exist.`);
}
