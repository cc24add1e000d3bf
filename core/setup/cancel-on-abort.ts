/**
 * Ends a statement that waits on the server when the caller is told to stop. Closing the socket would not do: the server
 * goes on, and what it then makes (a slot) has nobody to look after it.
 */
import type pg from 'pg';
import { TimewarpError } from '../errors/timewarp-error.ts';
import { type ConnectOptions, connect } from '../pg/connection.ts';

export interface CancelOptions extends ConnectOptions {
  readonly url: string;
  readonly signal: AbortSignal | undefined;
}

/** Runs `work` on the session; on abort the statement that runs then is cancelled, and {@link throwIfAborted} throws. */
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

/** The work itself has said why it was stopped, and what it waited for. */
function isAboutStop(error: unknown, signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true && error instanceof TimewarpError && error.code === stopOf(signal).code;
}

/** What a signal was given for. */
export function stopOf(signal: AbortSignal, cause?: unknown): TimewarpError {
  if (signal.reason instanceof TimewarpError) return signal.reason;
  return new TimewarpError('INTERRUPTED', 'Stopped by a signal.', { cause });
}

/** Throws what the signal was given for, where that is one of our errors, else INTERRUPTED. */
export function throwIfAborted(signal: AbortSignal | undefined, cause?: unknown): void {
  if (signal?.aborted === true) throw stopOf(signal, cause);
}

async function cancelBackend(url: string, options: ConnectOptions, pid: number): Promise<void> {
  try {
    const helper = await connect(url, options);
    await helper.query('SELECT pg_catalog.pg_cancel_backend($1::int)', [pid]);
    await helper.end();
  } catch {
    // the server does not answer: the statement ends by itself, and its result is dealt with as usual
  }
}
