/** Which tables a node's publication names. A table counts in the stream from the commit that added it. */
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { Queryable } from '../pg/connection.ts';
import { sqlState } from '../pg/database-error.ts';
import { formatTableName, quoteIdentifier, quoteTable, type TableName } from '../pg/identifiers.ts';
import { inTransaction } from '../pg/transaction.ts';

const INSUFFICIENT_PRIVILEGE = '42501';

/**
 * Adds the table unless it is there. Throws PUBLICATION_RIGHTS with the SQL for its owner.
 * @param columns the only ones to publish; null: all
 */
export async function addToPublication(
  source: Queryable,
  publication: string,
  table: TableName,
  columns: readonly string[] | null,
): Promise<boolean> {
  if (await isPublished(source, publication, table)) return false;
  await alter(source, publication, addTable(table, columns), table);
  return true;
}

/** Takes the table out; nothing when it is not there. */
export async function removeFromPublication(
  source: Queryable,
  publication: string,
  table: TableName,
): Promise<boolean> {
  if (!(await isPublished(source, publication, table))) return false;
  await alter(source, publication, `DROP TABLE ${quoteTable(table)}`, table);
  return true;
}

/** A table that is in the publication, with its column list; null when it has none. */
export interface PublishedTable {
  readonly name: TableName;
  readonly columns: readonly string[] | null;
}

/** Needs a server that has column lists (15). */
export async function readPublishedTables(source: Queryable, publication: string): Promise<PublishedTable[]> {
  const { rows } = await source.query<{ schema: string; name: string; columns: string[] | null }>(
    `SELECT n.nspname AS schema, c.relname AS name,
            CASE WHEN pr.prattrs IS NOT NULL THEN ARRAY(
              SELECT a.attname::text FROM pg_catalog.pg_attribute AS a
               WHERE a.attrelid = c.oid AND a.attnum = ANY (pr.prattrs) ORDER BY a.attnum) END AS columns
       FROM pg_catalog.pg_publication_rel AS pr
       JOIN pg_catalog.pg_publication AS p ON p.oid = pr.prpubid
       JOIN pg_catalog.pg_class AS c ON c.oid = pr.prrelid
       JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
      WHERE p.pubname = $1::name`,
    [publication],
  );
  return rows.map(({ schema, name, columns }) => ({ name: { schema, name }, columns }));
}

/** Gives a published table another column list. In one transaction: there is no commit at which it is not published. */
export async function replaceColumnList(
  source: Queryable,
  publication: string,
  table: TableName,
  columns: readonly string[] | null,
): Promise<void> {
  await inTransaction(source, async () => {
    await alter(source, publication, `DROP TABLE ${quoteTable(table)}`, table);
    await alter(source, publication, addTable(table, columns), table);
  });
}

function addTable(table: TableName, columns: readonly string[] | null): string {
  const list = columns === null ? '' : ` (${columns.map(quoteIdentifier).join(', ')})`;
  return `ADD TABLE ${quoteTable(table)}${list}`;
}

export async function isPublished(
  source: Queryable,
  publication: string,
  table: TableName,
): Promise<boolean> {
  const { rows } = await source.query(
    `SELECT FROM pg_catalog.pg_publication_rel AS pr
       JOIN pg_catalog.pg_publication AS p ON p.oid = pr.prpubid
       JOIN pg_catalog.pg_class AS c ON c.oid = pr.prrelid
       JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
      WHERE p.pubname = $1::name AND n.nspname = $2::name AND c.relname = $3::name`,
    [publication, table.schema, table.name],
  );
  return rows.length > 0;
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
