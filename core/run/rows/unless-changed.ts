/**
 * A run reads rows by the names and columns that the catalog had a moment before. When the table changed in between, the
 * read fails, but the run does not: a later run reads the catalog again and then the rows.
 */
import type pg from 'pg';
import { isDefinitionChange } from '../../pg/database-error.ts';
import type { TableFacts } from '../../source/catalog/table-facts.ts';
import { type RelationNow, readRelationsNow } from '../catalog/tables-of-run.ts';

/** Call it outside a transaction of the source. @returns what was read; null when the table's definition has changed */
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
    if (definition(now!.facts) === definition(facts)) throw error; // the definition is the same, so every retry would fail
    return null;
  }
}

function definition(facts: TableFacts | null): string {
  return JSON.stringify(facts === null ? null : { ...facts, published: null });
}
