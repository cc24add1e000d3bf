/** `retention`: sets how long history is kept, and deletes expired history now. */
import { type Command, InvalidArgumentError } from 'commander';
import { parseTableName } from '../../core/pg/identifiers.ts';
import { runRetention, setRetention, showRetention } from '../../core/retention/change-retention.ts';
import { formatBytes } from '../../core/types/byte-size.ts';
import { forgottenDocument, retentionDocument, retentionSetDocument } from '../../documents/retention.ts';
import { collect, duration, positiveInteger } from '../arguments.ts';
import type { CommandContext, Run } from '../command.ts';
import { EXIT, type ExitCode } from '../exit-codes.ts';
import { timeLines } from '../render/local-time.ts';
import { plainTable } from '../render/plain-table.ts';

const FOREVER = 'forever';

export function registerRetention(program: Command, run: Run): Command {
  const retention = program
    .command('retention')
    .description('set how long history is kept, and delete expired history')
    .addHelpText('after', '\nExample:\n  pgtimewarp retention set 30d orders');
  retention
    .command('set')
    .description('set the retention window of tables; without tables, of those that are tracked later')
    .argument('<window>', 'N(s|m|h|d), or "forever"', window)
    .argument('[table...]', 'written as in psql', collect)
    .action((keep: string | null, tables: string[] | undefined) =>
      run((context) => set(context, keep, tables ?? [])),
    );
  retention
    .command('show')
    .description('show window, size, and the oldest instant with an answer, of each table')
    .action(() => run(show));
  retention
    .command('run')
    .description('delete expired history now (every poll also deletes some, for a limited time)')
    .option('--max-seconds <n>', 'stop after this number of seconds', positiveInteger)
    .action((flags: { maxSeconds?: number }) => run((context) => forget(context, flags)));
  for (const command of retention.commands) {
    command
      .configureHelp({ showGlobalOptions: true })
      .configureOutput({ outputError: () => {} })
      .exitOverride();
  }
  return retention;
}

async function set(
  { settings, out }: CommandContext,
  keep: string | null,
  tables: readonly string[],
): Promise<ExitCode> {
  await setRetention(target(settings), tables.map(parseTableName), keep);
  out.result(retentionSetDocument(settings.node, keep, tables), () => {
    const what = tables.length === 0 ? 'Tables tracked from now on' : tables.join(', ');
    return keep === null ? `${what}: all history is kept.` : `${what}: history is kept for ${keep}.`;
  });
  return EXIT.done;
}

async function show({ settings, out }: CommandContext): Promise<ExitCode> {
  const { defaultRetention, tables } = await showRetention(target(settings));
  out.result(retentionDocument(settings.node, defaultRetention, tables), () => {
    const cells = tables.map((table) => [
      table.table,
      table.retention ?? FOREVER,
      table.oldest === null ? '(nothing expired)' : timeLines(table.oldest.ts),
      String(table.ranges),
      formatBytes(table.sizeBytes),
    ]);
    const list = plainTable(['table', 'kept', 'answers from', 'ranges', 'size'], cells, out);
    return `Kept by default: ${defaultRetention ?? FOREVER}\n\n${list}`;
  });
  return EXIT.done;
}

async function forget(
  { settings, out, signal }: CommandContext,
  flags: { maxSeconds?: number },
): Promise<ExitCode> {
  const result = await runRetention(target(settings), { ...flags, signal });
  out.result(forgottenDocument(settings.node, result), () =>
    result === null
      ? 'Another run is active; nothing to do.'
      : `${result.rangesDropped} ranges dropped, ${result.mapEntriesForgotten} entries of the time map deleted${
          result.unfinished.length > 0
            ? '; some expired history is left, because a session was reading it or time was up'
            : ''
        }.`,
  );
  return EXIT.done;
}

function target(settings: CommandContext['settings']): { storeUrl: string; node: string } {
  return { storeUrl: settings.storeUrl, node: settings.node };
}

function window(value: string): string | null {
  if (value === FOREVER) return null;
  try {
    return duration(value);
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    throw new InvalidArgumentError('It must be a duration such as 12h or 30d, or "forever".');
  }
}
