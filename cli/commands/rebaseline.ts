/** `rebaseline`: repairs tables: reads their rows again and ends their gap. */
import type { Command } from 'commander';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { formatTableName, parseTableName } from '../../core/pg/identifiers.ts';
import { planRebaselineNode } from '../../core/plan.ts';
import { type RebaselineResult, rebaseline } from '../../core/rebaseline.ts';
import { rebaselinedDocument } from '../../documents/repair.ts';
import { collect } from '../arguments.ts';
import type { Run } from '../command.ts';
import { type ConfirmFlags, confirmOptions, mayGoOn, tellPlan } from '../confirm.ts';
import { EXIT } from '../exit-codes.ts';
import { rowsProgress } from '../progress.ts';
import { rebaselineWholeNode } from '../rebaseline-whole-node.ts';

export function registerRebaseline(program: Command, run: Run): Command {
  const command = program
    .command('rebaseline')
    .description('repair tables whose history has a gap: read their rows again')
    .argument(
      '[table...]',
      'written as in psql; without tables, --node repairs the whole node after a loss',
      collect,
    );
  return confirmOptions(command)
    .addHelpText('after', '\nExample:\n  pgtimewarp rebaseline orders')
    .action((tables: string[] = [], flags: ConfirmFlags) =>
      run(async (context) => {
        if (tables.length === 0 && program.getOptionValueSource('node') !== 'cli') {
          throw new TimewarpError('BAD_FLAGS', 'Name tables, or --node for the whole node.');
        }
        if (tables.length === 0) {
          const { storeUrl, node } = context.settings;
          if (!(await mayGoOn(context, flags, () => planRebaselineNode({ storeUrl, node }))))
            return EXIT.done;
          return rebaselineWholeNode(context, program.version() ?? 'unknown');
        }
        const { settings, out, signal } = context;
        const names = tables.map(parseTableName); // parse all names before the first table changes
        if (flags.dryRun) {
          const would = names.map((name) => `Reads ${formatTableName(name)} again.`);
          tellPlan(context, { node: settings.node, would, losesNothing: true });
          return EXIT.done;
        }
        const results: RebaselineResult[] = [];
        for (const table of names) {
          using progress = rowsProgress(out);
          results.push(
            await rebaseline({
              ...settings.databases,
              table,
              signal,
              onProgress: (step) => progress.show(step.message, step.rows, step.estimatedRows),
            }),
          );
        }
        out.result(rebaselinedDocument(settings.node, results), () =>
          results
            .map(
              (each) =>
                `${each.table}: ${each.rows} rows read, ${each.differences} differed; its gap has ended.`,
            )
            .join('\n'),
        );
        return EXIT.done;
      }),
    );
}
