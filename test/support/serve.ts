/** `pgtimewarp serve` in its own process, on a free port. */
import { spawnCli } from './run-cli.ts';

export interface ServeProcess extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  stderr(): string;
  /** Ends it with SIGINT, as Ctrl-C does. */
  stop(): Promise<{ code: number | null; stdout: string; stderr: string }>;
}

export async function startServe(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  timeoutMs = 300_000,
): Promise<ServeProcess> {
  const { child, result } = spawnCli(['serve', '--port', '0', ...args], { env, timeoutMs });
  let stderr = '';
  const url = await new Promise<string>((resolve, reject) => {
    child.stderr.on('data', (text: string) => {
      stderr += text;
      const found = /listening on (http:\S+)/.exec(stderr)?.[1];
      if (found !== undefined) resolve(found);
    });
    child.once('exit', (code) => reject(new Error(`serve ended (${code}): ${stderr}`)));
  });
  const stop = async (): Promise<{ code: number | null; stdout: string; stderr: string }> => {
    child.kill('SIGINT');
    return result;
  };
  return {
    url,
    pid: child.pid!,
    stderr: () => stderr,
    stop,
    [Symbol.asyncDispose]: async () => void (await stop()),
  };
}
