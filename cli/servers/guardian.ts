/**
 * Nothing of a throw-away server outlives the process that started it, however that ends (exit, Ctrl-C, SIGKILL). An
 * exit hook cannot promise that, so a small shell process waits at a pipe which only we hold open: when the pipe closes it
 * stops the server and removes its folder.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

// $1 folder, $2 data folder. The postmaster writes its process number into the first line of postmaster.pid.
// SIGQUIT is the immediate shutdown (PostgreSQL manual, "Shutting Down the Server").
const SCRIPT = `
trap '' INT TERM HUP
read -r word
if [ "$word" = keep ]; then exit 0; fi
pid=$(head -n 1 "$2/postmaster.pid" 2>/dev/null)
# A server that was killed leaves the file behind, and its number may be another's by now; a postmaster sits in its folder.
if [ -d "/proc/$pid" ] && [ "$(readlink "/proc/$pid/cwd")" != "$2" ]; then pid=; fi
if [ -n "$pid" ]; then
  kill -QUIT "$pid" 2>/dev/null
  tries=0
  # The file goes at the very end; the process number may stay on as a zombie where nobody collects orphans.
  while [ -e "$2/postmaster.pid" ] && kill -0 "$pid" 2>/dev/null && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
fi
rm -rf -- "$1"
`;

export interface Guardian {
  /** Stops what still runs and removes the folder now; resolves when that is done. */
  clean(): Promise<void>;
  /** Lets server and folder live on. */
  release(): Promise<void>;
}

export function guard(folder: string, dataDir: string): Guardian {
  // Detached: a process group of its own, which the Ctrl-C of a terminal does not reach.
  const child = spawn('/bin/sh', ['-c', SCRIPT, 'sh', folder, dataDir], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const ended = once(child, 'close');
  ended.catch(() => undefined); // reported by whoever awaits finish()
  child.stdin.on('error', () => undefined); // closed already: the guardian has ended, which `ended` tells
  child.unref();
  if ('unref' in child.stdin && typeof child.stdin.unref === 'function') child.stdin.unref();

  const finish = async (word: string): Promise<void> => {
    child.ref();
    child.stdin.end(`${word}\n`);
    await ended;
  };
  return { clean: () => finish('clean'), release: () => finish('keep') };
}
