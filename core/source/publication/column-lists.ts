/**
 * Which columns a publication lists, so that values of excluded columns do not even leave the source. Lists restrict the
 * table's owner: a list must hold the replica identity, or the server refuses updates; where that cannot be, the table
 * is published whole, and the decoder leaves the columns out.
 */
import type { Queryable } from '../../pg/connection.ts';
import { readServerVersion } from '../../pg/server-version.ts';
import type { TableFacts } from '../catalog/table-facts.ts';

const FIRST_WITH_COLUMN_LISTS = 150_000;

export async function hasColumnLists(source: Queryable): Promise<boolean> {
  return (await readServerVersion(source)) >= FIRST_WITH_COLUMN_LISTS;
}

/** What {@link listedColumns} says, where the server has column lists at all. */
export async function columnsToPublish(
  source: Queryable,
  facts: TableFacts,
  excluded: readonly string[],
): Promise<string[] | null> {
  return (await hasColumnLists(source)) ? listedColumns(facts, excluded) : null;
}

/**
 * The columns to list; null: publish the table whole. (PostgreSQL manual, "Column Lists": none for partitioned tables
 * that are not published via their root, none that lacks a column of the replica identity, and stored generated columns cannot
 * be listed before 18; unlisted ones are not sent there anyway.)
 */
export function listedColumns(facts: TableFacts, excluded: readonly string[]): string[] | null {
  if (excluded.length === 0 || facts.relkind === 'p') return null;
  const isKeyIdentity = facts.identity === 'key' && !facts.key.some(({ name }) => excluded.includes(name));
  if (!isKeyIdentity) return null; // which columns another identity needs is not looked up: such a table is not followed
  const sent = facts.publishesGenerated ? ['', 's'] : [''];
  return facts.columns
    .filter((column) => sent.includes(column.generated) && !excluded.includes(column.name))
    .map((column) => column.name);
}
