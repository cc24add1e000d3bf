/** `skip`: leaves out a transaction that cannot be applied. */
import { type Command, Option } from 'commander';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { skip } from '../../core/skip.ts';
import { tryParseLsn } from '../../core/types/lsn.ts';
import { skippedDocument } from '../../documents/repair.ts';
import type { Run } from '../command.ts';
import { EXIT } from '../exit-codes.ts';

export function registerSkip(program: Command, run: Run): Command {
  return program
    .command('skip')
    .description(
      'leave out the transaction that blocks the node; its tables are unknown until they are read again',
    )
    .addOption(
      new Option('--lsn <lsn>', 'position of the transaction, as doctor shows it').makeOptionMandatory(),
    )
    .addHelpText('after', '\nExample:\n  pgtimewarp skip --lsn 0/16B3748')
    .action((flags: { lsn: string }) =>
      run(async ({ settings, out }) => {
        const lsn = tryParseLsn(flags.lsn);
        if (lsn === null) throw new TimewarpError('BAD_FLAGS', `--lsn ${flags.lsn}: not an LSN.`);
        const result = await skip({ ...settings.databases, lsn });
        out.result(skippedDocument(result), () =>
          [
            `The transaction at ${result.lsn} is left out.`,
            ...result.tables.map(
              (table) => `${table} is unknown from there on. Repair it: pgtimewarp rebaseline ${table}`,
            ),
          ].join('\n'),
        );
        return EXIT.done;
      }),
    );
}
