/** `diff`: how a row changed between two instants. */
import type { Command } from 'commander';
import type { Queryable } from '../../core/pg/connection.ts';
import { connect } from '../../core/pg/connection.ts';
import { formatTableName, parseTableName } from '../../core/pg/identifiers.ts';
import { type DiffChange, type DiffPage, type DiffRequest, diff } from '../../core/query/diff.ts';
import { keyFromOptions } from '../../core/query/key-input.ts';
import { diffPageText } from '../../documents/diff.ts';
import { readArchive } from '../archive-reader.ts';
import { collect } from '../arguments.ts';
import { type AwaitFlags, askAwaiting, awaitOption } from '../awaited.ts';
import type { Run } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { explainingKey } from '../explain-key.ts';
import { JsonText } from '../output.ts';
import { renderDiff } from '../render/changes.ts';
import { suggestingTable } from '../suggest-table.ts';
import { INSTANT_FORMS, instantOption } from '../typed-instant.ts';

interface DiffFlags extends AwaitFlags {
  readonly pk?: readonly string[];
  readonly from?: string;
  readonly to?: string;
  readonly who?: boolean;
  readonly full?: boolean;
}

const PAGE_SIZE = 1_000;

export function registerDiff(program: Command, run: Run): Command {
  const command = program
    .command('diff')
    .description('how a row changed between two instants')
    .argument('<table>', 'written as in psql')
    .option('--pk <key>', 'column=value once per key column, a JSON object, or the bare value', collect)
    .option('--from <time>', `${INSTANT_FORMS} (default: the start of tracking)`)
    .option('--to <time>', 'the same forms (default: the horizon)')
    .option('--full', 'show long values in full')
    .option('--who', 'show the context of each transaction in full (see docs/who-did-it.md)');
  return awaitOption(command)
    .addHelpText(
      'after',
      '\nExample:\n  pgtimewarp diff orders --pk id=42 --from 2026-01-31T00:00:00+01:00\n  pgtimewarp diff orders --pk 42 --from -1d',
    )
    .action((tableText: string, flags: DiffFlags) =>
      run(async ({ settings, out, signal }) => {
        const table = parseTableName(tableText);
        const request: DiffRequest = {
          node: settings.node,
          table,
          pk: keyFromOptions(flags.pk ?? []),
          from: flags.from === undefined ? null : instantOption('--from', flags.from, out),
          to: flags.to === undefined ? null : instantOption('--to', flags.to, out),
          limit: PAGE_SIZE,
          readArchive,
        };
        const store = await connect(settings.storeUrl, { side: 'store', node: settings.node });
        try {
          const page = await explainingKey(flags.pk ?? [], () =>
            suggestingTable(store, request, () =>
              askAwaiting(store, { node: settings.node, flags, signal }, () => allPages(store, request)),
            ),
          );
          out.result(new JsonText(diffPageText(page)), () =>
            renderDiff(page, out, { ...flags, title: formatTableName(table) }),
          );
          return EXIT.done;
        } finally {
          await store.end().catch(() => {});
        }
      }),
    );
}

/** The changes of all pages in one. All other members are those of the last page, which is the newest. */
async function allPages(store: Queryable, request: DiffRequest): Promise<DiffPage> {
  const changes: DiffChange[] = [];
  let page = await diff(store, request);
  changes.push(...page.changes);
  while (page.nextCursor !== null) {
    page = await diff(store, { ...request, cursor: page.nextCursor });
    changes.push(...page.changes);
  }
  return { ...page, changes };
}
