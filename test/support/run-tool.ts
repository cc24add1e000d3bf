/** Runs any program to its end, in an environment without PG*, PGTIMEWARP_*, vitest and Node variables. */
import { spawn } from 'node:child_process';

export interface ProgramResult {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ToolOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

/** Resolves when the program has ended, whatever its exit code; a time-out kills it. */
export function runTool(
  program: string,
  args: readonly string[],
  { cwd, env = {}, timeoutMs }: ToolOptions,
): Promise<ProgramResult> {
  return new Promise((resolve, reject) => {
    const inherited = Object.entries(process.env).filter(
      ([name]) =>
        !/^(PG|VITEST|NODE_(?!EXTRA_CA_CERTS)|npm_(config_(json|workspace)|package|lifecycle))/.test(name),
    );
    const child = spawn(program, args, {
      cwd,
      env: { ...Object.fromEntries(inherited), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}
