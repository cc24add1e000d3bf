/** `untrack`: ends the tracking of tables. */
import type { Command } from 'commander';
import { planUntrack } from '../../core/plan.ts';
import { untrackTables } from '../../core/track.ts';
import { untrackMatching } from '../../core/track-matching.ts';
import { untrackedDocument } from '../../documents/tracking.ts';
import type { Run } from '../command.ts';
import { dryRunOption, tellPlan } from '../confirm.ts';
import { EXIT } from '../exit-codes.ts';
import { type SelectionFlags, selectionOptions, selectTables } from '../table-selection.ts';

interface UntrackFlags extends SelectionFlags {
  readonly purge?: boolean;
  readonly dryRun?: boolean;
}

export function registerUntrack(program: Command, run: Run): Command {
  const command = program
    .command('untrack')
    .description('stop tracking tables; their history stays unless purged');
  return dryRunOption(
    selectionOptions(command).option('--purge', 'delete the history of the tables as well, for good'),
  )
    .addHelpText(
      'after',
      "\nWith a pattern, runs also stop tracking new tables that match it.\n\nExample:\n  pgtimewarp untrack orders\n  pgtimewarp untrack 'tenant_*.orders' --purge --dry-run",
    )
    .action((tables: string[] | undefined, flags: UntrackFlags) =>
      run(async (context) => {
        const { settings, out } = context;
        const { names, patterns } = selectTables(tables ?? [], flags);
        const purge = flags.purge === true;
        if (flags.dryRun) {
          const { storeUrl, node } = settings;
          tellPlan(context, await planUntrack({ storeUrl, node, tables: names, patterns, purge }));
          return EXIT.done;
        }
        const where = { ...settings.databases, purge };
        const named = names.length === 0 ? [] : await untrackTables({ ...where, tables: names });
        const matching = patterns.length === 0 ? null : await untrackMatching({ ...where, patterns });
        const results = [...named, ...(matching?.tables ?? [])];
        const unfollowed = matching?.unfollowed ?? [];
        const document = untrackedDocument(settings.node, results, matching && unfollowed);
        out.result(document, () =>
          [
            ...results.map(
              ({ table }) =>
                `${table} is not tracked any more; its history ${purge ? 'is deleted' : 'stays'}.`,
            ),
            ...unfollowed.map((pattern) => `Runs no longer track new tables that match ${pattern}.`),
          ].join('\n'),
        );
        return EXIT.done;
      }),
    );
}
