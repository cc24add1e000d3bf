/** The hunt over DDL uses every form of the grammar, or gives a reason why not. */
import { expect, test } from 'vitest';
import { GRAMMAR, NOT_STEPS } from '../support/hunt/grammar.ts';
import { nodeSteps, settingSteps } from '../support/hunt/node-steps.ts';
import type { Moment } from '../support/hunt/place.ts';
import { pickFrom, randomOf } from '../support/hunt/random.ts';
import { stepsOf } from '../support/hunt/steps.ts';

const outOf = randomOf(1);
const moment: Moment = {
  ...{
    schema: 's',
    table: 't',
    isPartitioned: true,
    own: 's.t',
    away: 't_away',
    key: 'id',
    column: 'n',
    type: 'int',
  },
  ground: { owner: 'o', tablespace: 'x', accessMethod: 'a', publications: ['p'], serverVersion: 180_000 },
  columns: [],
  outOf,
  pick: (list) => pickFrom(outOf, list),
  value: () => 'NULL',
  write: () => 'SELECT',
};
const node = { source: 'd', store: 'e', sourceRole: 'r', storeRole: 'q', owner: 'o', publications: ['p'] };

test('every form of the grammar is a step, or has a reason why not', () => {
  const steps = new Set(
    [...stepsOf(moment), ...settingSteps(node, outOf), ...nodeSteps(node, outOf)].map(([form]) => form),
  );
  expect(GRAMMAR.filter((form) => !steps.has(form) && NOT_STEPS[form] === undefined)).toEqual([]);
  expect(Object.keys(NOT_STEPS).filter((form) => steps.has(form) || !GRAMMAR.includes(form))).toEqual([]);
});
