/** Checks whether expired history is dropped and archived, whether ranges exist ahead of the changes, and which columns are incomplete. */
import { formatTableName, quoteIdentifier } from '../../pg/identifiers.ts';
import { type Check, ok, warn } from '../check.ts';
import type { DoctorFacts } from '../facts.ts';
import type { HistoryCondition, IncompleteColumn, UnverifiedUnit } from '../history-condition.ts';

/** The run that finds expired history drops it. If a reader prevents that, one of the next runs does. */
const OVERDUE_SECONDS = 3600;
/** The next runs of the archive finish a unit, however often they are interrupted. */
const STUCK_SECONDS = 86_400;
/** For how long the check warns of a column. Afterwards only the events contain it. */
const NEWS_SECONDS = 7 * 86_400;

export function checkHistory({ node, store }: DoctorFacts): Check[] {
  const history = store.facts?.history ?? null;
  if (history === null) return [];
  return [
    ...checkWindows(history, node),
    ...checkArchive(history.unverified, node),
    ...checkIncomplete(history.incomplete),
  ];
}

function checkArchive(units: readonly UnverifiedUnit[], node: string): Check[] {
  return units
    .filter(({ ageSeconds }) => ageSeconds > STUCK_SECONDS)
    .map(({ unit, state, ageSeconds, ...name }) =>
      warn(
        'archive_stuck',
        `Unit ${unit} of the archive of ${formatTableName(name)} was begun ${ageSeconds} s ago and is only ${state}. Until it is verified, no expired history of ${formatTableName(name)} is dropped, and no contexts and times of the node.`,
        `pgtimewarp archive run --node ${node}`,
      ),
    );
}

function checkWindows({ windows, oldestReader }: HistoryCondition, node: string): Check[] {
  if (windows.length === 0) return [];
  const checks: Check[] = [];
  const [held, end] =
    oldestReader === null
      ? ['', '']
      : [
          ` A transaction of the store prevents that: pid ${oldestReader.pid}, open for ${oldestReader.ageSeconds} s.`,
          `On the store: SELECT pg_terminate_backend(${oldestReader.pid}); then: `,
        ];
  for (const window of windows) {
    const table = formatTableName(window);
    if (window.overdueSeconds > OVERDUE_SECONDS) {
      checks.push(
        warn(
          'retention_overdue',
          `Expired history of ${table} should have been dropped ${window.overdueSeconds} s ago.${held}`,
          `${end}pgtimewarp retention run --node ${node}`,
        ),
      );
    }
    if (!window.rangeAhead) {
      checks.push(
        warn(
          'ranges_ahead',
          `The history of ${table} has no range for its next changes: they will be dropped too late.${held}`,
          `${end}pgtimewarp poll --node ${node}`,
        ),
      );
    }
  }
  return checks.length > 0
    ? checks
    : [
        ok(
          'retention_overdue',
          `Expired history is dropped in time, and ranges exist ahead (${windows.length} windows).`,
        ),
      ];
}

function checkIncomplete(columns: readonly IncompleteColumn[]): Check[] {
  return columns.map(({ column, ageSeconds, ...name }) => {
    const table = formatTableName(name);
    const message = `Answers about ${table} name column ${quoteIdentifier(column)} as incomplete where the output plugin does not carry its value.`;
    return ageSeconds > NEWS_SECONDS
      ? ok('column_incomplete', message)
      : warn(
          'column_incomplete',
          message,
          `wal2json 2.6 after another init, or a node with --plugin pgoutput, carries all values. If the column never has NaN or infinity, track the table with --no-nan. Or leave it out: pgtimewarp untrack ${table}; pgtimewarp track ${table} --exclude ${quoteIdentifier(column)}`,
        );
  });
}
