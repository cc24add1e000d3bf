/** Checks each tracked table: it exists, has the same key, can be tracked, and no rows changed without the log. */
import { formatTableName, quoteIdentifier, type TableName } from '../../pg/identifiers.ts';
import type { TableFacts } from '../../source/catalog/table-facts.ts';
import { whyNotTrackable } from '../../source/catalog/trackable.ts';
import { isInGap, isUnderRepair, readFailureOf } from '../../store/tables/state.ts';
import type { Plugin } from '../../types/plugin.ts';
import { type Check, fail, nextRunsReadAgain, ok, warn } from '../check.ts';
import { type DoctorFacts, rightSource, type TableCondition } from '../facts.ts';

export function checkTables(facts: DoctorFacts): Check[] {
  const side = rightSource(facts);
  if (side === null) return [];
  const node = facts.store.facts?.overview?.node;
  if (node?.status === 'active' && side.tables.length === 0) {
    return [
      fail(
        'nothing_tracked',
        `Node "${facts.node}" tracks no table, but its slot keeps WAL on the source.`,
        `pgtimewarp track TABLE; or, if you no longer need the node: pgtimewarp deinit --node ${facts.node}`,
      ),
    ];
  }
  const plugin = node?.plugin ?? 'pgoutput'; // without a node there are no tables
  return side.tables.flatMap((table) => checkTable(table, facts.node, plugin));
}

function checkTable(condition: TableCondition, node: string, plugin: Plugin): Check[] {
  const { stored, now } = condition;
  const table = formatTableName(stored.name);
  const obstacle = whyNotTrackable(now, stored.name, plugin);
  if (now === null) {
    return [
      fail(
        'table_present',
        `The tracked table ${table} is gone or renamed.`,
        `Rename it back; or, if it will not come back: pgtimewarp untrack ${table}`,
      ),
    ];
  }
  if (obstacle !== null) {
    const mend =
      obstacle.code === 'NO_PRIMARY_KEY'
        ? `ALTER TABLE ${table} ADD PRIMARY KEY (${stored.keyColumns.map(quoteIdentifier).join(', ')});`
        : obstacle.remedy;
    return [
      fail(
        'table_trackable',
        obstacle.message,
        `${mend} The next runs read it again; at once: pgtimewarp poll --node ${node}`,
      ),
    ];
  }
  const checks = [
    ...checkDefinition(condition, now, node),
    ...checkColumns(condition, now),
    ...checkRows(condition, node),
  ];
  return checks.length > 0 ? checks : [ok('table', `${table} has not changed since tracking began.`)];
}

/** The primary key, and changes of the definition of which runs have to read the table again. */
function checkDefinition(
  { stored, keepsKey, changes }: TableCondition,
  now: TableFacts,
  node: string,
): Check[] {
  const table = formatTableName(stored.name);
  if (!keepsKey) {
    const key = now.key.map(({ name, typeName }) => `${name} ${typeName}`);
    return [
      fail(
        'table_key',
        `The primary key of ${table} is (${key.join(', ')}); its history is kept under another one: (${stored.keyColumns.join(', ')}).`,
        `pgtimewarp untrack ${table}; pgtimewarp track ${table}`,
      ),
    ];
  }
  if (changes.length === 0) return [];
  const code = stored.relid !== null && stored.relid !== now.oid ? 'table_recreated' : 'table_changed';
  const message = `Rows of ${table} may have changed, and the log does not contain the change: ${changes.map(({ reason }) => reason).join('; ')}.`;
  return [
    changes.every((change) => change.repairsItself)
      ? warn(code, message, nextRunsReadAgain(node))
      : fail(code, message, `pgtimewarp rebaseline ${table}`),
  ];
}

/** What the user said about columns: that some are excluded, and that none holds NaN. */
function checkColumns({ stored }: TableCondition, now: TableFacts): Check[] {
  const table = formatTableName(stored.name);
  const missing = stored.excludedColumns.filter((column) => now.columns.every(({ name }) => name !== column));
  const checks = missing.map((column) =>
    fail(
      'excluded_column',
      `${table} has no column "${column}" any more, which is excluded. If it was renamed, its values are now stored.`,
      `pgtimewarp untrack ${table}; pgtimewarp track ${table} --exclude NEW_NAME (to delete the stored values as well, untrack with --purge)`,
    ),
  );
  if (stored.noNanRefuted !== null) checks.push(noNanIsFalse(stored.name, stored.noNanRefuted));
  return checks;
}

/** The baseline and the repair: whether runs can read the rows, and how far they are. */
function checkRows({ stored, state }: TableCondition, node: string): Check[] {
  const table = formatTableName(stored.name);
  const readFailure = readFailureOf(state);
  if (readFailure !== null) {
    const remedy = `Remove that cause; every run tries again: pgtimewarp poll --node ${node}; or stop tracking: pgtimewarp untrack ${table}`;
    return [fail('table_baseline', readFailure, remedy)];
  }
  if (isInGap(state)) {
    const why = state.reason ?? 'its rows changed, and the log does not contain the change';
    const message = `${table} has unknown rows: ${why}.`;
    return [
      isUnderRepair(state)
        ? warn('table_baseline', message, nextRunsReadAgain(node))
        : fail('table_baseline', message, `pgtimewarp rebaseline ${table}`),
    ];
  }
  if (state.kind === 'complete' || state.kind === 'untracked') return [];
  const message =
    state.kind === 'starting'
      ? `Tracking of ${table} has not started; its baseline has not begun.`
      : `The baseline of ${table} is not finished: ${stored.baselineRows} of about ${Math.max(stored.baselineRows, stored.baselineEstimatedRows)} rows.`;
  return [warn('table_baseline', message, 'It goes on with every run: pgtimewarp poll')];
}

export function noNanIsFalse(name: TableName, column: string): Check {
  const table = formatTableName(name);
  return fail(
    'no_nan',
    `${table} is tracked with --no-nan, and its column ${quoteIdentifier(column)} holds NaN or infinity. NULLs that answers mark with "assumes" may have been such values.`,
    `pgtimewarp untrack ${table}; pgtimewarp track ${table}`,
  );
}
