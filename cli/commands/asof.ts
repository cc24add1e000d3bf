/** `asof`: the row as it was at an instant. */
import type { Command } from 'commander';
import { connect } from '../../core/pg/connection.ts';
import { parseTableName } from '../../core/pg/identifiers.ts';
import { asOf } from '../../core/query/as-of.ts';
import { NOW } from '../../core/query/instant.ts';
import { keyFromOptions } from '../../core/query/key-input.ts';
import { collect } from '../arguments.ts';
import { type AwaitFlags, askAwaiting, awaitOption } from '../awaited.ts';
import type { Run } from '../command.ts';
import { exitCodeOfAnswer } from '../exit-codes.ts';
import { explainingKey } from '../explain-key.ts';
import { JsonText } from '../output.ts';
import { renderAnswer } from '../render/answer.ts';
import { suggestingTable } from '../suggest-table.ts';
import { INSTANT_FORMS, instantOption } from '../typed-instant.ts';

interface AsOfFlags extends AwaitFlags {
  readonly pk?: readonly string[];
  readonly at?: string;
  readonly full?: boolean;
}

export function registerAsOf(program: Command, run: Run): Command {
  const command = program
    .command('asof')
    .description('the row as it was at an instant')
    .argument('<table>', 'written as in psql: orders, sales.orders, "Odd Name"')
    .option('--pk <key>', 'column=value once per key column, a JSON object, or the bare value', collect)
    .option('--at <time>', `${INSTANT_FORMS} (default: now)`)
    .option('--full', 'show values of more than 1,000 characters in full');
  return awaitOption(command)
    .addHelpText(
      'after',
      '\nExit status: 0 found, 3 absent, 4 unknown.\n\nExample:\n  pgtimewarp asof orders --pk id=42 --at 2026-01-31T09:41:00Z\n  pgtimewarp asof orders --pk 42 --at -15m',
    )
    .action((tableText: string, flags: AsOfFlags) =>
      run(async ({ settings, out, signal }) => {
        const table = parseTableName(tableText);
        const pk = keyFromOptions(flags.pk ?? []);
        const at = flags.at === undefined || flags.at === 'now' ? NOW : instantOption('--at', flags.at, out);
        const store = await connect(settings.storeUrl, { side: 'store', node: settings.node });
        try {
          const request = { node: settings.node, table, pk, at };
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
      }),
    );
}
