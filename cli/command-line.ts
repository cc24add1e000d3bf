/** The command line: parses, runs one command, prints its errors, sets the exit status. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, CommanderError } from 'commander';
import { afterSignal } from './after-signal.ts';
import type { Run } from './command.ts';
import { EXIT, type ExitCode, exitCodeOfError } from './exit-codes.ts';
import { exitCodeWhenStopped, interruptSignal } from './interrupt.ts';
import { nameTheNode } from './name-the-node.ts';
import { Output } from './output.ts';
import { buildProgram } from './program.ts';
import { Settings, type SharedOptions } from './settings.ts';
import { namingCommand, toError } from './to-error.ts';

/** Runs the command line; resolves to the exit status. */
async function main(args: readonly string[]): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT.done;
  const signal = interruptSignal();
  // Known before parsing, because parsing may fail; flags after `--` are not options.
  const before = args.slice(0, args.indexOf('--') === -1 ? args.length : args.indexOf('--'));
  const out = new Output({ json: before.includes('--json'), verbose: before.includes('--verbose') });
  const words: string[] = [];
  let entered: Command | null = null;
  try {
    const run: Run = async (body, ends = 'by itself') => {
      const settings = new Settings(program.opts<SharedOptions>());
      exitCode = await body({ settings, out, signal });
      if (signal.aborted) exitCode = exitCodeWhenStopped(signal, ends);
    };
    const typed = nameTheNode(args);
    const write = (text: string): unknown => words.push(text);
    const program = await buildProgram({ version: packageVersion(), run, write, args: typed });
    for (const each of [program, ...program.commands])
      each.hook('preSubcommand', (_, subcommand) => {
        entered = subcommand;
      });
    await program.parseAsync(typed, { from: 'user' });
    return exitCode;
  } catch (thrown) {
    if (thrown instanceof CommanderError && thrown.exitCode === 0) {
      const text = words.join('');
      out.result({ [thrown.code === 'commander.version' ? 'version' : 'help']: text.trim() }, () => text);
      return EXIT.done;
    }
    const error = namingCommand(
      signal.aborted ? afterSignal(thrown) : toError(thrown, entered),
      entered === null ? 'pgtimewarp' : pathOf(entered),
    );
    out.error(error);
    return exitCodeOfError(error);
  }
}

/** The full name of a command, such as `pgtimewarp retention set`. */
function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}

/** package.json lies one folder up in a checkout (cli/) and two in the package (dist/cli/). */
function packageVersion(): string {
  for (const path of ['../package.json', '../../package.json']) {
    try {
      const { name, version } = JSON.parse(readFileSync(join(import.meta.dirname, path), 'utf8')) as {
        name?: string;
        version?: string;
      };
      if (name === 'pgtimewarp' && version !== undefined) return version;
    } catch {
      // not there: try the next place
    }
  }
  return 'unknown';
}

// EPIPE: the reader has closed the pipe (`| head`), which is no error. Any other failure to write the result is one.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT.done);
  process.stderr.write(`error: The result could not be written: ${error.message}\n`);
  process.exit(EXIT.failed);
});
process.exitCode = await main(process.argv.slice(2));
// Everything is closed by now. A lingering socket must not keep the process alive.
setTimeout(() => process.exit(), 2_000).unref();
