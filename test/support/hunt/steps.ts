/**
 * Random steps over one table. A step is SQL made from the catalog as it is now, so that most of them succeed; what the
 * server refuses is passed over. Each bears the form of the grammar that it is an example of (see grammar.ts).
 */
import { columnSteps } from './column-steps.ts';
import { nameSteps } from './name-steps.ts';
import { partitionSteps } from './partition-steps.ts';
import type { Moment } from './place.ts';
import { publicationSteps } from './publication-steps.ts';
import { tableSteps } from './table-steps.ts';
import { typeSteps } from './type-steps.ts';

export interface Step {
  readonly form: string;
  /** Statements, with `; ` in between. */
  readonly sql: string;
}

/** The form, and its SQL, which is made when the step is taken. */
export type Steps = readonly (readonly [form: string, sql: () => string])[];

export const WRITE = 'write';

export function stepsOf(moment: Moment): Steps {
  return [
    ...columnSteps(moment),
    ...tableSteps(moment),
    ...nameSteps(moment),
    ...typeSteps(moment),
    ...publicationSteps(moment),
    ...(moment.isPartitioned ? partitionSteps(moment) : []),
  ];
}

export function nextStep(moment: Moment): Step {
  if (moment.outOf(5) < 2) return { form: WRITE, sql: moment.write() };
  const [form, sql] = moment.pick(stepsOf(moment));
  return { form, sql: sql() };
}
