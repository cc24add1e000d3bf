/**
 * The as-of answer. The store makes its text (`asof_answer` in migrations/functions). Command line, HTTP and Lambda pass that text
 * on, because parsing and printing it again would change the values of the row. So the schema only describes the answer. This file
 * puts two documents together from answers, as text too: the problem for an answer without a row, and the answers of a batch.
 */
import * as z from 'zod';
import { AS_OF_REASONS, type AsOfResult } from '../core/query/as-of.ts';
import { PROBLEM_TYPES, Problem } from './problem.ts';
import { Lsn, Point, Text, Time } from './values.ts';

export const Row = z
  .record(z.string(), z.unknown())
  .meta({ description: 'the row, with the values exactly as in the source' });
export const Commit = z.object({ lsn: Lsn, ts: Time.nullable(), xid: Text.nullable() });
export const Reason = z.enum(AS_OF_REASONS);
export const Operation = z
  .enum(['I', 'U', 'D', 'S', 'T'])
  .meta({ description: 'insert, update, delete, read by a baseline or repair, truncate' });
export const AsOfPoint = z.object({ requested: Text.nullable(), lsn: Lsn.nullable() });
export const HorizonPoint = z.object({ lsn: Lsn.nullable(), ts: Time.nullable() });

export const Assumes = z.enum(['no-nan']).meta({
  description:
    'a null of a numeric or float column was read as NULL, because the table is tracked with --no-nan',
});

export const Tier = z
  .enum(['archive'])
  .meta({ description: 'the answer needed history that only the archive has' });

export const Answer = z.object({
  status: z.enum(['found', 'absent', 'unknown']),
  reason: Reason.nullable(),
  schema: Text,
  table: Text,
  pk: z.record(z.string(), z.string()),
  row: Row.nullable(),
  op: Operation.nullable(),
  incomplete: z.array(Text),
  context: z.unknown(),
  valid_from: Commit.nullable(),
  valid_to: Commit.nullable(),
  as_of: AsOfPoint,
  horizon: HorizonPoint,
  final: z.boolean(),
  oldest: Point.optional().meta({
    description: 'only in an expired answer: the oldest instant that still has an answer',
  }),
  assumes: Assumes.optional(),
  tier: Tier.optional(),
});

/** An answer without a row: the members of the problem and those of the answer. */
export const AnswerProblem = Answer.extend({
  type: z.string().regex(/^urn:pgtimewarp:(absent|unknown):[a-z_]+$/),
  title: Text,
  status: z.enum(['absent', 'unknown']),
  row: Row.nullable().meta({ description: 'always null' }),
});

export const Answers = z.object({
  answers: z
    .array(z.union([Answer, Problem]))
    .meta({ description: 'one for each key, in the order of the keys; for a wrong key a problem' }),
});

/**
 * The problem for an answer that is absent or unknown: the members of the problem, then all members of the answer, as text. Its
 * `status` is that of the answer (`absent`, `unknown`). RFC 9457 section 3.1 tells readers to ignore a status that is not a number.
 */
export function answerProblemText({ status, reason, answerText }: AsOfResult): string {
  const members = JSON.stringify({
    type: `${PROBLEM_TYPES}${status}:${reason}`,
    title: status === 'absent' ? 'The row was not there' : 'Whether the row was there is not known',
  });
  return `${members.slice(0, -1)},${answerText.slice(1)}`;
}

/** @param texts answers, and problems of wrong keys */
export function answersText(texts: readonly string[]): string {
  return `{"answers":[${texts.join(',')}]}`;
}
