/**
 * What every command gets: its settings, where to write, and the signal that ends it. A command returns its exit code and
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

/** Whether a command has an end of its own, or runs until somebody stops it. */
export type Ends = 'by itself' | 'when stopped';

/** Runs a command's body, one that ends by itself unless it says otherwise: set up once in main.ts, handed to every command's registration. */
export type Run = (body: (context: CommandContext) => Promise<ExitCode>, ends?: Ends) => Promise<void>;
