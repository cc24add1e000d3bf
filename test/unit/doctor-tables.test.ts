/** The verdicts on tables: the stored facts of a table compared with the present catalog. */
import { expect, test } from 'vitest';
import { checkTables } from '../../core/doctor/checks/tables.ts';
import type { DoctorFacts } from '../../core/doctor/facts.ts';
import { type Now, type Otherwise, type Stored, tableState } from '../support/table-state.ts';

/** The verdicts with their codes. */
function judge(stored: Partial<Stored>, now: Partial<Now> | null, state: Otherwise): string[] {
  const table = tableState(stored, now, state);
  const facts = { store: { facts: null }, source: { facts: { tables: [table] } } } as unknown as DoctorFacts;
  return checkTables(facts).map(({ status, code }) => `${status} ${code}`);
}

const change = (repairsItself: boolean): NonNullable<Otherwise['changes']>[number] => ({
  code: repairsItself ? 'TABLE_CHANGED' : 'KEY_CHANGED',
  reason: 'it changed',
  repairsItself,
});

test.each<[string, Partial<Stored>, Partial<Now> | null, string[], Otherwise?]>([
  ['as it was', {}, {}, ['ok table']],
  ['gone', {}, null, ['fail table_present']],
  ['no key', {}, { key: [] }, ['fail table_trackable']],
  ['unlogged', {}, { persistence: 'u' }, ['fail table_trackable']],
  ['replica identity nothing', {}, { replicaIdentity: 'n' }, ['fail table_trackable']],
  ['another key', { keyColumns: ['id', 'region'] }, {}, ['fail table_key'], { keepsKey: false }],
  ['recreated', {}, { oid: 101 }, ['warn table_recreated'], { changes: [change(true)] }],
  ['changed', {}, {}, ['warn table_changed'], { changes: [change(true)] }],
  [
    'changed for somebody to decide',
    {},
    {},
    ['fail table_changed'],
    { changes: [change(true), change(false)] },
  ],
  ['never seen by a run', { relid: null }, { oid: 101 }, ['ok table']],
  ['an excluded column is gone', { excludedColumns: ['secret'] }, {}, ['fail excluded_column']],
  ['rows unknown', { status: 'needs_rebaseline' }, {}, ['fail table_baseline']],
  ['rows unknown for now', { status: 'needs_rebaseline' }, {}, ['warn table_baseline'], { isRepaired: true }],
  [
    'rows that cannot be read',
    { status: 'needs_rebaseline' },
    {},
    ['fail table_baseline'],
    { isRepaired: true, readFailure: 'no right' },
  ],
  [
    'a baseline that cannot be read',
    { baseline: 'pending' },
    {},
    ['fail table_baseline'],
    { readFailure: 'no right' },
  ],
  ['baseline pending', { baseline: 'pending' }, {}, ['warn table_baseline']],
  ['about to be tracked', { status: 'starting' }, {}, ['warn table_baseline']],
])('%s', (_, stored, now, expected, state = {}) => {
  expect(judge(stored, now, state)).toEqual(expected);
});
