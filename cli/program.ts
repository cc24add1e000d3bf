/** The commands and their help, grouped by purpose. */
import { Command } from 'commander';
import type { Run } from './command.ts';
import { registerAsOf } from './commands/asof.ts';
import { registerChanges } from './commands/changes.ts';
import { registerComplete } from './commands/complete.ts';
import { registerCompletion } from './commands/completion.ts';
import { registerDeinit } from './commands/deinit.ts';
import { registerDemo } from './commands/demo.ts';
import { registerDiff } from './commands/diff.ts';
import { registerDoctor } from './commands/doctor.ts';
import { registerEvents } from './commands/events.ts';
import { registerExport } from './commands/export.ts';
import { registerExtension } from './commands/extension.ts';
import { registerFind } from './commands/find.ts';
import { registerInit } from './commands/init.ts';
import { registerMigrate } from './commands/migrate.ts';
import { registerPoll } from './commands/poll.ts';
import { registerRebaseline } from './commands/rebaseline.ts';
import { registerReleaseSlot } from './commands/release-slot.ts';
import { registerRestore } from './commands/restore.ts';
import { registerRetention } from './commands/retention.ts';
import { registerServe } from './commands/serve.ts';
import { registerSkip } from './commands/skip.ts';
import { registerStatus } from './commands/status.ts';
import { registerTrack } from './commands/track.ts';
import { registerTransaction } from './commands/transaction.ts';
import { registerTransactions } from './commands/transactions.ts';
import { registerUntrack } from './commands/untrack.ts';
import { addSharedOptions } from './settings.ts';

const GROUPS: readonly (readonly [
  title: string,
  register: readonly ((program: Command, run: Run) => Command)[],
])[] = [
  ['Try it:', [registerDemo]],
  [
    'Set up:',
    [registerMigrate, registerInit, registerTrack, registerUntrack, registerExtension, registerDeinit],
  ],
  [
    'Ask:',
    [
      registerAsOf,
      registerDiff,
      registerTransactions,
      registerTransaction,
      registerChanges,
      registerFind,
      registerExport,
    ],
  ],
  [
    'Operate:',
    [registerServe, registerPoll, registerRetention, registerStatus, registerDoctor, registerEvents],
  ],
  ['Undo:', [registerRestore]],
  ['Repair:', [registerRebaseline, registerSkip, registerReleaseSlot]],
  ['Help:', [registerCompletion, registerComplete]],
];

/**
 * The program, ready to parse; it throws CommanderErrors instead of ending the process.
 * @param write prints version and help; by default to stdout
 */
export function buildProgram(version: string, run: Run, write?: (text: string) => void): Command {
  const program = new Command('pgtimewarp')
    .description('Time travel for rows of tracked PostgreSQL tables: what was this row at that time?')
    .version(version)
    .configureHelp({ showGlobalOptions: true })
    // command-line.ts prints errors
    .configureOutput({ outputError: () => {}, ...(write === undefined ? {} : { writeOut: write }) })
    .exitOverride();
  addSharedOptions(program);
  program.addHelpCommand(
    new Command('help').argument('[command]').description('display help for command').helpGroup('Help:'),
  );
  for (const [title, registrations] of GROUPS) {
    for (const register of registrations) {
      register(program, run)
        .helpGroup(title)
        .configureHelp({ showGlobalOptions: true })
        .configureOutput({ outputError: () => {} })
        .exitOverride();
    }
  }
  return program;
}
