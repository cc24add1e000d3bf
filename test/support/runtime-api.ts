/**
 * Lambda's side of a function, as documented ("Using the Lambda runtime API for custom runtimes"): it passes one event at a
 * time to the runtime client, takes its answer, and ends an environment that does not answer in time.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface RuntimeError {
  readonly errorType: string;
  readonly errorMessage: string;
}

export interface Environment extends AsyncDisposable {
  /** Resolves to the handler's answer. Rejects with its error, with that of its initialisation, or with `Task timed out`. */
  invoke(event: unknown, timeoutMs?: number): Promise<unknown>;
  /** From the start of the process until it asked for the first event. */
  initMs(): number;
  /** The time of that request, on the clock of `performance.now()`. */
  readyAt(): number;
  /** User and system time that the process has used. */
  cpuMs(): number;
  output(): string;
}

export interface EnvironmentOptions {
  /** The runtime client's program. */
  readonly client: string;
  /** The synthesised bundle. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  /** Default `index.handler`, as deployed. */
  readonly handler?: string;
}

interface Invocation {
  readonly id: string;
  readonly body: string;
  readonly deadlineMs: number;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

const ARN = 'arn:aws:lambda:eu-central-1:123456789012:function:pgtimewarp';
const TICKS_A_SECOND = 100;

/** Starts an environment: bundle in its own folder, runtime client, and only the variables of a function. */
export async function startEnvironment(options: EnvironmentOptions): Promise<Environment> {
  const task = mkdtempSync(join(tmpdir(), 'pgtimewarp-task-'));
  cpSync(options.folder, task, { recursive: true });
  const state = new RuntimeState();
  const server = createServer((request, response) => void state.answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const started = performance.now();
  const child = spawn(process.execPath, [options.client, options.handler ?? 'index.handler'], {
    cwd: task,
    env: {
      PATH: process.env.PATH ?? '',
      LANG: 'en_US.UTF-8',
      TZ: ':UTC',
      NODE_OPTIONS: '--max-semi-space-size=4',
      AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${(server.address() as AddressInfo).port}`,
      AWS_LAMBDA_FUNCTION_NAME: 'pgtimewarp',
      AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '1024',
      AWS_LAMBDA_LOG_GROUP_NAME: '/aws/lambda/pgtimewarp',
      AWS_LAMBDA_LOG_STREAM_NAME: 'test',
      LAMBDA_TASK_ROOT: task,
      _HANDLER: options.handler ?? 'index.handler',
      ...options.env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  child.once('exit', (code) => state.ended(new Error(`the environment ended (${code}):\n${output}`)));
  return {
    invoke: async (event, timeoutMs = 30_000) => {
      const timer = setTimeout(() => {
        state.ended(new Error(`Task timed out after ${timeoutMs / 1000} seconds`));
        child.kill('SIGKILL');
      }, timeoutMs);
      try {
        return await state.invoke(JSON.stringify(event), Date.now() + timeoutMs);
      } finally {
        clearTimeout(timer);
      }
    },
    readyAt: () => state.readyAt,
    initMs: () => state.readyAt - started,
    cpuMs: () => cpuMs(child),
    output: () => output,
    [Symbol.asyncDispose]: async () => {
      await kill(child);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(task, { recursive: true, force: true });
    },
  };
}

class RuntimeState {
  readyAt = Number.NaN;
  #end: Error | null = null;
  #asking: ServerResponse | null = null;
  readonly #waiting: Invocation[] = [];
  #current: Invocation | null = null;

  invoke(body: string, deadlineMs: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#end !== null) return reject(this.#end);
      this.#waiting.push({ id: randomUUID(), body, deadlineMs, resolve, reject });
      this.#handOut();
    });
  }

  /** After this the environment answers nothing more. */
  ended(error: Error): void {
    this.#end ??= error;
    for (const each of [this.#current, ...this.#waiting.splice(0)]) each?.reject(this.#end);
    this.#current = null;
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '').replace('/2018-06-01/runtime/', '');
    if (path === 'invocation/next') {
      if (Number.isNaN(this.readyAt)) this.readyAt = performance.now();
      this.#asking = response;
      return this.#handOut();
    }
    let body = '';
    for await (const chunk of request.setEncoding('utf8')) body += chunk;
    response.writeHead(202, { 'content-type': 'application/json' }).end('{"status":"OK"}');
    if (path === 'init/error') return this.ended(runtimeError(body));
    const [, id, what] = path.split('/');
    if (this.#current === null || id !== this.#current.id) return;
    const { resolve, reject } = this.#current;
    this.#current = null;
    if (what === 'response') resolve(body === '' ? null : JSON.parse(body));
    else reject(runtimeError(body));
  }

  #handOut(): void {
    const next = this.#waiting[0];
    if (this.#asking === null || next === undefined) return;
    this.#waiting.shift();
    this.#current = next;
    this.#asking.writeHead(200, {
      'content-type': 'application/json',
      'lambda-runtime-aws-request-id': next.id,
      'lambda-runtime-deadline-ms': String(next.deadlineMs),
      'lambda-runtime-invoked-function-arn': ARN,
      'lambda-runtime-trace-id': 'Root=1-00000000-000000000000000000000000;Sampled=0',
    });
    this.#asking.end(next.body);
    this.#asking = null;
  }
}

function runtimeError(body: string): Error {
  const { errorType, errorMessage } = JSON.parse(body) as RuntimeError;
  return new Error(`${errorType}: ${errorMessage}`);
}

/** Fields 14 and 15 of /proc/PID/stat (proc(5)). */
function cpuMs(child: ChildProcess): number {
  const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_A_SECOND;
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
}
