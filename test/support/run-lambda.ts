/**
 * A synthesised function as one execution environment: its bundle, copied out of the checkout so that it finds no files there
 * by accident, in a process that serves several invocations and has only its own environment variables.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

export interface LambdaEnvironment extends AsyncDisposable {
  /** Rejects with the handler's error. */
  invoke(event: unknown, remainingMs?: number): Promise<unknown>;
  /** Freezes it in the middle of its work, as Lambda does between invocations; it is not ended. */
  freeze(): void;
  thaw(): void;
  /** Everything printed so far. */
  output(): string;
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const RUNNER = fileURLToPath(new URL('lambda-child.mjs', import.meta.url));

/** As Lambda tells it to a function. */
export const FUNCTION_NAME = 'test';

type Message = { result?: unknown; error?: string; ready?: true };

export async function startLambda(
  folder: string,
  env: Readonly<Record<string, string>>,
): Promise<LambdaEnvironment> {
  const task = mkdtempSync(join(tmpdir(), 'pgtimewarp-task-'));
  cpSync(folder, task, { recursive: true });
  const runner = join(task, 'lambda-child.mjs');
  cpSync(RUNNER, runner);
  return startHandler(pathToFileURL(join(task, 'index.mjs')), {
    ...{ runner, cwd: task, env },
    remove: () => rmSync(task, { recursive: true, force: true }),
  });
}

export interface HandlerOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly runner?: string;
  /** When the process has ended. */
  readonly remove?: () => void;
}

/** A module with a handler in its own process: a bundle, or the source. */
export async function startHandler(
  module: URL,
  { env, cwd = ROOT, runner = RUNNER, remove = () => {} }: HandlerOptions,
): Promise<LambdaEnvironment> {
  const child = fork(runner, [module.href], {
    cwd,
    env: { PATH: process.env.PATH ?? '', AWS_LAMBDA_FUNCTION_NAME: FUNCTION_NAME, ...env },
    execArgv: [],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  let output = '';
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  await nextMessage(child, () => output);
  return {
    invoke: async (event, remainingMs = 30_000) => {
      child.send({ event, remainingMs });
      const { result, error } = await nextMessage(child, () => output);
      if (error !== undefined) throw new Error(error);
      return result;
    },
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    output: () => output,
    [Symbol.asyncDispose]: async () => {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
      remove();
    },
  };
}

function nextMessage(child: ChildProcess, output: () => string): Promise<Message> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null): void =>
      reject(new Error(`the function ended (${code}):\n${output()}`));
    child.once('exit', ended);
    child.once('message', (message) => {
      child.off('exit', ended);
      resolve(message as Message);
    });
  });
}
