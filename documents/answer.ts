/**
 * The as-of answer. The store makes its text (`asof_answer` in migrations/functions), and every door passes that text on, because
 * the values of the row would change if it were parsed and printed again. So the schema only describes it; the two documents
 * around it, an answer that is no row and the answers of a batch, are put together here, as text too.
 */
import * as z from 'zod';
import { AS_OF_REASONS, type AsOfResult } from '../core/query/as-of.ts';
import { PROBLEM_TYPES, Problem } from './problem.ts';
import { Lsn, Point, Text, Time } from './values.ts';

export const Row = z
  .record(z.string(), z.unknown())
  .meta({ description: 'the row, values exactly as the source held them' });
export const Commit = z.object({ lsn: Lsn, ts: Time.nullable(), xid: Text.nullable() });
export const Reason = z.enum(AS_OF_REASONS);
export const Operation = z
  .enum(['I', 'U', 'D', 'S', 'T'])
  .meta({ description: 'insert, update, delete, read when the table was read, truncate' });
export const AsOfPoint = z.object({ requested: Text.nullable(), lsn: Lsn.nullable() });
export const HorizonPoint = z.object({ lsn: Lsn.nullable(), ts: Time.nullable() });

export const Assumes = z.enum(['no-nan']).meta({
  description:
    'a NULL of a numeric or float column was taken at its word, because the table is tracked with --no-nan',
});

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
  oldest: Point.optional().meta({ description: 'of an expired answer: what can still be asked' }),
  assumes: Assumes.optional(),
});

/** An answer that is no row: the problem's members and the answer's. */
export const AnswerProblem = Answer.extend({
  type: z.string().regex(/^urn:pgtimewarp:(absent|unknown):[a-z_]+$/),
  title: Text,
  status: z.enum(['absent', 'unknown']),
  row: Row.nullable().meta({ description: 'always null' }),
});

export const Answers = z.object({
  answers: z
    .array(z.union([Answer, Problem]))
    .meta({ description: 'one for each key, in their order; a key that cannot be used has a problem' }),
});

/**
 * An absence or ignorance: all members of the answer, which is passed through as text, after those of the problem. Its
 * `status` is the answer's (`absent`, `unknown`), a text, which RFC 9457 section 3.1 tells readers of problems to ignore.
 */
export function answerProblemText({ status, reason, answerText }: AsOfResult): string {
  const members = JSON.stringify({
    type: `${PROBLEM_TYPES}${status}:${reason}`,
    title: status === 'absent' ? 'The row was not there' : 'Whether the row was there is not known',
  });
  return `${members.slice(0, -1)},${answerText.slice(1)}`;
}

/** @param texts answers, and problems of keys that cannot be used */
export function answersText(texts: readonly string[]): string {
  return `{"answers":[${texts.join(',')}]}`;
}
