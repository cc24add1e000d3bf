/** Failures of the file system that the user can end: no space, no such folder, no right to write. */
import { TimewarpError } from '../core/errors/timewarp-error.ts';

const CALLS = new Set(['open', 'lstat', 'mkdtemp', 'write', 'read', 'rename', 'fsync', 'close']);

/** Such a failure as BAD_FLAGS with this remedy; any other error unchanged. */
export function fromFileError(error: unknown, path: string, remedy: string): unknown {
  const { code, syscall } = error as { code?: unknown; syscall?: unknown };
  if (error instanceof TimewarpError || typeof syscall !== 'string' || typeof code !== 'string') return error;
  if (!CALLS.has(syscall) || code === 'EPIPE') return error; // EPIPE is of stdout: its reader has gone
  return new TimewarpError('BAD_FLAGS', `${path} cannot be written (${code} in ${syscall}).`, {
    cause: error,
    remedy,
  });
}
