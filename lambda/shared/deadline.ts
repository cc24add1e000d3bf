/** The remaining time of an invocation. Lambda stops a function without a warning, so all work must end before. */
import type { Context } from 'aws-lambda';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';

/** Time kept for the steps after the work: metrics, the answer. */
const CLOSING_MS = 5_000;
/** How long a run may exceed its time limit before it is ended from outside. */
const PATIENCE_MS = 5_000;

/** The time limit of a run in seconds. Throws DEADLINE if too little time remains. */
export function secondsForRun(context: Pick<Context, 'getRemainingTimeInMillis'>): number {
  const seconds = (context.getRemainingTimeInMillis() - CLOSING_MS - PATIENCE_MS) / 1000;
  if (seconds > 0) return seconds;
  throw new TimewarpError('DEADLINE', 'The function has too little time left for a run; raise its time-out.');
}

/** Rejects with DEADLINE if the work has not ended shortly before the end of the invocation, and aborts the work then. */
export async function beforeEnd<T>(
  context: Pick<Context, 'getRemainingTimeInMillis'>,
  work: (signal: AbortSignal) => Promise<T>,
  whoIsSilent = 'a database does not answer',
): Promise<T> {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const end = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      controller.abort();
      reject(new TimewarpError('DEADLINE', `The work did not end in time: ${whoIsSilent}.`));
    }, context.getRemainingTimeInMillis() - CLOSING_MS);
  });
  try {
    return await Promise.race([work(controller.signal), end]);
  } finally {
    clearTimeout(timer);
  }
}
