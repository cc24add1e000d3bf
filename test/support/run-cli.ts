/** Runs the command line as users do: in its own process, with the Node that runs the tests. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Stripping types and compiling takes more than half of a short command; Node caches the result here, by content. */
const COMPILE_CACHE = fileURLToPath(new URL('../../test-output/compile-cache', import.meta.url));

export interface CliOptions {
  /** Added to an environment without PG* and PGTIMEWARP_* variables. */
  readonly env?: Readonly<Record<string, string>>;
  /** Written to stdin, which is then closed. */
  readonly input?: string;
  /** After this time the command is killed and the result rejected. */
  readonly timeoutMs?: number;
}

export interface CliResult {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** stdout as one JSON document. Numbers are JavaScript's: use `stdout` where every digit counts. */
  json(): unknown;
}

/** Resolves when the command has ended, whatever its exit code. */
export function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return spawnCli(args, options).result;
}

/** Like {@link runCli}, for tests that send signals or inspect a command while it runs. */
export function spawnCli(
  args: readonly string[],
  options: CliOptions = {},
): { child: ChildProcessWithoutNullStreams; result: Promise<CliResult> } {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(PG|VITEST|NODE_)/.test(name));
  const child = spawn(process.execPath, ['cli/main.ts', ...args], {
    cwd: ROOT,
    env: { ...Object.fromEntries(inherited), NODE_COMPILE_CACHE: COMPILE_CACHE, ...options.env },
  });
  child.stdin.on('error', () => undefined); // the command may end without reading its input
  child.stdin.end(options.input ?? '');
  return { child, result: collect(child, args, options.timeoutMs ?? 30_000) };
}

function collect(
  child: ChildProcessWithoutNullStreams,
  args: readonly string[],
  timeoutMs: number,
): Promise<CliResult> {
  return new Promise((resolve, reject) => {
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`pgtimewarp ${args.join(' ')} did not end in ${timeoutMs} ms\n${stdout}\n${stderr}`));
    }, timeoutMs);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const json = (): unknown => {
        try {
          return JSON.parse(stdout);
        } catch (cause) {
          throw new Error(`not JSON (exit code ${code}): ${stdout}\n${stderr}`, { cause });
        }
      };
      resolve({ code, signal, stdout, stderr, json });
    });
  });
}
