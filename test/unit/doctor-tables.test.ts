/** The verdicts on tables: what is stored of one against what the catalog says now. */
import { expect, test } from 'vitest';
import { checkTables } from '../../core/doctor/checks/tables.ts';
import type { DoctorFacts, TableState } from '../../core/doctor/facts.ts';

type Stored = TableState['stored'];
type Now = NonNullable<TableState['now']>;

const STORED: Stored = {
  relationId: 1,
  name: { schema: 'public', name: 'orders' },
  status: 'active',
  statusReason: null,
  keyColumns: ['id'],
  trackedFrom: null,
  trackedTo: null,
  baseline: 'done',
  baselineRows: 10,
  baselineEstimatedRows: 20,
  retention: null,
  excludedColumns: [],
  noNan: false,
  noNanRefuted: null,
  relid: 100,
  waitsForPids: [],
  estimatedChanges: null,
};

const NOW: Now = {
  schema: 'public',
  name: 'orders',
  oid: 100,
  relkind: 'r',
  persistence: 'p',
  replicaIdentity: 'd',
  rowSecurity: false,
  identity: 'key',
  keyIsDeferrable: false,
  identityIsPrimaryKey: false,
  partitionRoot: null,
  owned: true,
  owner: 'app',
  namedBy: '600',
  namespace: { changedBy: '500', rights: '' },
  keyConstraint: 200,
  toast: 0,
  isHypertable: false,
  types: [],
  published: null,
  columns: [],
  key: [
    {
      name: 'id',
      typeOid: 20,
      typeName: 'bigint',
      kind: { name: 'int8', rendering: 'number', element: null, delimiter: ',' },
      operatorSchema: 'pg_catalog',
      deterministicCollation: true,
    },
  ],
  leaves: [],
  filenode: 1,
  estimatedRows: 20,
};

/** The verdicts with their codes. */
function judge(stored: Partial<Stored>, now: Partial<Now> | null): string[] {
  const table = { stored: { ...STORED, ...stored }, now: now === null ? null : { ...NOW, ...now } };
  const facts = { store: { facts: null }, source: { facts: { tables: [table] } } } as unknown as DoctorFacts;
  return checkTables(facts).map(({ status, code }) => `${status} ${code}`);
}

test.each<[string, Partial<Stored>, Partial<Now> | null, string[]]>([
  ['as it was', {}, {}, ['ok table']],
  ['gone', {}, null, ['fail table_present']],
  ['no key', {}, { key: [] }, ['fail table_trackable']],
  ['unlogged', {}, { persistence: 'u' }, ['fail table_trackable']],
  ['replica identity nothing', {}, { replicaIdentity: 'n' }, ['fail table_trackable']],
  ['another key', { keyColumns: ['id', 'region'] }, {}, ['fail table_key']],
  ['made anew', {}, { oid: 101 }, ['fail table_recreated']],
  ['never seen by a run', { relid: null }, { oid: 101 }, ['ok table']],
  ['an excluded column is gone', { excludedColumns: ['secret'] }, {}, ['fail excluded_column']],
  ['rows unknown', { status: 'needs_rebaseline' }, {}, ['fail table_baseline']],
  ['baseline pending', { baseline: 'pending' }, {}, ['warn table_baseline']],
  ['about to be tracked', { status: 'starting' }, {}, ['warn table_baseline']],
])('%s', (_, stored, now, expected) => {
  expect(judge(stored, now)).toEqual(expected);
});
