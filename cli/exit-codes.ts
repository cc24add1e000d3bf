/** The exit statuses of all commands, with their meanings. Scripts may rely on them. */
import type { TimewarpError } from '../core/errors/timewarp-error.ts';

export const EXIT = {
  /** Success. Also: there was nothing to do, or another run is doing it. */
  done: 0,
  /** An error, a blocked node, a gap of the node, or a check that fails. */
  failed: 1,
  /** The request cannot be carried out as it is written. */
  wrongRequest: 2,
  /** The row was not there at that time. */
  absent: 3,
  /** It is not known whether the row was there, or which rows were. */
  unknown: 4,
  /** Stopped by a signal. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export function exitCodeOfError(error: TimewarpError): ExitCode {
  if (error.code === 'INTERRUPTED' || error.code === 'RESTORE_STOPPED') return EXIT.interrupted;
  if (error.code === 'ROWS_UNKNOWN' || error.code === 'VALUES_UNKNOWN') return EXIT.unknown;
  return error.action === 'client' ? EXIT.wrongRequest : EXIT.failed;
}

export function exitCodeOfAnswer(status: 'found' | 'absent' | 'unknown'): ExitCode {
  return { found: EXIT.done, absent: EXIT.absent, unknown: EXIT.unknown }[status];
}

export function exitCodeOfRun(outcome: 'done' | 'busy' | 'deadline' | 'blocked' | 'gap'): ExitCode {
  return outcome === 'blocked' || outcome === 'gap' ? EXIT.failed : EXIT.done;
}

export function exitCodeOfChecks(status: 'ok' | 'warn' | 'fail'): ExitCode {
  return status === 'fail' ? EXIT.failed : EXIT.done;
}
