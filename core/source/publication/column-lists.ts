/**
 * Decides which columns a publication lists, so that values of excluded columns do not leave the source. A list must contain the replica
 * identity, otherwise the server refuses updates. If no list is possible, the table is published with all columns, and the decoder
 * leaves out the excluded ones.
 */
import type { Queryable } from '../../pg/connection.ts';
import { readServerVersion } from '../../pg/server-version.ts';
import type { TableFacts } from '../catalog/table-facts.ts';

const FIRST_WITH_COLUMN_LISTS = 150_000;

export async function hasColumnLists(source: Queryable): Promise<boolean> {
  return (await readServerVersion(source)) >= FIRST_WITH_COLUMN_LISTS;
}

/** As {@link listedColumns}; null if the server has no column lists. */
export async function columnsToPublish(
  source: Queryable,
  facts: TableFacts,
  excluded: readonly string[],
): Promise<string[] | null> {
  return (await hasColumnLists(source)) ? listedColumns(facts, excluded) : null;
}

/**
 * The columns to list; null: publish all columns. (PostgreSQL manual, "Column Lists": partitioned tables that are not published via
 * their root cannot have a list. A list must contain the replica identity. Before 18 it cannot contain stored generated columns, which
 * are not published there anyway.)
 */
export function listedColumns(facts: TableFacts, excluded: readonly string[]): string[] | null {
  if (excluded.length === 0 || facts.relkind === 'p') return null;
  const isKeyIdentity = facts.identity === 'key' && !facts.key.some(({ name }) => excluded.includes(name));
  if (!isKeyIdentity) return null; // a table with another identity is not tracked, so its columns do not matter
  const sent = facts.publishesGenerated ? ['', 's'] : [''];
  return facts.columns
    .filter((column) => sent.includes(column.generated) && !excluded.includes(column.name))
    .map((column) => column.name);
}
