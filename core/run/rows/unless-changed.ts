/**
 * Rows are read by the columns and names that the catalog gave a moment before. A table that changed in between is no
 * failure of the run: what was to be read is left to a later one, which looks at the catalog anew.
 */
import type pg from 'pg';
import { isDefinitionChange } from '../../pg/database-error.ts';
import type { TableFacts } from '../../source/catalog/table-facts.ts';
import { type RelationNow, readRelationsNow } from '../catalog/tables-of-run.ts';

/** @returns what was read, or null when the table is another one by now. Outside a transaction of the source. */
export async function unlessChanged<T>(
  source: pg.Client,
  { relation, facts }: RelationNow,
  read: () => Promise<T>,
): Promise<T | null> {
  try {
    return await read();
  } catch (error) {
    if (!isDefinitionChange(error)) throw error;
    const [now] = await readRelationsNow(source, [relation], null);
    if (definition(now!.facts) === definition(facts)) throw error; // it would fail again and again
    return null;
  }
}

function definition(facts: TableFacts | null): string {
  return JSON.stringify(facts === null ? null : { ...facts, published: null });
}
