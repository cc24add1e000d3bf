/**
 * Ctrl-C and SIGTERM: the first asks the command to stop where nothing is half done, the second ends the process at once
 * (which is safe too: every step is one transaction; it only looks less tidy).
 */
import type { Ends } from './command.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';

const PATIENCE_MS = 10_000;

/** Aborted at the first Ctrl-C or SIGTERM, with the name of that as its reason. Call once per process. */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  const stop = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted);
    controller.abort(name);
    setTimeout(() => process.exit(EXIT.interrupted), PATIENCE_MS).unref();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return controller.signal;
}

/**
 * The exit status of a command that was stopped. SIGTERM is how service managers and containers end what runs until it is
 * stopped: for such a command that is success.
 */
export function exitCodeWhenStopped(signal: AbortSignal, ends: Ends): ExitCode {
  return ends === 'when stopped' && signal.reason === 'SIGTERM' ? EXIT.done : EXIT.interrupted;
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
