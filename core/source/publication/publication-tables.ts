/** Which tables a node's publication names. A table counts in the stream from the commit that added it. */
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

/** How long a table is waited for that another session has locked. */
const LONGEST_LOCK = '3s';

/** How a publication is made. */
const EVERY_ACTION = `SET (publish = 'insert, update, delete, truncate', publish_via_partition_root = false)`;

/**
 * Has every change of the table published: adds it, and puts right what somebody has restricted. Throws
 * PUBLICATION_MISSING, PUBLICATION_RIGHTS with the SQL for its owner, and TABLE_CHANGING when it is locked.
 * @param facts of the table, with how the publication shows it
 * @param excluded columns not to publish
 * @returns the columns that it lists; null: it publishes the table whole
 */
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
  // restricted entries go first: with them the publication cannot be set to name partitions by themselves
  const actions = published.restrictedPartitions.map(dropTable); // the table's own entry shows all of them
  if (published.entry !== null && !isAsWanted) actions.push(dropTable(facts));
  if (!published.everyAction) actions.push(EVERY_ACTION);
  if (published.hidesGenerated) actions.push(SHOW_GENERATED);
  if (published.entry === null || !isAsWanted) actions.push(addTable(facts, columns));
  try {
    await alter(source, publication, facts, actions);
  } catch (error) {
    if (sqlState(error) !== DUPLICATE_OBJECT) throw error; // somebody else has just added it
  }
  return columns;
}

/** Takes the table out; nothing when it is not there. Throws as {@link ensurePublished} does. */
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
 * Publishes a published table anew, with this column list and every row. In one transaction: there is no commit at which
 * it is not published. Throws as {@link ensurePublished} does.
 * @param entry the OID of the entry to replace @returns that of the new one; null when it is another one by now
 */
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
 * Takes the table out when it is, at that moment, what `isToGo` asks for, and with it its partitions where they are published by
 * themselves. Throws as {@link ensurePublished} does.
 * @returns what the catalog says of it since; null: it stays, or was not there
 */
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

/** A table's children (by inheritance) are other tables: they come and go by themselves. */
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

/** OID of the table's entry in pg_publication_rel; null when the publication does not name it. */
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

/** All or nothing, without waiting long, and with the SQL for whoever may do what this role may not. */
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
          { cause, remedy: 'Repeat the command when it has ended.' },
        );
      default:
        throw cause;
    }
  }
}

function missing(publication: string): TimewarpError {
  return new TimewarpError('PUBLICATION_MISSING', `The publication "${publication}" does not exist.`);
}
