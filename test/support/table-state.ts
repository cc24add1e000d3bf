/** What doctor knows of a tracked table, for tests of its verdicts: one that is as it was, but for what is named. */
import type { TableState } from '../../core/doctor/facts.ts';

export type Stored = TableState['stored'];
export type Now = NonNullable<TableState['now']>;

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
  deferrableKey: null,
  identityIsPrimaryKey: false,
  partitionRoot: null,
  owned: true,
  namedBy: '600',
  namespace: { changedBy: '500', rights: '' },
  keyConstraint: 200,
  toast: 0,
  isHypertable: false,
  types: [],
  publishesGenerated: false,
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

/** @param now null: the source has no such table */
export function tableState(
  stored: Partial<Stored> = {},
  now: Partial<Now> | null = {},
  state: Partial<TableState> = {},
): TableState {
  return {
    ...{ keepsKey: true, changes: [], isRepaired: false, readFailure: null, ...state },
    stored: { ...STORED, ...stored },
    now: now === null ? null : { ...NOW, ...now },
  };
}
