/**
 * Random steps on one table. A step is SQL made from the present catalog, so most steps succeed; statements that the server
 * refuses are ignored. Each step names the form of the grammar of which it is an example (see grammar.ts).
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
  /** Statements, separated by `; `. */
  readonly sql: string;
}

/** The form, and a function that makes its SQL when the step is taken. */
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
