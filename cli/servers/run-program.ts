/**
 * Runs one of PostgreSQL's programs to its end, with English messages. Its environment has no PG* variables, because the
 * caller's PGOPTIONS or PGDATA must not reach a temporary server.
 */
import { spawn } from 'node:child_process';
import type { UnprivilegedUser } from './unprivileged-user.ts';

export interface ProgramResult {
  /** Null when a signal ended it. */
  readonly code: number | null;
  /** stdout and stderr in the order in which they came. */
  readonly output: string;
}

/** Resolves when the program has ended, whatever its exit code; rejects when it cannot be started at all. */
export function runProgram(
  file: string,
  args: readonly string[],
  options: { cwd?: string; user?: UnprivilegedUser | null } = {},
): Promise<ProgramResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.user ? { uid: options.user.uid, gid: options.user.gid } : {}),
      env: cleanEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const collect = (chunk: Buffer): void => {
      output += chunk.toString('utf8');
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output }));
  });
}

function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(PG|LC_|LANG|LD_)/.test(name));
  return { ...Object.fromEntries(kept), LC_ALL: 'C' };
}
