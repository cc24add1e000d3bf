/**
 * The context of every command: its settings, its output, and the signal that ends it. A command returns its exit code and
 * throws TimewarpErrors; it never ends the process and never writes to the console itself.
 */
import type { ExitCode } from './exit-codes.ts';
import type { Output } from './output.ts';
import type { Settings } from './settings.ts';

export interface CommandContext {
  readonly settings: Settings;
  readonly out: Output;
  readonly signal: AbortSignal;
}

/** Whether a command ends by itself or runs until it is stopped. */
export type Ends = 'by itself' | 'when stopped';

/** Runs the body of a command. `ends` is 'by itself' by default. command-line.ts makes it and passes it to every registration. */
export type Run = (body: (context: CommandContext) => Promise<ExitCode>, ends?: Ends) => Promise<void>;
