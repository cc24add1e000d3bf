/** `track`: starts the history of tables. */
import { type Command, Option } from 'commander';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { type TrackResult, type TrackSettings, trackTables } from '../../core/track.ts';
import { type TrackMatchingResult, trackMatching } from '../../core/track-matching.ts';
import { trackedDocument } from '../../documents/tracking.ts';
import { columnList, duration } from '../arguments.ts';
import type { CommandContext, Run } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import type { Output } from '../output.ts';
import { rowsProgress } from '../progress.ts';
import { localTime } from '../render/local-time.ts';
import { wrap } from '../render/wrap.ts';
import { type SelectionFlags, selectionOptions, selectTables } from '../table-selection.ts';

interface TrackFlags extends SelectionFlags {
  readonly retention?: string;
  readonly exclude?: readonly string[];
  readonly baseline: boolean;
  readonly shared?: true;
  /** false: --no-nan. */
  readonly nan: boolean;
  /** false: --no-follow. */
  readonly follow?: boolean;
}

export function registerTrack(program: Command, run: Run): Command {
  const command = program
    .command('track')
    .description('start the history of tables and wait until their present rows are read');
  return selectionOptions(command)
    .option('--follow', 'runs also track matching tables that are created later')
    .option('--no-follow', 'runs no longer track new tables that match')
    .addOption(
      new Option('--retention <duration>', 'how long to keep history: N(s|m|h|d)').argParser(duration),
    )
    .addOption(
      new Option('--exclude <columns>', 'columns to leave out, separated by commas').argParser(columnList),
    )
    .option('--no-baseline', 'do not read present rows: they are unknown until they change')
    .option('--shared', 'also if another node of the same database tracks them')
    .option('--no-nan', 'numeric and float columns never hold NaN or infinity, so every null counts as NULL')
    .addHelpText(
      'after',
      "\nExample:\n  pgtimewarp track orders sales.customers --exclude card_number --retention 30d\n  pgtimewarp track 'tenant_*.orders' --follow",
    )
    .action((tables: string[] | undefined, flags: TrackFlags) =>
      run(async (context) => {
        const { names, patterns } = selectTables(tables ?? [], flags); // parse all names before the first table changes
        if (flags.follow !== undefined && patterns.length === 0)
          throw new TimewarpError('BAD_FLAGS', 'Only patterns can be followed.', {
            remedy: "Use --follow with a pattern ('tenant_*.orders'), --schema or --all.",
          });
        using progress = rowsProgress(context.out);
        const settings = trackSettings(context, flags, progress);
        const named = names.length === 0 ? [] : await trackTables({ ...settings, tables: names });
        const matching =
          patterns.length === 0 ? null : await trackMatching({ ...settings, patterns, follow: flags.follow });
        const others = (matching?.tables ?? []).filter(({ table }) =>
          named.every((each) => each.table !== table),
        );
        const { width } = context.out;
        context.out.result(trackedDocument(context.settings.node, [...named, ...others], matching), () =>
          [
            ...named.map((result) => describeTracked(result, context.out)),
            ...(matching === null ? [] : describeMatching({ ...matching, tables: others }, width)),
          ].join('\n'),
        );
        return EXIT.done;
      }),
    );
}

function trackSettings(
  { settings, signal }: CommandContext,
  flags: TrackFlags,
  progress: ReturnType<typeof rowsProgress>,
): TrackSettings {
  return {
    ...settings.databases,
    exclude: flags.exclude,
    baseline: flags.baseline ? undefined : false,
    retention: flags.retention ?? null,
    noNan: flags.nan ? undefined : true,
    shared: flags.shared,
    signal,
    onProgress: (step) => progress.show(step.message, step.rows, step.estimatedRows),
  };
}

/** A line for each table. Tables that could not be tracked come last, where they are not missed. */
function describeMatching(
  { tables, notTracked, followed, unfollowed }: TrackMatchingResult,
  width: number,
): string[] {
  return [
    ...tables.map(({ table, alreadyTracked, baseline, baselineRows }) =>
      alreadyTracked
        ? `${table} is tracked already.`
        : `${table} is tracked, ${baseline === 'none' ? 'without its present rows' : `${baselineRows} rows read`}.`,
    ),
    ...new Set(tables.flatMap(({ notes }) => notes).map((note) => wrap(note, width, '  '))),
    ...notTracked.map(({ reason, remedy }) => wrap(`Not tracked: ${reason} ${remedy}`, width, '  ')),
    ...followed.map((pattern) => `Runs also track new tables that match ${pattern}.`),
    ...unfollowed.map((pattern) => `Runs no longer track new tables that match ${pattern}.`),
  ];
}

/** The result for people, about one table. */
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
