/** `asof`: the row, or with --all every row of the table, as it was at an instant. */
import { type Command, Option } from 'commander';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { connect } from '../../core/pg/connection.ts';
import { parseTableName } from '../../core/pg/identifiers.ts';
import { asOf } from '../../core/query/as-of.ts';
import { NOW } from '../../core/query/instant.ts';
import { keyFromOptions } from '../../core/query/key-input.ts';
import { readArchive } from '../archive-reader.ts';
import { collect, columnList } from '../arguments.ts';
import { type AwaitFlags, askAwaiting, awaitOption } from '../awaited.ts';
import type { CommandContext, Run } from '../command.ts';
import { type ExitCode, exitCodeOfAnswer } from '../exit-codes.ts';
import { explainingKey } from '../explain-key.ts';
import { formatOption, PAIR, UNKNOWN_CHOICES } from '../history-options.ts';
import { JsonText } from '../output.ts';
import { renderAnswer } from '../render/answer.ts';
import { suggestingTable } from '../suggest-table.ts';
import { INSTANT_FORMS, instantOption } from '../typed-instant.ts';
import type { TableFlags } from '../whole-table.ts';

interface AsOfFlags extends AwaitFlags, TableFlags {
  readonly pk?: readonly string[];
  readonly full?: boolean;
  readonly all?: boolean;
}

const HELP = `
Exit status: 0 found, 3 absent, 4 unknown. With --all: 0, or 4 when a row or a value is not known.

Example:
  pgtimewarp asof orders --pk id=42 --at 2026-01-31T09:41:00Z
  pgtimewarp asof orders --pk 42 --at -15m
  pgtimewarp asof orders --all --at -15m --where customer=7
  pgtimewarp asof orders --all --at -15m --format csv > orders.csv
  psql -c 'CREATE TABLE orders_then (LIKE orders)' -c "\\copy orders_then from 'orders.csv' (format csv, header)"`;

export function registerAsOf(program: Command, run: Run): Command {
  const command = program
    .command('asof')
    .description('the row, or the whole table, as it was at an instant')
    .argument('<table>', 'written as in psql: orders, sales.orders, "Odd Name"')
    .option('--pk <key>', 'column=value once per key column, a JSON object, or the bare value', collect)
    .option('--at <time>', `${INSTANT_FORMS} (default: now)`)
    .option('--full', 'show values of more than 1,000 characters in full')
    .option('--all', 'every row of the table, instead of --pk')
    .option('--where <col=value>', `with --all: ${PAIR}, compared as the type compares (repeatable)`, collect)
    .option('--columns <columns>', 'with --all: only these: a,b', columnList)
    .addOption(formatOption('with --all: table, or one row a line: ndjson, csv (as \\copy reads it)'))
    .addOption(
      new Option('--unknown <what>', 'with --all: rows that are not known are an error, or left out').choices(
        UNKNOWN_CHOICES,
      ),
    );
  return awaitOption(command)
    .addHelpText('after', HELP)
    .action((tableText: string, flags: AsOfFlags) =>
      run(async (context) => {
        refuseMixed(flags);
        if (flags.all !== true) return askRow(context, tableText, flags);
        const { askWholeTable } = await import('../whole-table.ts'); // a question for one row loads no more than it needs
        return askWholeTable(context, parseTableName(tableText), flags);
      }),
    );
}

async function askRow(
  { settings, out, signal }: CommandContext,
  tableText: string,
  flags: AsOfFlags,
): Promise<ExitCode> {
  const table = parseTableName(tableText);
  const pk = keyFromOptions(flags.pk ?? []);
  const at = flags.at === undefined || flags.at === 'now' ? NOW : instantOption('--at', flags.at, out);
  const store = await connect(settings.storeUrl, { side: 'store', node: settings.node });
  try {
    const request = { node: settings.node, table, pk, at, readArchive };
    const result = await explainingKey(flags.pk ?? [], () =>
      suggestingTable(store, request, () =>
        askAwaiting(store, { node: settings.node, flags, signal }, () => asOf(store, request)),
      ),
    );
    out.result(new JsonText(result.answerText), () =>
      renderAnswer(result.answerText, out, flags.full === true),
    );
    return exitCodeOfAnswer(result.status);
  } finally {
    await store.end().catch(() => {});
  }
}

/** Throws BAD_FLAGS for options of the other question. */
function refuseMixed({ all, pk, full, where, columns, format, unknown }: AsOfFlags): void {
  const [question, others] =
    all === true ? ['--all', { pk, full }] : ['--pk', { where, columns, format, unknown }];
  for (const [name, value] of Object.entries(others)) {
    if (value === undefined) continue;
    throw new TimewarpError('BAD_FLAGS', `--${name} does not go with ${question}.`, {
      remedy: 'Ask for one row with --pk, or for every row with --all.',
    });
  }
}
