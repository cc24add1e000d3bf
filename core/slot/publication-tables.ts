/** Which tables a node's publication names. A table counts in the stream from the commit that added it. */
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { Queryable } from '../pg/connection.ts';
import { sqlState } from '../pg/database-error.ts';
import { formatTableName, quoteIdentifier, quoteTable, type TableName } from '../pg/identifiers.ts';
import { inTransaction } from '../pg/transaction.ts';
import { columnsToPublish } from './column-lists.ts';
import type { TableFacts } from './table-facts.ts';

const INSUFFICIENT_PRIVILEGE = '42501';
const DUPLICATE_OBJECT = '42710';
const LOCK_NOT_AVAILABLE = '55P03';

/** How a publication is made. */
const EVERY_ACTION = `SET (publish = 'insert, update, delete, truncate', publish_via_partition_root = false)`;

/**
 * Has every change of the table published: adds it, and puts right what somebody has restricted. Throws
 * PUBLICATION_MISSING, and PUBLICATION_RIGHTS with the SQL for its owner.
 * @param facts of the table, with how the publication shows it
 * @param excluded columns not to publish
 */
export async function ensurePublished(
  source: Queryable,
  publication: string,
  facts: TableFacts,
  excluded: readonly string[],
): Promise<void> {
  const columns = await columnsToPublish(source, facts, excluded);
  const { published } = facts;
  if (published === null) throw missing(publication);
  if (!published.everyAction) await alter(source, publication, EVERY_ACTION, facts);
  for (const partition of published.restrictedPartitions) {
    await alter(source, publication, `DROP TABLE ${quoteTable(partition)}`, partition); // its table's entry shows all of it
  }
  if (published.entry === null) await alter(source, publication, addTable(facts, columns), facts);
  else if (published.isFiltered || JSON.stringify(published.columns) !== JSON.stringify(columns)) {
    await replaceInPublication(source, publication, facts, columns, published.entry);
  }
}

/** Takes the table out; nothing when it is not there. */
export async function removeFromPublication(
  source: Queryable,
  publication: string,
  table: TableName,
): Promise<boolean> {
  if ((await readEntry(source, publication, table)) === null) return false;
  await alter(source, publication, `DROP TABLE ${quoteTable(table)}`, table);
  return true;
}

/**
 * Publishes a published table anew, with this column list and every row. In one transaction: there is no commit at which
 * it is not published.
 * @param entry the OID of the entry to replace @returns that of the new one; null when it is another one by now
 */
export async function replaceInPublication(
  source: Queryable,
  publication: string,
  table: TableName,
  columns: readonly string[] | null,
  entry: number,
): Promise<number | null> {
  return await inTransaction(source, async () => {
    if ((await readEntry(source, publication, table)) !== entry) return null;
    await alter(source, publication, `DROP TABLE ${quoteTable(table)}`, table);
    await alter(source, publication, addTable(table, columns), table);
    return await readEntry(source, publication, table);
  });
}

function addTable(table: TableName, columns: readonly string[] | null): string {
  const list = columns === null ? '' : ` (${columns.map(quoteIdentifier).join(', ')})`;
  return `ADD TABLE ${quoteTable(table)}${list}`;
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
  action: string,
  table: TableName,
): Promise<void> {
  const sql = `ALTER PUBLICATION ${quoteIdentifier(publication)} ${action}`;
  try {
    await source.query(sql);
  } catch (error) {
    if (sqlState(error) === DUPLICATE_OBJECT) return; // somebody else has just added it
    if (sqlState(error) === LOCK_NOT_AVAILABLE) throw locked(table, error);
    if (sqlState(error) !== INSUFFICIENT_PRIVILEGE) throw error;
    throw new TimewarpError(
      'PUBLICATION_RIGHTS',
      `This role may not change the publication of ${formatTableName(table)}.`,
      {
        cause: error,
        remedy: `Let the owner of table and publication run: ${sql}; then repeat the command.`,
        facts: { sql },
      },
    );
  }
}

function missing(publication: string): TimewarpError {
  return new TimewarpError('PUBLICATION_MISSING', `The publication "${publication}" does not exist.`);
}

function locked(table: TableName, cause: unknown): TimewarpError {
  return new TimewarpError(
    'TABLE_CHANGING',
    `Another session holds a lock on ${formatTableName(table)}, as VACUUM and CREATE INDEX do.`,
    { cause, remedy: 'Repeat the command when it has ended.' },
  );
}
