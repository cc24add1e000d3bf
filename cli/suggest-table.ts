/** If the table of a question is not tracked, the error suggests the tracked table with the most similar name. */

import { TimewarpError } from '../core/errors/timewarp-error.ts';
import type { Queryable } from '../core/pg/connection.ts';
import { formatTableName, type TableName } from '../core/pg/identifiers.ts';
import { nearestTable } from '../core/setup/near-miss.ts';
import { readOverview } from '../core/store/overview.ts';

/** Runs a question. Adds the suggestion, if there is one, to TABLE_NOT_TRACKED. */
export async function suggestingTable<T>(
  store: Queryable,
  { node, table }: { readonly node: string; readonly table: TableName },
  question: () => Promise<T>,
): Promise<T> {
  try {
    return await question();
  } catch (error) {
    if (!(error instanceof TimewarpError) || error.code !== 'TABLE_NOT_TRACKED') throw error;
    const tracked = (await readOverview(store, node)).flatMap(({ relations }) =>
      relations.map((relation) => relation.name),
    );
    const nearest = nearestTable(table, tracked);
    if (nearest === null) throw error;
    const { message, remedy, facts } = error;
    throw new TimewarpError(error.code, `${message} Did you mean ${formatTableName(nearest)}?`, {
      facts,
      remedy,
      cause: error,
    });
  }
}
