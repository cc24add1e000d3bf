/** Runs a command of the command line inside the test's process, with typed arguments, which saves the start of a process. */
import { expect } from 'vitest';
import { nameTheNode } from '../../cli/name-the-node.ts';
import type { OutputStreams } from '../../cli/output.ts';
import { Output } from '../../cli/output.ts';
import { buildProgram } from '../../cli/program.ts';
import { Settings, type SharedOptions } from '../../cli/settings.ts';
import { otherKeys } from './key-style.ts';

export interface CommandDatabases {
  readonly sourceUrl: string;
  readonly storeUrl: string;
  readonly node: string;
}

/** Rejects with the command's error; resolves to its exit code and what it printed to stdout. */
export async function runCommand(
  args: readonly string[],
  { sourceUrl, storeUrl, node }: CommandDatabases,
): Promise<{ code: number; stdout: string }> {
  let [code, stdout] = [0, ''];
  const stream = (take: (text: string) => void) => {
    const write = (text: string): boolean => {
      take(text);
      return true;
    };
    return { write } as unknown as NodeJS.WriteStream;
  };
  const streams: OutputStreams = {
    stdout: stream((text) => {
      stdout += text;
    }),
    stderr: stream(() => undefined),
  };
  const out = new Output({ json: args.includes('--json'), verbose: args.includes('--verbose') }, streams);
  const program = await buildProgram({
    version: 'test',
    run: async (body) => {
      const settings = new Settings(program.opts<SharedOptions>());
      code = await body({ settings, out, signal: new AbortController().signal });
    },
    args,
  });
  const where = ['--source', sourceUrl, '--store', storeUrl];
  const whose = args.includes('--node') ? [] : ['--node', node];
  await program.parseAsync(nameTheNode([...args, ...where, ...whose]), { from: 'user' });
  if (out.json && stdout !== '') expect(otherKeys(JSON.parse(stdout)), stdout).toEqual([]);
  return { code, stdout };
}
