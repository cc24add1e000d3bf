/** Per tracked table: is it still the one that is tracked, and does everything it logs carry its key? */
import { formatTableName, quoteIdentifier, type TableName } from '../../pg/identifiers.ts';
import { whyNotTrackable } from '../../setup/trackable.ts';
import { type Check, fail, ok, warn } from '../check.ts';
import { type DoctorFacts, rightSource, type TableState } from '../facts.ts';

export function checkTables(facts: DoctorFacts): Check[] {
  const side = rightSource(facts);
  if (side === null) return [];
  return side.tables.flatMap(checkTable);
}

function checkTable({ stored, now }: TableState): Check[] {
  const table = formatTableName(stored.name);
  const obstacle = whyNotTrackable(now, stored.name);
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
    const again = `then: pgtimewarp rebaseline ${table}`;
    return [fail('table_trackable', obstacle.message, `${mend} ${again}`)];
  }
  const key = now.key.map((column) => column.name);
  if (key.join('\n') !== stored.keyColumns.join('\n')) {
    checks.push(
      fail(
        'table_key',
        `The primary key of ${table} is (${key.join(', ')}), tracked is (${stored.keyColumns.join(', ')}): its history is kept under that key.`,
        `pgtimewarp untrack ${table}; pgtimewarp track ${table}`,
      ),
    );
  }
  if (stored.relid !== null && stored.relid !== now.oid) {
    checks.push(
      fail(
        'table_recreated',
        `${table} was made anew: OID ${now.oid} instead of ${stored.relid}.`,
        `pgtimewarp rebaseline ${table}`,
      ),
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
  if (stored.status === 'needs_rebaseline') {
    const why = stored.statusReason ?? 'its rows changed without a trace in the log';
    checks.push(
      fail('table_baseline', `${table} has unknown rows: ${why}.`, `pgtimewarp rebaseline ${table}`),
    );
  }
  if (stored.status === 'starting' || (stored.status === 'active' && stored.baseline === 'pending')) {
    checks.push(
      warn(
        'table_baseline',
        stored.status === 'starting'
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
