/** What doctor knows of a tracked table, for tests of its verdicts: an unchanged table, except for the named differences. */
import type { TableCondition } from '../../core/doctor/facts.ts';
import { stateOf } from '../../core/store/tables/state.ts';

export type Stored = TableCondition['stored'];
export type Now = NonNullable<TableCondition['now']>;

/** The differences, and how the rows are read. */
export interface Otherwise extends Partial<Pick<TableCondition, 'keepsKey' | 'changes'>> {
  readonly isRepaired?: boolean;
  readonly readFailure?: string;
}

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
      plainType: 'bigint',
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
  { isRepaired = false, readFailure, ...otherwise }: Otherwise = {},
): TableCondition {
  const all = { ...STORED, ...stored };
  const failure = readFailure === undefined ? {} : { failure: readFailure };
  return {
    ...{ keepsKey: true, changes: [], ...otherwise },
    stored: all,
    state: stateOf({
      status: all.status,
      status_reason: all.statusReason,
      tracked_from_lsn: '0/1',
      baseline_state: all.baseline,
      baseline_progress: JSON.stringify(isRepaired ? {} : failure),
      baseline_lsn: null,
      start_conditions: null,
      repair: isRepaired ? JSON.stringify({ base_lsn: '0/2', phase: 'rows', ...failure }) : null,
    }),
    now: now === null ? null : { ...NOW, ...now },
  };
}
