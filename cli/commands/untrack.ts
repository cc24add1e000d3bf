/** `untrack`: ends the history of tables. */
import type { Command } from 'commander';
import { parseTableName } from '../../core/pg/identifiers.ts';
import { planUntrack } from '../../core/plan.ts';
import { untrack } from '../../core/track.ts';
import { collect } from '../arguments.ts';
import type { Run } from '../command.ts';
import { dryRunOption, tellPlan } from '../confirm.ts';
import { EXIT } from '../exit-codes.ts';

interface UntrackFlags {
  readonly purge?: boolean;
  readonly dryRun?: boolean;
}

export function registerUntrack(program: Command, run: Run): Command {
  const command = program
    .command('untrack')
    .description('end the history of tables; what is known stays unless purged')
    .argument('<table...>', 'as psql takes it', collect)
    .option('--purge', 'delete the history of the tables as well, for good');
  return dryRunOption(command)
    .addHelpText('after', '\nExample:\n  pgtimewarp untrack orders')
    .action((tables: string[], flags: UntrackFlags) =>
      run(async (context) => {
        const { settings, out } = context;
        const names = tables.map(parseTableName);
        const purge = flags.purge === true;
        if (flags.dryRun) {
          const { storeUrl, node } = settings;
          tellPlan(context, await planUntrack({ storeUrl, node, tables: names, purge }));
          return EXIT.done;
        }
        const results: Awaited<ReturnType<typeof untrack>>[] = [];
        for (const table of names) results.push(await untrack({ ...settings.databases, table, purge }));
        out.result({ node: settings.node, tables: results }, () =>
          tables
            .map(
              (table) => `${table} is not tracked any more; its history ${purge ? 'is deleted' : 'stays'}.`,
            )
            .join('\n'),
        );
        return EXIT.done;
      }),
    );
}
