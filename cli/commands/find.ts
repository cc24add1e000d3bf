/** `find`: which rows of a table had a value, and when. */
import type { Command } from 'commander';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { formatTableName, parseTableName } from '../../core/pg/identifiers.ts';
import { type FindPage, findRows } from '../../core/query/find.ts';
import { NOW } from '../../core/query/instant.ts';
import { findPageText, foundText } from '../../documents/history.ts';
import { readArchive } from '../archive-reader.ts';
import { collect } from '../arguments.ts';
import type { CommandContext, Run } from '../command.ts';
import { EXIT, type ExitCode } from '../exit-codes.ts';
import { PAIR, whereValues, writeAnswer } from '../history-options.ts';
import { asked, type PageFlags, pageOptions, withHistory } from '../history-question.ts';
import { renderFound } from '../render/history.ts';
import { INSTANT_FORMS } from '../typed-instant.ts';

interface FindFlags extends PageFlags {
  readonly where?: readonly string[];
  readonly at?: string;
  readonly from?: string;
  readonly to?: string;
}

export function registerFind(program: Command, run: Run): Command {
  const command = program
    .command('find')
    .description('which rows had a value, and when')
    .argument('<table>', 'as psql takes it')
    .option('--where <col=value>', `${PAIR}, compared as the type compares (repeatable)`, collect)
    .option('--at <time>', `${INSTANT_FORMS} (default: now)`)
    .option('--from <time>', 'instead of --at: at any moment from here')
    .option('--to <time>', 'up to here (default: the horizon)');
  return pageOptions(command, ['show at most this many'])
    .addHelpText(
      'after',
      '\nExit status: 0, or 4 when not every row is known at that time.\n\nExample:\n  pgtimewarp find orders --where customer=7 --at -1d\n  pgtimewarp find orders --where status=paid --from -1d --format csv',
    )
    .action((tableText: string, flags: FindFlags) => run((context) => askFind(context, tableText, flags)));
}

async function askFind(context: CommandContext, tableText: string, flags: FindFlags): Promise<ExitCode> {
  const { settings, out } = context;
  const { cursor } = flags;
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
    at: isInterval ? null : flags.at === 'now' ? NOW : (asked('--at', flags.at, { cursor, out }) ?? NOW),
    from: asked('--from', flags.from, { cursor, out }),
    to: asked('--to', flags.to, { cursor, out }),
    readArchive,
  };
  const { page, items } = await withHistory(context, { flags, about: table }, ({ askAll }) =>
    askAll(
      (each: FindPage) => each.rows,
      (store, ofPage) => findRows(store, { ...request, ...ofPage }),
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
}

function badFlags(message: string): TimewarpError {
  return new TimewarpError('BAD_FLAGS', message);
}
