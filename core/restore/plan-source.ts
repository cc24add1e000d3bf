/** What a plan asks the source, if it may. Apart from the planner, which the API has without any of this. */
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { Queryable } from '../pg/connection.ts';
import type { TableName } from '../pg/identifiers.ts';
import { isLacking } from '../pg/lacking.ts';
import { readTableFacts } from '../source/catalog/table-facts.ts';
import { type Referred, referringCommits } from './referring-commits.ts';
import type { TableNow } from './table-now.ts';

interface Observed {
  readonly systemIdentifier: string;
  readonly database: string;
}

export interface PlanSource {
  /** A script for another database would compare rows of that one. Throws BAD_FLAGS. */
  requireDatabase(observed: Observed): Promise<void>;
  /** null: the source has no such table. */
  table(table: TableName): Promise<TableNow | null>;
  /** See {@link referringCommits}. */
  referringCommits(store: Queryable, referred: Referred): Promise<string[]>;
}

export function planSource(source: Queryable): PlanSource {
  return {
    requireDatabase: (observed) => requireDatabase(source, observed),
    table: async (table) => (await readTableFacts(source, [table]))[0] ?? null,
    referringCommits: (store, referred) => referringCommits({ store, source }, referred),
  };
}

async function requireDatabase(source: Queryable, observed: Observed): Promise<void> {
  const { rows } = await source.query<{ database: string }>(
    'SELECT pg_catalog.current_database()::text AS database',
  );
  const identifier = await source
    .query<{ identifier: string }>(
      'SELECT s.system_identifier::text AS identifier FROM pg_catalog.pg_control_system() AS s',
    )
    .then(
      (found) => found.rows[0]!.identifier,
      (error: unknown) => {
        if (isLacking(error)) return null; // the script asks too, and tolerates the same
        throw error;
      },
    );
  if (
    (identifier ?? observed.systemIdentifier) === observed.systemIdentifier &&
    rows[0]!.database === observed.database
  )
    return;
  throw new TimewarpError('BAD_FLAGS', 'The --source is not the database that the node observes.', {
    remedy: `Name the database ${observed.database} on the server of the node, with a login that may write.`,
  });
}
