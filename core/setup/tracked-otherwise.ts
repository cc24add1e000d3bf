/**
 * Refuses other settings for a table that is tracked already. Its retention window can change. Excluded columns, --no-nan and a missing
 * baseline cannot change, because the existing history depends on them.
 */
import { TimewarpError } from '../errors/timewarp-error.ts';
import type { Queryable } from '../pg/connection.ts';
import { formatIdentifier, formatTableName, type TableName } from '../pg/identifiers.ts';

/** undefined: the setting is not named and stays as it is. */
export interface WantedSettings {
  readonly exclude?: readonly string[] | undefined;
  readonly baseline?: boolean | undefined;
  readonly noNan?: boolean | undefined;
}

/** Throws BAD_FLAGS, which names table and setting. Does nothing for a table that is not tracked. Works with every version of the schema. */
// biome-ignore lint/complexity/useMaxParams: node and table name the entry, as in the other functions of the store
export async function refuseOtherSettings(
  store: Queryable,
  nodeId: string,
  table: TableName,
  wanted: WantedSettings,
): Promise<void> {
  const { rows } = await store.query<{ excluded: string[]; baseline: string; no_nan: boolean }>(
    `SELECT t.excluded_columns AS excluded, t.baseline_state AS baseline,
            coalesce((to_jsonb(t) ->> 'no_nan')::boolean, false) AS no_nan
       FROM pgtimewarp.tracked_relations AS t
      WHERE t.node_id = $1::text AND t.schema_name = $2::text AND t.table_name = $3::text AND t.status <> 'untracked'`,
    [nodeId, table.schema, table.name],
  );
  const stored = rows[0];
  if (stored === undefined) return;
  const name = formatTableName(table);
  const trackAgain = `pgtimewarp untrack ${name} --purge (which removes its history); pgtimewarp track ${name}`;
  const columns = (names: readonly string[]): string =>
    names.length === 0 ? 'none' : [...names].sort().map(formatIdentifier).join(',');
  const { exclude, baseline, noNan } = wanted;
  if (exclude !== undefined && columns(exclude) !== columns(stored.excluded)) {
    throw refused(
      `exclude of ${name} is ${columns(stored.excluded)}, and cannot become ${columns(exclude)} while it is tracked: what is already stored of its columns stays stored.`,
      exclude.length === 0 ? trackAgain : `${trackAgain} --exclude ${columns(exclude)}`,
    );
  }
  if (baseline === true && stored.baseline === 'none') {
    throw refused(
      `baseline of ${name} is false: runs have not read the rows from before its tracking.`,
      `Read them now: pgtimewarp rebaseline ${name}; and leave baseline: false.`,
    );
  }
  if (noNan !== undefined && noNan !== stored.no_nan) {
    throw refused(
      `no-nan of ${name} is ${stored.no_nan}, and cannot become ${noNan} while it is tracked: the stored rows were read with it.`,
      noNan ? `${trackAgain} --no-nan` : trackAgain,
    );
  }
}

function refused(message: string, remedy: string): TimewarpError {
  return new TimewarpError('BAD_FLAGS', message, { remedy });
}
