/** `find`: which rows of a table had a value, and when. */
import type { Command } from 'commander';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { connect } from '../../core/pg/connection.ts';
import { formatTableName, parseTableName } from '../../core/pg/identifiers.ts';
import { type FindPage, type FoundRow, findRows } from '../../core/query/find.ts';
import { NOW } from '../../core/query/instant.ts';
import { findPageText, foundText } from '../../documents/history.ts';
import { allPages } from '../all-pages.ts';
import { collect, positiveInteger } from '../arguments.ts';
import { type AwaitFlags, askAwaiting, awaitOption } from '../awaited.ts';
import type { CommandContext, Run } from '../command.ts';
import { EXIT, type ExitCode } from '../exit-codes.ts';
import { type Format, formatOption, PAIR, whereValues, writeAnswer } from '../history-options.ts';
import { renderFound } from '../render/history.ts';
import { suggestingTable } from '../suggest-table.ts';
import { INSTANT_FORMS, instantOption } from '../typed-instant.ts';

interface FindFlags extends AwaitFlags {
  readonly where?: readonly string[];
  readonly at?: string;
  readonly from?: string;
  readonly to?: string;
  readonly limit?: number;
  readonly cursor?: string;
  readonly format?: Format;
}

export function registerFind(program: Command, run: Run): Command {
  const command = program
    .command('find')
    .description('which rows had a value, and when')
    .argument('<table>', 'as psql takes it')
    .option('--where <col=value>', `${PAIR}, compared as the type compares (repeatable)`, collect)
    .option('--at <time>', `${INSTANT_FORMS} (default: now)`)
    .option('--from <time>', 'instead of --at: at any moment from here')
    .option('--to <time>', 'up to here (default: the horizon)')
    .option('--limit <n>', 'show at most this many (default: all)', positiveInteger)
    .option('--cursor <cursor>', 'go on after an earlier answer: its member `next`')
    .addOption(formatOption());
  return awaitOption(command)
    .addHelpText(
      'after',
      '\nExit status: 0, or 4 when not every row is known at that time.\n\nExample:\n  pgtimewarp find orders --where customer=7 --at -1d\n  pgtimewarp find orders --where status=paid --from -1d --format csv',
    )
    .action((tableText: string, flags: FindFlags) => run((context) => askFind(context, tableText, flags)));
}

async function askFind(
  { settings, out, signal }: CommandContext,
  tableText: string,
  flags: FindFlags,
): Promise<ExitCode> {
  const table = parseTableName(tableText);
  const where = whereValues(flags.where);
  if (where === undefined) throw badFlags('Say what the rows must have: --where COL=VALUE.');
  const isInterval = flags.from !== undefined || flags.to !== undefined;
  if (isInterval && flags.at !== undefined)
    throw badFlags('--at asks about one instant, --from and --to about an interval.');
  const request = {
    node: settings.node,
    table,
    where,
    at: isInterval
      ? null
      : flags.at === undefined || flags.at === 'now'
        ? NOW
        : instantOption('--at', flags.at, out),
    from: flags.from === undefined ? null : instantOption('--from', flags.from, out),
    to: flags.to === undefined ? null : instantOption('--to', flags.to, out),
  };
  const store = await connect(settings.storeUrl, { side: 'store', node: settings.node });
  try {
    const { page, items } = await suggestingTable(store, request, () =>
      askAwaiting(store, { node: settings.node, flags, signal }, () =>
        allPages<FindPage, FoundRow>(
          flags.limit ?? null,
          (each) => each.rows,
          (limit, cursor) => findRows(store, { ...request, limit, cursor: cursor ?? flags.cursor ?? null }),
        ),
      ),
    );
    writeAnswer(
      {
        frame: page,
        json: () => findPageText({ ...page, rows: items }),
        lines: () => items.map(foundText),
        csv: {
          header: ['pk', 'valid_from', 'valid_to', 'row'],
          rows: () =>
            items.map(({ pkText, validFromText, validToText, rowText }) => [
              pkText,
              validFromText,
              validToText === 'null' ? null : validToText,
              rowText,
            ]),
        },
        human: () => renderFound({ title: formatTableName(table), frame: page }, items, out),
      },
      flags.format,
      out,
    );
    return !isInterval && page.unknownText !== '[]' ? EXIT.unknown : EXIT.done;
  } finally {
    await store.end().catch(() => {});
  }
}

function badFlags(message: string): TimewarpError {
  return new TimewarpError('BAD_FLAGS', message);
}
