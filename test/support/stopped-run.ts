/** A run of `pgtimewarp poll`, or of another command, in its own process that is stopped at one of its statements. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PRELOAD = './test/support/stop-at-statement.ts';

/** A node, with what the command line needs to follow it. */
type Followed = { readonly env: Readonly<Record<string, string>> };

export interface EndedRun {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface StoppedRun {
  /** false: the run ended before it reached that point. */
  readonly stopped: boolean;
  readonly child: ChildProcess;
  /** Continues: normally, with a statement that exceeds its time limit, or with its answer lost. */
  resume(how: 'go' | 'time-out' | 'lost'): void;
  readonly ended: Promise<EndedRun>;
}

/** The names of all points of a run, in order. The run completes. */
export async function pointsOf(fork: Followed, command: readonly string[] = ['poll']): Promise<string[]> {
  const { child, ended } = startRun(fork, undefined, command);
  let told = '';
  (child.stdio[3] as Readable).setEncoding('utf8').on('data', (text: string) => {
    told += text;
  });
  const end = await ended;
  if (end.code !== 0) throw new Error(`the run to learn the points from failed: ${end.stdout}${end.stderr}`);
  return told.trimEnd().split('\n');
}

/** Starts a run and resolves when it is stopped at `point`, or has ended. */
export async function runUntil(
  fork: Followed,
  point: string,
  command: readonly string[] = ['poll'],
): Promise<StoppedRun> {
  const { child, ended } = startRun(fork, point, command);
  const told = once(child.stdio[3] as Readable, 'data').then(() => true);
  const stopped = await Promise.race([told, ended.then(() => false)]);
  const answer = child.stdio[4] as Writable;
  answer.on('error', () => undefined); // it may have ended already
  return {
    stopped,
    child,
    resume: (how) => answer.write(how.charAt(0)),
    ended,
  };
}

function startRun(
  fork: Followed,
  point: string | undefined,
  command: readonly string[],
): { child: ChildProcess; ended: Promise<EndedRun> } {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(PG|VITEST|NODE_)/.test(name));
  const child = spawn(process.execPath, ['--import', PRELOAD, 'cli/main.ts', ...command, '--json'], {
    cwd: ROOT,
    env: {
      ...Object.fromEntries(inherited),
      ...fork.env,
      ...(point === undefined ? {} : { STOP_AT: point }),
    },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, stdout, stderr }) as EndedRun);
  return { child, ended };
}
