/** The commands and their help, grouped by purpose. */
import { Command } from 'commander';
import type { Run } from './command.ts';
import { addSharedOptions } from './settings.ts';

type Register = (program: Command, run: Run) => Command;

interface Group {
  readonly title: string;
  readonly commands: Readonly<Record<string, () => Promise<Register>>>;
}

/** Each command with its module, which is loaded only for that command. */
const GROUPS: readonly Group[] = [
  {
    title: 'Try it:',
    commands: {
      demo: async () => (await import('./commands/demo.ts')).registerDemo,
    },
  },
  {
    title: 'Set up:',
    commands: {
      migrate: async () => (await import('./commands/migrate.ts')).registerMigrate,
      init: async () => (await import('./commands/init.ts')).registerInit,
      track: async () => (await import('./commands/track.ts')).registerTrack,
      untrack: async () => (await import('./commands/untrack.ts')).registerUntrack,
      extension: async () => (await import('./commands/extension.ts')).registerExtension,
      deinit: async () => (await import('./commands/deinit.ts')).registerDeinit,
    },
  },
  {
    title: 'Ask:',
    commands: {
      asof: async () => (await import('./commands/asof.ts')).registerAsOf,
      diff: async () => (await import('./commands/diff.ts')).registerDiff,
      transactions: async () => (await import('./commands/transactions.ts')).registerTransactions,
      transaction: async () => (await import('./commands/transaction.ts')).registerTransaction,
      changes: async () => (await import('./commands/changes.ts')).registerChanges,
      find: async () => (await import('./commands/find.ts')).registerFind,
      export: async () => (await import('./commands/export.ts')).registerExport,
    },
  },
  {
    title: 'Operate:',
    commands: {
      serve: async () => (await import('./commands/serve.ts')).registerServe,
      poll: async () => (await import('./commands/poll.ts')).registerPoll,
      retention: async () => (await import('./commands/retention.ts')).registerRetention,
      archive: async () => (await import('./commands/archive.ts')).registerArchive,
      status: async () => (await import('./commands/status.ts')).registerStatus,
      doctor: async () => (await import('./commands/doctor.ts')).registerDoctor,
      events: async () => (await import('./commands/events.ts')).registerEvents,
    },
  },
  {
    title: 'Undo:',
    commands: {
      restore: async () => (await import('./commands/restore.ts')).registerRestore,
    },
  },
  {
    title: 'Repair:',
    commands: {
      rebaseline: async () => (await import('./commands/rebaseline.ts')).registerRebaseline,
      skip: async () => (await import('./commands/skip.ts')).registerSkip,
      'release-slot': async () => (await import('./commands/release-slot.ts')).registerReleaseSlot,
    },
  },
  {
    title: 'Help:',
    commands: {
      completion: async () => (await import('./commands/completion.ts')).registerCompletion,
      complete: async () => (await import('./commands/complete.ts')).registerComplete,
    },
  },
];

/** The words after which comes the value of a shared option. */
const TAKES_VALUE = new Set(['--source', '--store', '--node']);

export interface ProgramOptions {
  readonly version: string;
  readonly run: Run;
  /** Prints version and help; by default to stdout. */
  readonly write?: (text: string) => void;
  /** The arguments that will be parsed: only the command that they name is loaded. All are loaded when left out. */
  readonly args?: readonly string[];
}

/** The program, ready to parse; it throws CommanderErrors instead of ending the process. */
export async function buildProgram({ version, run, write, args }: ProgramOptions): Promise<Command> {
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
  const needed = args === undefined ? null : neededCommands(args);
  for (const { title, commands } of GROUPS) {
    for (const [name, load] of Object.entries(commands)) {
      if (needed !== null && !needed.includes(name)) continue;
      const register = await load();
      register(program, run)
        .helpGroup(title)
        .configureHelp({ showGlobalOptions: true })
        .configureOutput({ outputError: () => {} })
        .exitOverride();
    }
  }
  return program;
}

/** The names of the commands that the arguments need; null: all, for the help, for completion, or to suggest a similar name. */
export function neededCommands(args: readonly string[]): readonly string[] | null {
  const word = args.find((arg, at) => !arg.startsWith('-') && !TAKES_VALUE.has(args[at - 1] ?? ''));
  if (word === undefined) return args.length === 1 && /^(--version|-V)$/.test(args[0]!) ? [] : null;
  const known = GROUPS.some(({ commands }) => Object.hasOwn(commands, word));
  return known && word !== 'completion' ? [word] : null;
}
