/**
 * What a command says that ended with an error after a signal. Our own errors know best: what was done before the stop, what goes on later, or
 * what went wrong besides. Only an error that the stop itself may have made, a cancelled statement or a lost connection, becomes INTERRUPTED.
 */
import type { ErrorCode } from '../core/errors/codes.ts';
import { TimewarpError } from '../core/errors/timewarp-error.ts';

/** What cancelled statements and lost connections become where nothing more is known about them. */
const CONSEQUENCES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'INTERNAL',
  'DATABASE_ERROR',
  'QUESTION_TOO_LONG',
  'SOURCE_UNREACHABLE',
  'STORE_UNREACHABLE',
]);

export function afterSignal(thrown: unknown): TimewarpError {
  if (thrown instanceof TimewarpError && !CONSEQUENCES.has(thrown.code)) return thrown;
  return new TimewarpError('INTERRUPTED', 'Stopped by a signal.', { cause: thrown });
}
