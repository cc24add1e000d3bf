/** Is history what the tables hold? */
import { formatTableName } from '../../pg/identifiers.ts';
import { type Check, fail, ok } from '../check.ts';
import type { DoctorFacts } from '../facts.ts';

export function checkProof({ proof }: DoctorFacts): Check[] {
  if (proof === null) return [];
  if (proof.differences.length > 0) {
    return proof.differences.map(({ table, key, what }) => {
      const name = formatTableName(table);
      return fail(
        'self_proof',
        `History is not what ${name} holds, key ${key}: ${what}.`,
        `pgtimewarp rebaseline ${name}`,
      );
    });
  }
  const undecided = proof.undecided === 0 ? '' : `; ${proof.undecided} could not be compared`;
  return [
    ok(
      'self_proof',
      `${proof.compared} random rows are in history what they are in their tables${undecided}.`,
    ),
  ];
}
