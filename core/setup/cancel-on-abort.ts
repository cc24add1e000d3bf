/**
 * Cancels a statement that waits on the server when the signal aborts. Closing the socket would not be enough: the server would continue
 * and make a slot that no node owns.
 */
import type pg from 'pg';
import { TimewarpError } from '../errors/timewarp-error.ts';
import { type ConnectOptions, connect } from '../pg/connection.ts';

export interface CancelOptions extends ConnectOptions {
  readonly url: string;
  readonly signal: AbortSignal | undefined;
}

/** Runs `work` on the session. On abort it cancels the running statement, and {@link throwIfAborted} throws. */
export async function cancelOnAbort<T>(
  session: pg.Client,
  options: CancelOptions,
  work: () => Promise<T>,
): Promise<T> {
  const { signal, url } = options;
  throwIfAborted(signal);
  const { rows } = await session.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  let cancelling: Promise<void> = Promise.resolve();
  const cancel = (): void => {
    cancelling = cancelBackend(url, options, rows[0]!.pid);
  };
  signal?.addEventListener('abort', cancel, { once: true });
  try {
    return await work();
  } catch (error) {
    if (!isAboutStop(error, signal)) throwIfAborted(signal, error);
    throw error;
  } finally {
    signal?.removeEventListener('abort', cancel);
    await cancelling;
  }
}

/** Whether the error of the work already tells why it was stopped, and what it waited for. */
function isAboutStop(error: unknown, signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true && error instanceof TimewarpError && error.code === stopOf(signal).code;
}

/** The reason of an abort as a TimewarpError. */
export function stopOf(signal: AbortSignal, cause?: unknown): TimewarpError {
  if (signal.reason instanceof TimewarpError) return signal.reason;
  return new TimewarpError('INTERRUPTED', 'Stopped by a signal.', { cause });
}

/** After an abort, throws its reason if that is a TimewarpError, otherwise INTERRUPTED. */
export function throwIfAborted(signal: AbortSignal | undefined, cause?: unknown): void {
  if (signal?.aborted === true) throw stopOf(signal, cause);
}

async function cancelBackend(url: string, options: ConnectOptions, pid: number): Promise<void> {
  try {
    const helper = await connect(url, options);
    await helper.query('SELECT pg_catalog.pg_cancel_backend($1::int)', [pid]);
    await helper.end();
  } catch {
    // the server does not answer: the statement ends by itself, and its result is handled as usual
  }
}
