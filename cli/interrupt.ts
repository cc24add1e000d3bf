/**
 * Ctrl-C and SIGTERM. The first signal asks the command to stop at a clean place. The second ends the process at once, which
 * is safe too: every step is one transaction.
 */
import type { Ends } from './command.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';

const PATIENCE_MS = 10_000;

/** A signal that aborts at the first Ctrl-C or SIGTERM; its reason is the name of that. Call this once per process. */
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
 * The exit status of a command that was stopped. Service managers and containers end long-running commands by SIGTERM, so for
 * these SIGTERM is success.
 */
export function exitCodeWhenStopped(signal: AbortSignal, ends: Ends): ExitCode {
  return ends === 'when stopped' && signal.reason === 'SIGTERM' ? EXIT.done : EXIT.interrupted;
}

/** Waits. When the signal aborts, it resolves early, without an error. */
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
