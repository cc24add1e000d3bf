/** Checks whether both databases answer, and whether the store has this node. */
import { ERROR_CODES } from '../../errors/codes.ts';
import type { StoredFailure } from '../../store/node/failures.ts';
import type { StoredNode } from '../../store/node/nodes.ts';
import { OTHER_FUNCTIONS } from '../../store/schema/migrate.ts';
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
  const { schema, overview } = store.facts;
  const { version, expected, hasOurFunctions } = schema;
  if (version !== expected) {
    const code = version < expected ? 'SCHEMA_OUTDATED' : 'SCHEMA_TOO_NEW';
    const message = `The schema of the store is at version ${version}, this program needs ${expected}.`;
    return [fail('schema_version', message, ERROR_CODES[code].remedy)];
  }
  const isOurs = hasOurFunctions
    ? ok('schema_version', `The schema of the store is at version ${version}.`)
    : fail('schema_version', OTHER_FUNCTIONS, ERROR_CODES.SCHEMA_OUTDATED.remedy);
  if (overview === null) {
    const remedy = `pgtimewarp init --node ${node}; or name the right --node: pgtimewarp status lists them.`;
    return [isOurs, fail('node_known', `The store has no node "${node}".`, remedy)];
  }
  return [isOurs, checkNodeStatus(overview.node, store.facts.failure)];
}

/** Fails for a node with a gap or a block: its runs stop until a person acts. */
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

/** `skip` leaves out the transaction and records a gap. If the transaction is not known, the node must begin again. */
function skipRemedy(node: string, failure: StoredFailure | null): string {
  return failure?.lsn == null
    ? `pgtimewarp rebaseline --node ${node}`
    : `pgtimewarp skip --lsn ${formatLsn(failure.lsn)} --node ${node}`;
}
