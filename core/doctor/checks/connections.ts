/** Can both databases be reached, and does the store know this node? */
import { ERROR_CODES } from '../../errors/codes.ts';
import type { StoredFailure } from '../../store/failures.ts';
import type { StoredNode } from '../../store/nodes.ts';
import { formatLsn } from '../../types/lsn.ts';
import { type Check, fail, ok } from '../check.ts';
import type { DoctorFacts, Gathered } from '../facts.ts';

export function checkConnections(facts: DoctorFacts): Check[] {
  return [
    reachable('source_reachable', 'source', facts.source),
    reachable('store_reachable', 'store', facts.store),
    ...checkStore(facts),
  ];
}

function reachable(
  code: 'source_reachable' | 'store_reachable',
  side: string,
  gathered: Gathered<unknown>,
): Check {
  return gathered.error === null
    ? ok(code, `The ${side} answers.`)
    : fail(code, gathered.error.message, gathered.error.remedy);
}

function checkStore({ node, store }: DoctorFacts): Check[] {
  if (store.facts === null) return [];
  const { schemaFound, schemaExpected, overview } = store.facts;
  if (schemaFound !== schemaExpected) {
    const code = schemaFound < schemaExpected ? 'SCHEMA_OUTDATED' : 'SCHEMA_TOO_NEW';
    const message = `The schema of the store is at version ${schemaFound}, this program needs ${schemaExpected}.`;
    return [fail('schema_version', message, ERROR_CODES[code].remedy)];
  }
  const schema = ok('schema_version', `The schema of the store is at version ${schemaFound}.`);
  if (overview === null) {
    const remedy = `pgtimewarp init --node ${node}; or name the right --node: pgtimewarp status lists them.`;
    return [schema, fail('node_known', `The store has no node "${node}".`, remedy)];
  }
  return [schema, checkNodeStatus(overview.node, store.facts.failure)];
}

/** Whether the node goes on: a gap or a block ends its runs until someone acts. */
export function checkNodeStatus(
  { node, status, statusReason }: StoredNode,
  failure: StoredFailure | null,
): Check {
  switch (status) {
    case 'active':
      return ok('node_known', `Node "${node}" is active.`);
    case 'removed':
      return fail('node_known', `Node "${node}" was removed.`, `pgtimewarp init --node ${node}`);
    case 'gap':
      return fail(
        'node_gap',
        `Node "${node}" has lost changes: ${reasonOf(statusReason)}.`,
        `pgtimewarp rebaseline --node ${node}`,
      );
    case 'blocked':
      return fail(
        'node_blocked',
        `Node "${node}" is blocked: ${reasonOf(statusReason)}.`,
        skipRemedy(node, failure),
      );
  }
}

function reasonOf(reason: string | null): string {
  return reason ?? 'no reason recorded';
}

/** What is left out is recorded; where the transaction is not known, only reading everything again helps. */
function skipRemedy(node: string, failure: StoredFailure | null): string {
  return failure?.lsn == null
    ? `pgtimewarp rebaseline --node ${node}`
    : `pgtimewarp skip --lsn ${formatLsn(failure.lsn)} --node ${node}`;
}
