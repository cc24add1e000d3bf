/**
 * Removes a temporary server when the process that started it ends in any way (exit, Ctrl-C, SIGKILL). An exit hook does
 * not run after SIGKILL. So a small shell process waits on a pipe that only our process holds open. When the pipe closes, the
 * shell stops the server and removes its folder.
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
# A killed server leaves the file behind, and another process may have its number now. A postmaster runs in its data folder.
if [ -d "/proc/$pid" ] && [ "$(readlink "/proc/$pid/cwd")" != "$2" ]; then pid=; fi
if [ -n "$pid" ]; then
  kill -QUIT "$pid" 2>/dev/null
  tries=0
  # Wait for the file to disappear, not the process: without an init process that collects orphans, it stays as a zombie.
  while [ -e "$2/postmaster.pid" ] && kill -0 "$pid" 2>/dev/null && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
fi
rm -rf -- "$1"
`;

export interface Guardian {
  /** Stops the server if it still runs, and removes the folder; resolves when that is done. */
  clean(): Promise<void>;
  /** Ends the guardian without removing server and folder. */
  release(): Promise<void>;
}

export function guard(folder: string, dataDir: string): Guardian {
  // Detached: it has its own process group, so Ctrl-C on the terminal does not reach it.
  const child = spawn('/bin/sh', ['-c', SCRIPT, 'sh', folder, dataDir], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const ended = once(child, 'close');
  ended.catch(() => undefined); // the caller of finish() gets the error
  child.stdin.on('error', () => undefined); // the pipe is closed because the guardian has ended; `ended` reports it
  child.unref();
  if ('unref' in child.stdin && typeof child.stdin.unref === 'function') child.stdin.unref();

  const finish = async (word: string): Promise<void> => {
    child.ref();
    child.stdin.end(`${word}\n`);
    await ended;
  };
  return { clean: () => finish('clean'), release: () => finish('keep') };
}
