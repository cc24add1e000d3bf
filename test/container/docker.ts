/** Docker's client and Compose, with the daemon of DOCKER_HOST. */
import { expect } from 'vitest';
import { type ProgramResult, runTool } from '../support/run-tool.ts';

interface Options {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

const LONGEST_MS = 600_000;

/** Whatever its exit code. */
export function docker(
  args: readonly string[],
  { cwd = '.', env = {} }: Options = {},
): Promise<ProgramResult> {
  return runTool('docker', args, { cwd, env, timeoutMs: LONGEST_MS });
}

/** What it printed to stdout. Fails the test if it fails. */
export async function dockerDoes(args: readonly string[], options: Options = {}): Promise<string> {
  const { code, stdout, stderr } = await docker(args, options);
  expect(code, `docker ${args.join(' ')}\n${stdout}${stderr}`).toBe(0);
  return stdout.trim();
}

/** `docker compose`, or the older program of its own, which does not know the entry `name`; null if there is neither. */
export async function findCompose(): Promise<{ command: readonly string[]; knowsName: boolean } | null> {
  const plugin = await docker(['compose', 'version']).catch(() => null);
  if (plugin?.code === 0) return { command: ['docker', 'compose'], knowsName: true };
  const program = await runTool('docker-compose', ['version'], { cwd: '.', timeoutMs: 60_000 }).catch(
    () => null,
  );
  return program?.code === 0 ? { command: ['docker-compose'], knowsName: false } : null;
}
