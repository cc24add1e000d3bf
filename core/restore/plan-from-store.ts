/** A plan without the source: the script asks it when it runs. What the API answers, and the command without --source. */
import type { Queryable } from '../pg/connection.ts';
import { conflictsInHistory } from './conflicts-in-history.ts';
import { planRestore, type RestoreRequest } from './plan-restore.ts';
import { bulkNotes, plannedCounts, type RestoreResult, scriptOf } from './restore-result.ts';

/** Throws what {@link planRestore} throws. */
export async function planFromStore(store: Queryable, request: RestoreRequest): Promise<RestoreResult> {
  const { id, of, takenAlong, asOf, script, tables, refused, notes } = await planRestore(
    { store, source: null },
    request,
  );
  const scripted = scriptOf(script);
  const said: string[] =
    script === null
      ? []
      : [
          `The source was not asked: the script checks there whether it may write the tables, and compares the rows. Conflicts are those that the history shows up to ${script.horizonLsn}.`,
        ];
  if (request.cascade === true)
    said.push(
      'Rows that refer to rows to be deleted were not looked for: the script refuses if there are any.',
    );
  return {
    ...{ id, of, takenAlong, asOf, refused, isApplied: false, lsn: null, isSourceAsked: false },
    tables: tables.map(plannedCounts),
    conflicts: script === null ? [] : await conflictsInHistory(store, { node: request.node, ...script }),
    notes: [...notes, ...said, ...bulkNotes(scripted)],
    ...scripted,
  };
}
