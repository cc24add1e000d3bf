/** Questions about a table: when it is not tracked, the answer names the one that was probably meant. */

import { TimewarpError } from '../core/errors/timewarp-error.ts';
import type { Queryable } from '../core/pg/connection.ts';
import { formatTableName, type TableName } from '../core/pg/identifiers.ts';
import { nearestTable } from '../core/setup/near-miss.ts';
import { readOverview } from '../core/store/overview.ts';

/** Runs a question; TABLE_NOT_TRACKED comes back with a suggestion where there is one. */
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
