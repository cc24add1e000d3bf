/**
 * Ctrl-C and SIGTERM: the first asks the command to stop where nothing is half done, the second ends the process at once
 * (which is safe too: every step is one transaction; it only looks less tidy).
 */
import { EXIT } from './exit-codes.ts';

const PATIENCE_MS = 10_000;

/** A signal that is aborted at the first Ctrl-C or SIGTERM. Call once per process. */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  const stop = (): void => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted);
    controller.abort();
    setTimeout(() => process.exit(EXIT.interrupted), PATIENCE_MS).unref();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return controller.signal;
}

/** Waits; resolves early, without an error, when the signal is given. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener('abort', done, { once: true });
  });
}
