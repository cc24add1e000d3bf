/** `untrack`: ends the history of tables. */
import type { Command } from 'commander';
import { parseTableName } from '../../core/pg/identifiers.ts';
import { untrack } from '../../core/track.ts';
import { collect } from '../arguments.ts';
import type { Run } from '../command.ts';
import { EXIT } from '../exit-codes.ts';

export function registerUntrack(program: Command, run: Run): Command {
  return program
    .command('untrack')
    .description('end the history of tables; what is known stays unless purged')
    .argument('<table...>', 'as psql takes it', collect)
    .option('--purge', 'delete the history of the tables as well, for good')
    .addHelpText('after', '\nExample:\n  pgtimewarp untrack orders')
    .action((tables: string[], flags: { purge?: boolean }) =>
      run(async ({ settings, out }) => {
        const names = tables.map(parseTableName);
        const purge = flags.purge === true;
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
