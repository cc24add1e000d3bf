/** After a signal, an error that says something of its own is said; what the stop itself may have made is not. */
import { expect, test } from 'vitest';
import { afterSignal } from '../../cli/after-signal.ts';
import { ERROR_CODES } from '../../core/errors/codes.ts';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';

test.each([
  new TimewarpError('INTERRUPTED', 'Interrupted; public.t stays asked for, later runs go on with it.'),
  new TimewarpError('RESTORE_STOPPED', 'Stopped before the commit: nothing was changed.', {
    cause: Object.assign(new Error('canceling statement due to user request'), { code: '57014' }),
  }),
  new TimewarpError('RESTORE_UNCLEAR', 'The connection broke during COMMIT.', { cause: new Error('lost') }),
  new TimewarpError('RESTORE_DIFFERS', 'The restore is committed at 0/1.'),
  new TimewarpError('BAD_FLAGS', '--pk is missing.'),
])('$code is said', (error) => {
  expect(afterSignal(error)).toBe(error);
});

test.each([
  new Error('Connection terminated'),
  new TimewarpError('DATABASE_ERROR', 'Canceling statement due to user request.'),
  new TimewarpError('STORE_UNREACHABLE', 'The store cannot be reached.'),
  'text',
])('%s is the stop itself', (thrown) => {
  expect(afterSignal(thrown)).toMatchObject({
    code: 'INTERRUPTED',
    message: 'Stopped by a signal.',
    cause: thrown,
  });
});

test('every other code is said', () => {
  const replaced = Object.keys(ERROR_CODES).filter((code) => {
    const error = new TimewarpError(code as keyof typeof ERROR_CODES, 'x');
    return afterSignal(error) !== error;
  });
  expect(replaced.sort()).toEqual([
    'DATABASE_ERROR',
    'INTERNAL',
    'QUESTION_TOO_LONG',
    'SOURCE_UNREACHABLE',
    'STORE_UNREACHABLE',
  ]);
});
