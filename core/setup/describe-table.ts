/** Describes a table of the catalog for its entry in the store, when its tracking begins. */

import type { TableFacts } from '../source/catalog/table-facts.ts';
import type { NewRelation } from '../store/tables/start.ts';
import { LSN_ZERO } from '../types/lsn.ts';
import { columnsNow } from './columns-now.ts';

type Description = Pick<
  NewRelation,
  'relid' | 'keyColumns' | 'keyKinds' | 'columns' | 'persistence' | 'replicaIdentity' | 'isPartitioned'
>;

export function describeTable(facts: TableFacts): Description {
  return {
    relid: facts.oid,
    keyColumns: facts.key.map((column) => column.name),
    keyKinds: facts.key.map((column) => column.kind.name),
    columns: columnsNow({ columns: [], relid: null }, facts, {
      horizonBefore: LSN_ZERO,
      positionNow: LSN_ZERO,
    }),
    persistence: facts.persistence,
    replicaIdentity: facts.replicaIdentity,
    isPartitioned: facts.relkind === 'p',
  };
}
