/** Whatever reads the history in the store refuses what only the archive has. Something new that reads it fails here until it says how. */
import { readFileSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type TestDatabases, testDatabases } from '../../support/test-databases.ts';

/** Functions and views that do not refuse by themselves. */
const FUNCTIONS: Readonly<Record<string, string>> = {
  find_in_period: 'find_rows() asks archived_part()',
  keys_by_number: 'table_rows_by() asks refuse_archived()',
  past_rows: 'answer_past() asks position_at()',
  period_changes: 'table_changes() and transaction_changes() ask archived_part()',
  rows_at:
    'table_rows() asks archived_part(); repairs and baselines ask for the end of the history, retention builds the lowest range',
  rows_before:
    'net_changes() and period_changes() pass what they got of the archive; past_rows() asks about an instant that is not refused',
  table_frame: 'as table_at()',
  table_at: 'before the cutoff it takes what archive_advance() counted',
  truncated_rows: 'as period_changes()',
  version_at: 'its callers ask archived_part()',
  with_names: 'it looks for when a row of an answer was read, and without the row takes its commit',
  ...{
    archive_advance: 'it looks whether a range has changes',
    changes_source: 'it adds those of the archive',
  },
  ...{
    retention_build: 'it copies a range',
    retention_convert: 'it moves tables',
    retention_exchange: 'it drops ranges',
  },
  ...{
    create_relation_function: 'asof_each() asks only after the cutoff',
    create_relation_partition: 'it makes tables',
  },
};

/** Modules that answer questions. A restore plans from answers that refuse, and looks at what came after them. */
const MODULES = [
  'core/restore/conflicts-in-history.ts',
  'core/restore/later-transactions.ts',
  'core/restore/referring-commits.ts',
  'core/restore/removed-rows.ts',
  'core/restore/undone-changes.ts',
];

let databases: TestDatabases;
beforeAll(async () => {
  databases = await testDatabases();
});
afterAll(() => databases[Symbol.asyncDispose]());

test('functions and views of the store', async () => {
  const { rows } = await databases.store.query<{ name: string }>(
    `SELECT d.name
       FROM (SELECT p.proname::text AS name, p.prosrc AS body FROM pg_catalog.pg_proc AS p
              WHERE p.pronamespace = 'pgtimewarp'::regnamespace
              UNION ALL
             SELECT v.viewname::text, v.definition FROM pg_catalog.pg_views AS v WHERE v.schemaname = 'pgtimewarp') AS d
      WHERE d.body ~ '\\m(row_changes|changes_source)\\M' AND d.body !~ '\\m(refuse_archived|archived_part)\\M'
      ORDER BY d.name`,
  );
  expect(rows.map(({ name }) => name)).toEqual(Object.keys(FUNCTIONS).toSorted());
});

test('modules', async () => {
  const found: string[] = [];
  for await (const path of glob('{core/query,core/restore,http,cli/commands,lambda/api}/**/*.ts'))
    if (/FROM pgtimewarp\.row_changes|JOIN pgtimewarp\.row_changes/.test(readFileSync(path, 'utf8')))
      found.push(path);
  expect(found.toSorted()).toEqual(MODULES);
});
