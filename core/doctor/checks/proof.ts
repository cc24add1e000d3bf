/** Checks whether the history agrees with random rows of the tables. */
import { formatTableName } from '../../pg/identifiers.ts';
import { type Check, fail, notKnown, ok } from '../check.ts';
import type { DoctorFacts } from '../facts.ts';
import type { ProofFacts } from '../self-proof.ts';
import { noNanIsFalse } from './tables.ts';

export function checkProof({ proof, store }: DoctorFacts): Check[] {
  if (proof === null) return [];
  if (proof === 'refused') return [notKnown('self_proof', 'Whether history agrees with the tables')];
  const known = new Set(
    store.facts?.overview?.relations
      .filter(({ noNanRefuted }) => noNanRefuted !== null)
      .map(({ name }) => formatTableName(name)),
  );
  const news = proof.notFinite.filter(({ table }) => !known.has(formatTableName(table))); // checkTables() reports the others
  return [...news.map(({ table, column }) => noNanIsFalse(table, column)), ...compared(proof)];
}

function compared(proof: ProofFacts): Check[] {
  if (proof.differences.length > 0) {
    return proof.differences.map(({ table, key, what }) => {
      const name = formatTableName(table);
      return fail(
        'self_proof',
        `History differs from ${name}, key ${key}: ${what}.`,
        `pgtimewarp rebaseline ${name}`,
      );
    });
  }
  const undecided = proof.undecided === 0 ? '' : `; ${proof.undecided} could not be compared`;
  return [
    ok(
      'self_proof',
      `${proof.compared} random rows are the same in history and in their tables${undecided}.`,
    ),
  ];
}
