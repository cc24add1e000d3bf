/** Per tracked table: is it still the one that is tracked, and does everything it logs carry its key? */
import { formatTableName, quoteIdentifier, type TableName } from '../../pg/identifiers.ts';
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
        `Node "${facts.node}" follows no table: its slot keeps WAL on the source for nothing.`,
        `pgtimewarp track TABLE; or, when nothing is to be followed any more: pgtimewarp deinit --node ${facts.node}`,
      ),
    ];
  }
  const plugin = node?.plugin ?? 'pgoutput'; // without a node there are no tables
  return side.tables.flatMap((table) => checkTable(table, facts.node, plugin));
}

function checkTable(
  { stored, state, now, keepsKey, changes }: TableCondition,
  node: string,
  plugin: Plugin,
): Check[] {
  const table = formatTableName(stored.name);
  const obstacle = whyNotTrackable(now, stored.name, plugin);
  const checks: Check[] = [];
  if (now === null) {
    return [
      fail(
        'table_present',
        `The tracked table ${table} is gone or renamed.`,
        `Rename it back; or, when it is gone for good: pgtimewarp untrack ${table}`,
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
  if (!keepsKey) {
    const key = now.key.map(({ name, typeName }) => `${name} ${typeName}`);
    checks.push(
      fail(
        'table_key',
        `The primary key of ${table} is (${key.join(', ')}); its history is kept under another one: (${stored.keyColumns.join(', ')}).`,
        `pgtimewarp untrack ${table}; pgtimewarp track ${table}`,
      ),
    );
  } else if (changes.length > 0) {
    const code = stored.relid !== null && stored.relid !== now.oid ? 'table_recreated' : 'table_changed';
    const message = `Rows of ${table} may have changed without a trace in the log: ${changes.map(({ reason }) => reason).join('; ')}.`;
    checks.push(
      changes.every((change) => change.repairsItself)
        ? warn(code, message, nextRunsReadAgain(node))
        : fail(code, message, `pgtimewarp rebaseline ${table}`),
    );
  }
  for (const column of stored.excludedColumns) {
    if (now.columns.some((each) => each.name === column)) continue;
    checks.push(
      fail(
        'excluded_column',
        `${table} has no column "${column}" any more, which is excluded: renamed, its values are being stored.`,
        `pgtimewarp untrack ${table}; pgtimewarp track ${table} --exclude NEW_NAME (what is stored under the new name goes with: pgtimewarp untrack ${table} --purge)`,
      ),
    );
  }
  if (stored.noNanRefuted !== null) checks.push(noNanIsFalse(stored.name, stored.noNanRefuted));
  const readFailure = readFailureOf(state);
  if (readFailure !== null) {
    checks.push(
      fail(
        'table_baseline',
        readFailure,
        `Mend that; every run tries it again: pgtimewarp poll --node ${node}; or give it up: pgtimewarp untrack ${table}`,
      ),
    );
  } else if (isInGap(state)) {
    const why = state.reason ?? 'its rows changed without a trace in the log';
    const message = `${table} has unknown rows: ${why}.`;
    checks.push(
      isUnderRepair(state)
        ? warn('table_baseline', message, nextRunsReadAgain(node))
        : fail('table_baseline', message, `pgtimewarp rebaseline ${table}`),
    );
  } else if (state.kind !== 'complete' && state.kind !== 'untracked') {
    checks.push(
      warn(
        'table_baseline',
        state.kind === 'starting'
          ? `${table} is about to be tracked; its baseline has not begun.`
          : `The baseline of ${table} is not finished: ${stored.baselineRows} of about ${Math.max(stored.baselineRows, stored.baselineEstimatedRows)} rows.`,
        'It goes on with every run: pgtimewarp poll',
      ),
    );
  }
  return checks.length > 0 ? checks : [ok('table', `${table} is as it was when tracking began.`)];
}

export function noNanIsFalse(name: TableName, column: string): Check {
  const table = formatTableName(name);
  return fail(
    'no_nan',
    `${table} is tracked with --no-nan, and its column ${quoteIdentifier(column)} holds NaN or infinity. NULLs that answers mark with "assumes" may have been such values.`,
    `pgtimewarp untrack ${table}; pgtimewarp track ${table}`,
  );
}
