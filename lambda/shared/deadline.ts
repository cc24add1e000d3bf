/** The time that an invocation has left. Lambda stops a function without a word: everything has to end before. */
import type { Context } from 'aws-lambda';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';

/** For what comes after the work: metrics, the answer. */
const CLOSING_MS = 5_000;
/** Between the moment a run should end and the one at which it is ended. */
const PATIENCE_MS = 5_000;

/** Seconds that a run may take. Throws DEADLINE when there is no time for one. */
export function secondsForRun(context: Pick<Context, 'getRemainingTimeInMillis'>): number {
  const seconds = (context.getRemainingTimeInMillis() - CLOSING_MS - PATIENCE_MS) / 1000;
  if (seconds > 0) return seconds;
  throw new TimewarpError('DEADLINE', 'The function has too little time left for a run; raise its time-out.');
}

/** Rejects with DEADLINE when the work has not ended shortly before the invocation does; it is told to stop then. */
export async function beforeEnd<T>(
  context: Pick<Context, 'getRemainingTimeInMillis'>,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const end = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      controller.abort();
      reject(new TimewarpError('DEADLINE', 'The work did not end in time: a database does not answer.'));
    }, context.getRemainingTimeInMillis() - CLOSING_MS);
  });
  try {
    return await Promise.race([work(controller.signal), end]);
  } finally {
    clearTimeout(timer);
  }
}
