/** A restore for people: what it would change or changed, what is in its way, and what to do next. */
import { formatTableName } from '../../core/pg/identifiers.ts';
import type { RestoreConflict, RestoreResult, WrittenTable } from '../../core/restore/restore-result.ts';
import { printable } from './printable.ts';

const SHOWN = 20;

/** @param planFile where the script was written; undefined: nowhere */
export function renderRestore(
  result: RestoreResult,
  { skipConflicts, planFile }: { readonly skipConflicts: boolean; readonly planFile?: string | undefined },
): string {
  const { takenAlong, tables, conflicts, refused, notes, isApplied, lsn, sql, bulk } = result;
  const lines = takenAlong.map((each) => takenAlongLine(each, isApplied));
  lines.push(...tables.map((table) => tableLine(table, isApplied)));
  lines.push(...notes, ...refused.map(refusedLine), ...conflicts.slice(0, SHOWN).map(conflictLine));
  if (conflicts.length > SHOWN) lines.push(`… and ${conflicts.length - SHOWN} more conflicts`);
  if (isApplied)
    lines.push(lsn === null ? 'Applied.' : `Applied. To undo it: pgtimewarp restore --transaction ${lsn}`);
  else if (refused.length > 0) {
    const where =
      planFile === undefined || (sql === null && bulk === null) ? '' : ` The script is in ${planFile}.`;
    lines.push(`Refused: nothing was changed.${where}`);
  } else if (conflicts.length > 0 && !skipConflicts)
    lines.push('These rows were changed since: nothing was changed. --skip-conflicts leaves them out.');
  else if (sql === null && bulk === null)
    lines.push('There is nothing to put back: the rows are as they were.');
  else
    lines.push(
      planFile === undefined ? 'Nothing was changed: --apply does it.' : `The script is in ${planFile}.`,
    );
  return lines.join('\n');
}

function takenAlongLine({ lsn, ts, rows }: RestoreResult['takenAlong'][number], isApplied: boolean): string {
  return `the later transaction ${lsn} (${ts}, ${rows} rows) ${isApplied ? 'is' : 'would be'} undone as well`;
}

function tableLine({ schema, table, inserts, updates, deletes }: WrittenTable, isApplied: boolean): string {
  const counts = [
    [inserts, isApplied ? 'inserted' : 'to insert'],
    [updates, isApplied ? 'updated' : 'to update'],
    [deletes, isApplied ? 'deleted' : 'to delete'],
  ] as const;
  const said = counts.filter(([count]) => count !== '0').map(([count, what]) => `${count} ${what}`);
  return `${formatTableName({ schema, name: table })}: ${said.join(', ') || 'no rows'}`;
}

const refusedLine = ({ schema, table, reason, message }: RestoreResult['refused'][number]): string =>
  `${formatTableName({ schema, name: table })}: ${reason}: ${message}`;

type Texts = Readonly<Record<string, string | null>>;

/** The reason, and each column that is not what was left there. */
function conflictLine({ schema, table, pkText, reason, expectedText, foundText }: RestoreConflict): string {
  const [pk, expected, found] = [pkText, expectedText, foundText].map(
    (text) => (text === null ? null : JSON.parse(text)) as Texts | null, // every value is a text
  );
  const key = Object.entries(pk!).map(([name, value]) => `${name}=${value}`);
  const names =
    expected && found ? Object.keys(expected).filter((name) => expected[name] !== found[name]) : [];
  const values = names.map(
    (name) => `${name} was left as ${shown(expected![name])} and is ${shown(found![name])}`,
  );
  const why = values.length === 0 ? '' : ` (${values.join('; ')})`;
  return printable(`conflict: ${formatTableName({ schema, name: table })} ${key.join(' ')}: ${reason}${why}`);
}

const LONGEST = 60;

function shown(value: string | null | undefined): string {
  if (value === null || value === undefined) return 'NULL';
  return value.length > LONGEST ? `${value.slice(0, LONGEST)}… (${value.length} characters)` : value;
}
