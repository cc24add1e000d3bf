/** `track`: starts the history of tables. */
import { type Command, Option } from 'commander';
import { parseTableName, type TableName } from '../../core/pg/identifiers.ts';
import { track } from '../../core/track.ts';
import { collect, columnList, duration } from '../arguments.ts';
import type { CommandContext, Run } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import type { Output } from '../output.ts';
import { rowsProgress } from '../progress.ts';
import { localTime } from '../render/local-time.ts';
import { wrap } from '../render/wrap.ts';

interface TrackFlags {
  readonly retention?: string;
  readonly exclude?: readonly string[];
  readonly baseline: boolean;
  /** false: --no-nan. */
  readonly nan: boolean;
}

export function registerTrack(program: Command, run: Run): Command {
  return program
    .command('track')
    .description('start the history of tables and wait until their present rows are read')
    .argument('<table...>', 'as psql takes it: orders, sales.orders, "Odd Name"', collect)
    .addOption(new Option('--retention <duration>', 'keep history that long: N(s|m|h|d)').argParser(duration))
    .addOption(
      new Option('--exclude <columns>', 'leave these columns out, separated by commas').argParser(columnList),
    )
    .option('--no-baseline', 'do not read present rows: they are unknown until they change')
    .option('--no-nan', 'its numeric and float columns never hold NaN or infinity: take NULLs at their word')
    .addHelpText(
      'after',
      '\nExample:\n  pgtimewarp track orders sales.customers --exclude card_number --retention 30d',
    )
    .action((tables: string[], flags: TrackFlags) =>
      run(async (context) => {
        const names = tables.map(parseTableName); // all of them before the first is touched
        const results: TrackResult[] = [];
        for (const table of names) results.push(await trackOne(context, table, flags));
        context.out.result({ node: context.settings.node, tables: results.map(toJson) }, () =>
          results.map((result) => describeTracked(result, context.out)).join('\n'),
        );
        return EXIT.done;
      }),
    );
}

type TrackResult = Awaited<ReturnType<typeof track>>;

async function trackOne(
  { settings, out, signal }: CommandContext,
  table: TableName,
  flags: TrackFlags,
): Promise<TrackResult> {
  using progress = rowsProgress(out);
  return await track({
    ...settings.databases,
    table,
    exclude: flags.exclude,
    baseline: flags.baseline ? undefined : false,
    retention: flags.retention ?? null,
    noNan: flags.nan ? undefined : true,
    signal,
    onProgress: (step) => progress.show(step.message, step.rows, step.estimatedRows),
  });
}

function toJson(result: TrackResult): object {
  return {
    table: result.table,
    relation_id: result.relationId,
    tracked_from: result.trackedFrom,
    baseline: result.baseline,
    baseline_rows: result.baselineRows,
    already_tracked: result.alreadyTracked,
    no_nan: result.noNan,
    notes: result.notes,
  };
}

/** The result for people. */
export function describeTracked({ table, trackedFrom, ...result }: TrackResult, { width }: Output): string {
  const rows = result.baseline === 'none' ? 'without its present rows' : `${result.baselineRows} rows read`;
  const [what, verb] = result.alreadyTracked
    ? [' already; nothing changed', 'began']
    : [`, ${rows}`, 'begins'];
  const local = localTime(trackedFrom.ts);
  return [
    wrap(`${table} is tracked${what}. Its history ${verb} at`, width, '  '),
    `  ${trackedFrom.ts}  (${trackedFrom.lsn})`,
    ...(local === null ? [] : [`  ${local}`]),
    ...result.notes.map((note) => wrap(note, width, '  ')),
  ].join('\n');
}
