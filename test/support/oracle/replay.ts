/** A copy of the oracle's tables as they were after a commit, made from what the oracle had written down. */
import type pg from 'pg';
import { quoteIdentifier, quoteTable } from '../../../core/pg/identifiers.ts';
import { columnNames, type OracleTable } from './oracle-table.ts';
import type { OracleCommit, OracleRun } from './run-workload.ts';

/** The name of a table in the schemas of copies. */
export function copyOf(schema: string, index: number): string {
  return `${quoteIdentifier(schema)}.t${index}`;
}

/** Makes empty tables of the same definitions, in a schema of their own. */
export async function makeCopies(
  source: pg.Client,
  schema: string,
  tables: readonly OracleTable[],
): Promise<void> {
  await source.query(`DROP SCHEMA IF EXISTS ${quoteIdentifier(schema)} CASCADE; CREATE SCHEMA ${quoteIdentifier(schema)};
    ${tables.map((table, index) => `CREATE TABLE ${copyOf(schema, index)} (LIKE ${quoteTable(table)});`).join('\n')}`);
}

/** Fills the copies with a state: `table key` to the texts of the columns. */
export async function fillCopies(
  source: pg.Client,
  copies: { readonly schema: string; readonly tables: readonly OracleTable[] },
  state: ReadonlyMap<string, string>,
): Promise<void> {
  for (const [index, table] of copies.tables.entries()) {
    const copy = copyOf(copies.schema, index);
    const { rows: types } = await source.query<{ name: string; type: string }>(
      `SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type FROM pg_attribute AS a
        WHERE a.attrelid = $1::regclass AND a.attnum > 0`,
      [copy],
    );
    const typeOf = new Map(types.map(({ name, type }) => [name, type]));
    const names = columnNames(table);
    await source.query(`TRUNCATE ${copy}`);
    await source.query(
      `INSERT INTO ${copy} (${names.map(quoteIdentifier).join()})
       SELECT ${names.map((name, place) => `(u.texts::text[])[${place + 1}]::${typeOf.get(name)}`).join()} FROM unnest($1::text[]) AS u (texts)`,
      [[...state].filter(([id]) => id.startsWith(`${index} `)).map(([, texts]) => texts)],
    );
  }
}

/** The state after every commit, one after the other. The map is the same one each time. */
export function* replay(run: OracleRun): Generator<[OracleCommit, ReadonlyMap<string, string>]> {
  const state = new Map(run.initial);
  for (const commit of run.commits) {
    for (const [id, texts] of commit.changes) {
      if (texts === null) state.delete(id);
      else state.set(id, texts);
    }
    yield [commit, state];
  }
}
